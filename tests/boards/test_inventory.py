"""Which port is which board: by USB id, serial number or the user's word, and never a guess."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.inventory import AttachedPort, find_port, list_ports, lock_name, match
from harness.errors import BoardError, PortNotFoundError, UsageError

ESP32 = find_board("esp32")
ONE = {"device": "/dev/lab0", "vid": "10c4", "pid": "ea60", "serial_number": "A1", "location": "1-1"}
TWIN = {"device": "/dev/lab1", "vid": 0x10C4, "pid": 0xEA60, "serial_number": "B2", "location": "1-2"}
OTHER = {"device": "/dev/lab2", "vid": "2341", "pid": "0042", "serial_number": "C3", "product": "Mega"}


@pytest.fixture
def attach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def put(*entries: object) -> None:
        file = tmp_path / "inventory.json"
        file.write_text(json.dumps(entries))
        monkeypatch.setenv("HIL_INVENTORY", str(file))

    return put


def test_ports_of_the_inventory_file_are_listed(attach) -> None:  # type: ignore[no-untyped-def]
    attach(OTHER, ONE)
    listed = [port for port in list_ports() if port.device.startswith("/dev/lab")]
    assert [port.device for port in listed] == ["/dev/lab0", "/dev/lab2"]
    assert listed[0].usb_id == "10c4:ea60"
    assert listed[1] == AttachedPort("/dev/lab2", 0x2341, 0x42, "C3", None, "Mega", None)


def test_a_board_is_found_by_its_usb_id(attach) -> None:  # type: ignore[no-untyped-def]
    attach(OTHER, ONE)
    assert find_port(ESP32).device == "/dev/lab0"
    assert match(find_board("host"), list_ports()) == []


def test_twins_are_refused_and_listed(attach) -> None:  # type: ignore[no-untyped-def]
    attach(ONE, TWIN, OTHER)
    with pytest.raises(BoardError) as caught:
        find_port(ESP32)
    text = str(caught.value)
    assert "2 ports" in text
    assert all(word in text for word in ("/dev/lab0", "'A1'", "/dev/lab1", "'B2'", "--serial-number", "--port"))
    assert "/dev/lab2" not in text


def test_a_twin_is_chosen_by_serial_number_or_port(attach) -> None:  # type: ignore[no-untyped-def]
    attach(ONE, TWIN)
    assert find_port(ESP32, serial_number="B2").device == "/dev/lab1"
    assert find_port(ESP32, port="/dev/lab0").serial_number == "A1"
    with pytest.raises(PortNotFoundError, match="not have serial number 'B2'"):
        find_port(ESP32, port="/dev/lab0", serial_number="B2")


def test_twins_with_one_serial_number_need_a_port_and_have_locks_of_their_own(attach) -> None:  # type: ignore[no-untyped-def]
    attach(ONE, {**TWIN, "serial_number": "A1"})
    with pytest.raises(BoardError) as caught:
        find_port(ESP32, serial_number="A1")
    assert caught.value.hint == "say which with --port"
    assert len({lock_name(port) for port in match(ESP32, list_ports())}) == 2


def test_no_board_says_what_was_looked_for_and_found(attach) -> None:  # type: ignore[no-untyped-def]
    attach(OTHER)
    with pytest.raises(PortNotFoundError) as caught:
        find_port(ESP32)
    assert all(word in str(caught.value) for word in (*ESP32.usb_ids, "/dev/lab2", "2341:0042", "board esp32"))
    with pytest.raises(PortNotFoundError, match="'Z9'"):
        find_port(ESP32, serial_number="Z9")


def test_a_port_the_inventory_does_not_know_is_taken_as_it_is() -> None:
    assert find_port(ESP32, port="socket://rack:4001") == AttachedPort("socket://rack:4001")


def test_a_link_and_its_device_are_one_port(attach, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    master, slave = os.openpty()
    try:
        link = tmp_path / "by-id"
        link.symlink_to(os.ttyname(slave))
        attach({**ONE, "device": os.ttyname(slave)})
        assert find_port(ESP32, port=str(link)).serial_number == "A1"
        attach()
        assert lock_name(find_port(ESP32, port=str(link))) == lock_name(find_port(ESP32, port=os.ttyname(slave)))
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "ports"),
        ("{}", "not a list"),
        ("[3]", "entry 0 is not an object"),
        ('[{"device": "/dev/a"}, {"vid": 1}]', "entry 1 has no device"),
        ('[{"device": "/dev/a", "vid": "xyz"}]', "entry 0: vid"),
        ('[{"device": "/dev/a", "pid": 65536}]', "entry 0: pid"),
        ('[{"device": "/dev/a", "location": 7}]', "entry 0: location"),
        ('[{"device": "/dev/a", "serial": "x"}]', "'serial'"),
        ("[" * 100000, "ports"),
    ],
)
def test_a_wrong_inventory_file_is_a_usage_error(
    content: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "inventory.json"
    file.write_text(content)
    monkeypatch.setenv("HIL_INVENTORY", str(file))
    with pytest.raises(UsageError, match="HIL_INVENTORY") as caught:
        list_ports()
    assert named in str(caught.value)


def test_an_absent_inventory_file_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_INVENTORY", "/nonexistent/ports.json")
    with pytest.raises(UsageError, match="No such file"):
        list_ports()
