"""Holding one instance: side by side, over kills, with an empty flash, and after the emulator died."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.boards.catalogue import Board, find_board
from harness.boards.target import Target, open_target
from harness.build.image import FirmwareImage
from harness.errors import BoardError, FlashError, NoAnswerError, PortBusyError, PortNotFoundError, UsageError
from harness.resources import state_dir
from tests.boards.programs import BOARDS, children_of, is_alive, open_line, wait_until

Program = Callable[[str], Path]
BUILD_ID = bytes(range(16))


def image_of(board_id: str, elf: Path) -> FirmwareImage:
    return FirmwareImage(board_id, "rnn", BUILD_ID, bytes(32), elf, (), 1024, 2048, "cc")


def fill_slot(board: Board, image: FirmwareImage, port: str, on_line: Callable[[str], None]) -> None:
    """Does what the emulated platform's upload target does."""
    temporary = Path(port) / ".firmware"
    shutil.copyfile(image.elf, temporary)
    temporary.chmod(0o755)
    temporary.replace(Path(port) / "firmware.elf")
    (Path(port) / "build_id").write_text(image.build_id.hex() + "\n")
    on_line(f"filled {board.id}")


def hold(board_id: str) -> Target:
    return open_target(find_board(board_id), flasher=fill_slot)


@pytest.mark.parametrize("board_id", BOARDS)
def test_a_flashed_target_runs_and_keeps_its_flash(board_id: str, program: Program) -> None:
    lines: list[str] = []
    with hold(board_id) as target:
        assert target.flashed_build_id is None
        target.flash(image_of(board_id, program(board_id)), lines.append)
        with open_line(target.port_name) as line:
            line.until(b"hello\n")
            record = target.reset()
            assert record.done
            assert record.method == "emulator"
            line.until(b"hello\n")
    assert lines == [f"filled {board_id}"]
    assert children_of(os.getpid()) == []
    with hold(board_id) as target:  # power on again: what was flashed runs
        assert target.flashed_build_id == BUILD_ID
        with open_line(target.port_name) as line:
            line.until(b"hello\n")


def test_two_targets_of_one_board_do_not_meet(program: Program) -> None:
    with hold("host") as one, hold("host") as two:
        assert one.port_name != two.port_name
        one.flash(image_of("host", program("host")))
        assert two.flashed_build_id is None
        two.flash(image_of("host", program("host")))
        with open_line(one.port_name) as line_one, open_line(two.port_name) as line_two:
            line_one.until(b"hello\n")
            line_two.until(b"hello\n")
            line_one.send(b"1")
            line_two.send(b"2")
            assert (line_one.take(1), line_two.take(1)) == (b"1", b"2")
    assert sorted(path.name for path in (state_dir() / "targets").iterdir()) == ["host-1", "host-2"]


HARNESS = """
import sys, time
from harness.boards.catalogue import find_board
from harness.boards.target import open_target
with open_target(find_board("host")):
    print("held", flush=True)
    while True:
        time.sleep(0.1)  # again and again: a signal just before a sleep is seen only after it
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_run_leaves_neither_lock_nor_process(ending: signal.Signals, program: Program) -> None:
    with hold("host") as target:
        target.flash(image_of("host", program("host")))
    run = subprocess.Popen([sys.executable, "-c", HARNESS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == b"held\n"
        (emulator,) = children_of(run.pid)
        with hold("host") as target:
            assert target.flashed_build_id is None  # the first instance is taken
        run.send_signal(ending)
        run.communicate(timeout=10)
        wait_until(lambda: not is_alive(emulator), "the end of the emulator")
    finally:
        run.kill()
        run.communicate()
    with hold("host") as target:
        assert target.flashed_build_id == BUILD_ID


def test_an_empty_flash_answers_nothing() -> None:
    with hold("host") as target:
        for act in (target.session, target.reset):
            with pytest.raises(NoAnswerError, match="nothing is flashed") as caught:
                act()
            assert (caught.value.board, caught.value.port) == ("host", target.port_name)


def test_a_dead_emulator_is_named_and_started_again_by_reset(program: Program) -> None:
    with hold("host") as target:
        target.flash(image_of("host", program("host")))
        (pid,) = children_of(os.getpid())
        with open_line(target.port_name) as line:
            line.until(b"hello\n")
            line.send(b"X")
            wait_until(lambda: not is_alive(pid), "the crash")
            with pytest.raises(NoAnswerError, match=r"signal 6 \(SIGABRT\).*assertion failed"):
                target.session(1.0)
            record = target.reset()
            assert record.done
            line.until(b"hello\n")


def test_an_image_that_can_not_run_does_not_block_the_next_flash(program: Program, tmp_path: Path) -> None:
    junk = tmp_path / "junk.elf"
    junk.write_bytes(b"\x7fELF and no more")
    with hold("host") as target, pytest.raises(BoardError, match="can't be started"):
        target.flash(image_of("host", junk))
    with hold("host") as target:
        with pytest.raises(NoAnswerError, match="can't be started"):
            target.session(1.0)
        target.flash(image_of("host", program("host")))
        with open_line(target.port_name) as line:
            line.until(b"hello\n")


def test_an_upload_that_did_nothing_is_a_flash_error(program: Program) -> None:
    image = image_of("host", program("host"))
    with open_target(find_board("host"), flasher=lambda *_: None) as target, pytest.raises(FlashError) as caught:
        target.flash(image)
    assert "does not hold the image" in str(caught.value)


def test_an_image_for_another_board_is_refused(tmp_path: Path) -> None:
    with hold("host") as target, pytest.raises(UsageError, match="board esp32"):
        target.flash(image_of("esp32", tmp_path / "x.elf"))


def test_a_port_for_an_emulated_board_is_refused() -> None:
    with pytest.raises(UsageError, match="makes its own port"):
        open_target(find_board("host"), port="/dev/ttyUSB0")


def test_a_real_board_is_locked_under_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    try:
        device = os.ttyname(slave)
        link = tmp_path / "by-id"
        link.symlink_to(device)
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps([{"device": device, "vid": "10c4", "pid": "ea60", "serial_number": "A1"}]))
        monkeypatch.setenv("HIL_INVENTORY", str(inventory))
        esp32 = find_board("esp32")
        with open_target(esp32) as target:
            assert target.port_name == device
            for again in ({"port": device}, {"port": str(link)}, {"serial_number": "A1"}):
                with pytest.raises(PortBusyError, match=f"process {os.getpid()} "):
                    open_target(esp32, **again)
        open_target(esp32).close()
    finally:
        os.close(master)
        os.close(slave)


def test_an_absent_board_is_said_before_anything_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    inventory.write_text("[]")
    monkeypatch.setenv("HIL_INVENTORY", str(inventory))
    with pytest.raises(PortNotFoundError):
        open_target(find_board("esp32"), serial_number="no such number")
    assert not (state_dir() / "locks").exists()
