"""Every kind of emulator keeps the same promises, shown with real programs on real ptys."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.emulator import Emulator, make_emulator
from harness.errors import BoardError, UsageError
from tests.boards.programs import BOARDS, Line, children_of, is_alive, open_line, wait_until

Program = Callable[[str], Path]


@pytest.fixture(params=BOARDS)
def board_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def emulator(board_id: str) -> Iterator[Emulator]:
    emulator = make_emulator(find_board(board_id))
    try:
        yield emulator
    finally:
        emulator.close()


@pytest.fixture
def line(emulator: Emulator) -> Iterator[Line]:
    with open_line(emulator.port_name) as line:
        yield line


def my_children() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if is_alive(pid)]


def test_every_byte_value_passes_both_ways(emulator: Emulator, line: Line, board_id: str, program: Program) -> None:
    emulator.start(program(board_id))
    line.until(b"hello\n")
    data = bytes(byte for byte in range(256) if byte not in b"RMBXSI")
    line.send(data)
    assert line.take(len(data)) == data
    emulator.start(program(board_id))  # the second program finds the line as the first did
    line.until(b"hello\n")
    line.send(data)
    assert line.take(len(data)) == data


def test_a_restart_keeps_the_port_and_drops_what_was_under_way(
    emulator: Emulator, line: Line, board_id: str, program: Program
) -> None:
    name = emulator.port_name
    emulator.start(program(board_id))
    line.until(b"hello\n")
    line.send(b"stale")
    emulator.start(program(board_id))
    assert line.until(b"\n").endswith(b"hello\n")
    assert emulator.port_name == name
    line.send(b"fresh")
    assert line.take(5) == b"fresh"


def test_reset_starts_the_program_anew(emulator: Emulator, line: Line, board_id: str, program: Program) -> None:
    emulator.start(program(board_id))
    line.until(b"hello\n")
    for _ in range(3):
        emulator.reset()
        assert line.until(b"\n") == b"hello\n"
    line.send(b"abc")
    assert line.take(3) == b"abc"


def test_a_long_burst_loses_nothing(emulator: Emulator, line: Line, board_id: str, program: Program) -> None:
    emulator.start(program(board_id))
    line.until(b"hello\n")
    data = b"0123456789" * 200
    line.send(data)
    assert line.take(len(data)) == data


def test_stop_leaves_no_process_and_may_be_repeated(
    emulator: Emulator, line: Line, board_id: str, program: Program
) -> None:
    before = set(my_children())
    emulator.start(program(board_id))
    line.until(b"hello\n")
    (pid,) = set(my_children()) - before
    assert emulator.exit_description() is None
    emulator.stop()
    emulator.stop()
    assert not Path(f"/proc/{pid}").exists()  # collected too: no zombie
    assert "is not running" in (emulator.exit_description() or "")


def test_closing_gives_every_descriptor_back(board_id: str, program: Program) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_descriptors()
    emulator = make_emulator(find_board(board_id))
    emulator.start(program(board_id))
    emulator.close()
    emulator.close()
    assert open_descriptors() == before


def test_a_killed_emulator_is_described_with_its_signal(
    emulator: Emulator, line: Line, board_id: str, program: Program
) -> None:
    before = set(my_children())
    emulator.start(program(board_id))
    line.until(b"hello\n")
    (pid,) = set(my_children()) - before
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: emulator.exit_description() is not None, "the end of the emulator")
    assert "ended by signal 9 (SIGKILL)" in (emulator.exit_description() or "")
    emulator.start(program(board_id))
    line.until(b"hello\n")


HARNESS = """
import sys, time
from pathlib import Path
from harness.boards.catalogue import find_board
from harness.boards.emulator import make_emulator
emulator = make_emulator(find_board(sys.argv[1]))
emulator.start(Path(sys.argv[2]))
print("started", flush=True)
time.sleep(60)
"""


def test_a_killed_harness_leaves_no_emulator(board_id: str, program: Program, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, board_id, str(program(board_id))],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"started\n"
        (emulator,) = children_of(harness.pid)
        assert is_alive(emulator)
        # A Ctrl-C in the terminal goes to the foreground process group: the emulator is in another session.
        assert os.getsid(emulator) != os.getsid(harness.pid)
    finally:
        harness.kill()
        harness.communicate(timeout=10)
    wait_until(lambda: not is_alive(emulator), "the end of the emulator")
    assert list(temporary.iterdir()) == []


def test_a_program_that_ignores_the_polite_end_is_killed(program: Program) -> None:
    emulator = make_emulator(find_board("host"))
    before = set(my_children())
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("host"))
            line.until(b"hello\n")
            line.send(b"I")
            line.take(1)
            emulator.stop()
    finally:
        emulator.close()
    assert set(my_children()) == before


def test_a_crash_is_described_with_printable_last_words(program: Program) -> None:
    emulator = make_emulator(find_board("host"))
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("host"))
            line.until(b"hello\n")
            line.send(b"X")
            wait_until(lambda: emulator.exit_description() is not None, "the crash")
            description = emulator.exit_description() or ""
    finally:
        emulator.close()
    assert "signal 6 (SIGABRT)" in description
    assert "assertion failed" in description
    assert "\x1b" not in description


def test_an_image_that_is_no_program_is_a_board_error(tmp_path: Path) -> None:
    emulator = make_emulator(find_board("host"))
    try:
        with pytest.raises(BoardError, match="can't be started"):
            emulator.start(tmp_path / "absent.elf")
        with pytest.raises(BoardError):
            emulator.reset()
    finally:
        emulator.close()


def test_a_real_board_has_no_emulator() -> None:
    with pytest.raises(UsageError, match="esp32"):
        make_emulator(find_board("esp32"))


def test_qemu_survives_a_reset_the_program_asks_for(program: Program) -> None:
    emulator = make_emulator(find_board("netduino2plus"))
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("netduino2plus"))
            line.until(b"hello\n")
            line.send(b"R")
            line.until(b"hello\n")
            assert emulator.exit_description() is None
    finally:
        emulator.close()


EXTERNAL, WATCHDOG, POWER_ON = 0b0010, 0b1000, 0b0001  # bits of MCUSR


def test_avr_resets_say_their_reason_and_keep_ram(program: Program) -> None:
    emulator = make_emulator(find_board("megaatmega2560"))
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("megaatmega2560"))
            for boots, cause in ((1, POWER_ON), (2, WATCHDOG), (3, EXTERNAL), (4, WATCHDOG)):
                line.until(b"hello\n")
                line.send(b"MB")
                assert line.take(2) == bytes([cause, boots])
                if boots == 2:
                    emulator.reset()
                else:
                    line.send(b"R")
    finally:
        emulator.close()


def test_avr_answers_after_it_slept(program: Program) -> None:
    emulator = make_emulator(find_board("megaatmega2560"))
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("megaatmega2560"))
            line.until(b"hello\n")
            line.send(b"S")
            line.take(1)
            assert line.quiet(0.2)
            data = b"0123456789" * 20
            line.send(data)
            assert line.take(len(data)) == data
            emulator.reset()
            line.until(b"hello\n")
    finally:
        emulator.close()


def test_avr_program_that_leaves_its_flash_is_described(program: Program) -> None:
    emulator = make_emulator(find_board("megaatmega2560"))
    try:
        with open_line(emulator.port_name) as line:
            emulator.start(program("megaatmega2560"))
            line.until(b"hello\n")
            line.send(b"X")
            wait_until(lambda: emulator.exit_description() is not None, "the crash")
            assert "crashed at pc" in (emulator.exit_description() or "")
    finally:
        emulator.close()
