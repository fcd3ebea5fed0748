"""Sessions of a target with the real firmware behind its line."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.emulator import Emulator, make_emulator
from harness.boards.target import Target, open_target
from harness.errors import NoAnswerError, PortLostError
from harness.protocol.ids import ResetReason
from harness.resources import firmware_dir, write_atomic
from tests.boards.programs import children_of
from tests.boards.test_target import fill_slot, image_of
from tests.firmware.conftest import UNIT_DIR, compile_cpp, library_sources

ESP32 = find_board("esp32")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host board's firmware as users get it, with the unit tests' engine for a model."""
    source = firmware_dir() / "src"
    files = [*library_sources(), source / "main.cpp", source / "platform/posix.cpp", UNIT_DIR / "fake_engine.cpp"]
    return compile_cpp(files, tmp_path_factory.mktemp("host") / "firmware", ["-O1", "-DFAKE_ENGINE_ON_HOST"])


@pytest.fixture
def target(firmware: Path) -> Iterator[Target]:
    with open_target(find_board("host"), flasher=fill_slot) as target:
        target.flash(image_of("host", firmware))
        yield target


@pytest.fixture
def devices(firmware: Path) -> Iterator[tuple[Emulator, Emulator]]:
    """Two ptys with firmware behind them, to stand for attached boards."""
    pair = (make_emulator(find_board("host")), make_emulator(find_board("host")))
    try:
        for device in pair:
            device.start(firmware)
        yield pair
    finally:
        for device in pair:
            device.close()


def test_a_session_can_be_opened_again_and_after_a_reset(target: Target) -> None:
    first = target.session()
    assert first.ping(b"one") >= 0
    second = target.session()
    assert second.ping(b"two") >= 0
    assert target.reset().done
    third = target.session()
    assert third.info.reset_reason == ResetReason.POWER_ON
    assert third.ping(b"three") >= 0


def test_an_emulator_that_dies_within_a_session_is_named_at_once(target: Target) -> None:
    session = target.session()
    (pid,) = children_of(os.getpid())
    began_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(PortLostError, match=r"signal 9 \(SIGKILL\)"):
        session.ping(b"anyone?")
    assert time.monotonic() - began_s < 5
    with pytest.raises(NoAnswerError, match="SIGKILL"):
        target.session()
    assert target.reset().done
    assert target.session().ping(b"back") >= 0


def test_a_real_board_is_spoken_to_over_its_port(devices: tuple[Emulator, Emulator]) -> None:
    with open_target(ESP32, port=devices[0].port_name) as target:
        assert target.session().ping(b"x") >= 0
        assert target.reset().done  # a pty has no lines: the steps do nothing, and do not fail
        assert target.session(2.0).ping(b"x") >= 0


def test_a_board_that_comes_back_under_another_name_is_found_by_its_socket(
    devices: tuple[Emulator, Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = tmp_path / "inventory.json"

    def attach(device: str) -> None:
        entry = {"device": device, "vid": "10c4", "pid": "ea60", "serial_number": "A1", "location": "1-1"}
        inventory.write_text(json.dumps([entry]))

    monkeypatch.setenv("HIL_INVENTORY", str(inventory))
    attach(devices[0].port_name)
    with open_target(ESP32) as target:
        assert target.session().ping(b"x") >= 0
        attach(devices[1].port_name)
        devices[0].close()
        assert target.session().ping(b"x") >= 0
        assert target.port_name == devices[1].port_name


class Restless:
    """A port, `place`, that goes away as soon as HELLO comes, as USB of a board's own does when the board restarts.
    `gone` says what follows.
    """

    def __init__(self, place: Path, gone: Callable[[], None]) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        # The pty's own name may be another pty's a moment later.
        self._place = place
        place.symlink_to(os.ttyname(self._slave))
        self._gone = gone
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        os.read(self._master, 1)
        self._place.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._gone()

    def __enter__(self) -> Restless:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)


@pytest.mark.parametrize("name_again", ["the same", "another"])
def test_a_port_that_goes_in_mid_hello_is_waited_for(
    devices: tuple[Emulator, Emulator], name_again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory, link = tmp_path / "inventory.json", tmp_path / "ttyACM0"
    back = tmp_path / ("ttyACM0" if name_again == "the same" else "ttyACM1")

    def attach(place: Path) -> None:
        entry = {"device": str(place), "vid": "10c4", "pid": "ea60", "serial_number": "A1", "location": "1-1"}
        write_atomic(inventory, json.dumps([entry]).encode())

    def gone() -> None:
        write_atomic(inventory, b"[]")
        time.sleep(0.4)
        back.symlink_to(devices[0].port_name)
        attach(back)

    monkeypatch.setenv("HIL_INVENTORY", str(inventory))
    with Restless(link, gone):
        attach(link)
        with open_target(ESP32) as target:
            assert target.session().ping(b"x") >= 0
            assert target.port_name == str(back)


def test_a_port_that_goes_in_mid_hello_and_stays_away_is_lost_by_the_deadline(tmp_path: Path) -> None:
    link = tmp_path / "ttyACM0"
    with Restless(link, lambda: None), open_target(ESP32, port=str(link)) as target:
        with pytest.raises(PortLostError) as caught:
            target.session(0.5)
        assert (caught.value.board, caught.value.port) == ("esp32", str(link))


def test_a_board_that_stays_silent_is_no_answer_by_the_deadline() -> None:
    master, slave = os.openpty()
    try:
        with open_target(ESP32, port=os.ttyname(slave)) as target, pytest.raises(NoAnswerError) as caught:
            target.session(0.3)
        assert (caught.value.board, caught.value.port) == ("esp32", os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
