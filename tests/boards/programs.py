"""Small programs for each kind of emulator, built on demand, and a plain client of a pty."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board, missing_here

SOURCES = Path(__file__).parent / "firmware"
BOARDS = ("host", "netduino2plus", "megaatmega2560")
COMMANDS = {
    "host": ["cc", "-O1", "{source}/host.c"],
    "netduino2plus": [
        *("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O1", "-ffreestanding", "-nostdlib"),
        *("-T", "{source}/stm32.ld", "{source}/stm32.c"),
    ],
    "megaatmega2560": ["avr-gcc", "-mmcu=atmega2560", "-DF_CPU=16000000", "-Os", "{source}/avr.c"],
}
ANSWER_S = 10.0


def build_program(board_id: str, folder: Path) -> Path:
    """The board's test program; skips, saying what stays unproved, where a tool is missing."""
    command = [word.format(source=SOURCES) for word in COMMANDS[board_id]]
    missing = [one.what for one in missing_here(find_board(board_id))]
    missing += [command[0]] if shutil.which(command[0]) is None else []
    if missing:
        pytest.skip(f"NOT PROVED: that {board_id} starts, resets and ends cleanly; missing here: {', '.join(missing)}")
    elf = folder / f"{board_id}.elf"
    subprocess.run([*command, "-o", str(elf)], check=True, timeout=60)
    return elf


class Line:
    """A client of a pty that reads with a deadline."""

    def __init__(self, name: str) -> None:
        self.descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._unread = b""

    def send(self, data: bytes) -> None:
        os.write(self.descriptor, data)

    def until(self, wanted: bytes) -> bytes:
        """Bytes up to and with `wanted`; what follows is kept."""
        data, found, self._unread = self._collect(lambda data: wanted in data).partition(wanted)
        return data + found

    def take(self, count: int) -> bytes:
        data = self._collect(lambda data: len(data) >= count)
        self._unread = data[count:]
        return data[:count]

    def quiet(self, seconds: float = 0.05) -> bool:
        return not self._unread and not select.select([self.descriptor], [], [], seconds)[0]

    def _collect(self, done: Callable[[bytes], bool]) -> bytes:
        data, self._unread = self._unread, b""
        end = time.monotonic() + ANSWER_S
        while not done(data):
            if not select.select([self.descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"nothing more came in {ANSWER_S:g} s after {data!r}")
            data += os.read(self.descriptor, 65536)
        return data

    def close(self) -> None:
        os.close(self.descriptor)


@contextlib.contextmanager
def open_line(name: str) -> Iterator[Line]:
    line = Line(name)
    try:
        yield line
    finally:
        with contextlib.suppress(termios.error):
            termios.tcflush(line.descriptor, termios.TCIOFLUSH)
        line.close()


def is_alive(pid: int) -> bool:
    """Whether the process still runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + ANSWER_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {ANSWER_S:g} s"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`, from /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found
