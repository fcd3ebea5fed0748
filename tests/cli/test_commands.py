"""Commands that need no board."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.boards.catalogue import load_catalogue
from harness.cli import output
from harness.cli.main import main
from harness.errors import UsageError


def test_boards_lists_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards"]) == 0
    text = capsys.readouterr().out
    assert all(board in text for board in load_catalogue())


def test_boards_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "--json", "-"]) == 0
    boards = {board["id"]: board for board in json.loads(capsys.readouterr().out)["boards"]}
    assert list(boards) == list(load_catalogue())
    assert boards["esp32"]["kind"] == "real"
    assert isinstance(boards["netduino2plus"]["ready"], bool)


def test_boards_names_what_is_missing_and_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["boards"]) == 0
    text = capsys.readouterr().out
    assert "netduino2plus lacks arm-none-eabi-g++" in text
    assert "gcc-arm-none-eabi" in text


def test_ports_names_boards_of_an_inventory_and_escapes_usb_strings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = tmp_path / "ports.json"
    entry = {"device": "socket://rack1:4001", "vid": "10c4", "pid": "ea60", "serial_number": "7", "product": "\x1b[2Jx"}
    inventory.write_text(json.dumps([entry]))
    monkeypatch.setenv("HIL_INVENTORY", str(inventory))
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["ports"]) == 0
    text = capsys.readouterr().out
    assert "esp32" in text
    assert "\\x1b[2Jx" in text
    assert "\x1b[2J" not in text
    assert main(["ports", "--json", "-"]) == 0
    ports = {port["device"]: port for port in json.loads(capsys.readouterr().out)["ports"]}
    assert "esp32" in ports["socket://rack1:4001"]["boards"]


def test_doctor_is_content_where_one_board_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "-"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["healthy"]
    names = {finding["name"] for finding in value["findings"]}
    assert {"Python", "PlatformIO", "SCons", "offline kit", "TensorFlow", "board host"} <= names


def test_doctor_exits_4_and_says_what_mends_it_where_none_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["doctor"]) == 4
    assert "-> sudo apt install g++" in capsys.readouterr().out


def test_doctor_fix_makes_the_offline_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    assert main(["doctor"]) == 0
    assert "hil doctor --fix" in capsys.readouterr().out
    assert main(["doctor", "--fix"]) == 0
    assert list((tmp_path / "cache").rglob("tool-scons*/package.json"))
    assert main(["doctor"]) == 0
    assert "hil doctor --fix" not in capsys.readouterr().out.split("\n\n")[-1]


def test_an_error_replaces_the_result_file_of_an_earlier_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {kind: tmp_path / kind for kind in ("json", "junit", "markdown")}
    for file in files.values():
        file.write_text("an earlier pass\n")
    options = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    assert main(["run", "no-such-bundle", "-b", "host", *options]) == 2
    assert json.loads(files["json"].read_text())["verdict"] == "error"
    assert "<error" in files["junit"].read_text()
    # A summary file belongs to the whole CI job.
    assert files["markdown"].read_text().startswith("an earlier pass\n### HIL **ERROR**")


def test_results_go_to_fifos_and_devices_without_replacing_them(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        output.write(str(fifo), "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert fifo.is_fifo()


@pytest.mark.parametrize("place", ["missing/x.json", "."])
def test_a_place_that_takes_no_result_is_refused_before_the_work(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        output.check_outputs(place)
