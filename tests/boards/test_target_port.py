"""A port whose emulator ended says so, with the emulator's words, long before the deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.emulator import Emulator, make_emulator
from harness.boards.target_port import TargetPort
from harness.errors import PortLostError
from harness.link.deadline import Deadline
from harness.link.serial_port import open_port

FAR_S = 60.0
Program = Callable[[str], Path]


@pytest.fixture
def emulator(program: Program) -> Iterator[Emulator]:
    emulator = make_emulator(find_board("host"))
    try:
        emulator.start(program("host"))
        yield emulator
    finally:
        emulator.close()


@pytest.fixture
def port(emulator: Emulator) -> Iterator[TargetPort]:
    port = TargetPort(open_port(emulator.port_name, 115200), board_id="host", emulator=emulator)
    yield port
    port.close()


def read_all(port: TargetPort, wanted: bytes) -> None:
    data = b""
    deadline = Deadline.after(10.0)
    while wanted not in data:
        part = port.read(4096, deadline)
        assert part, f"{wanted!r} did not come after {data!r}"
        data += part


def test_reading_from_a_dead_emulator_tells_how_it_ended(emulator: Emulator, port: TargetPort) -> None:
    emulator.reset()
    read_all(port, b"hello\n")
    began_s = time.monotonic()
    port.write(b"abcX", Deadline.after(FAR_S))
    read_all(port, b"abc")  # its last words come first
    with pytest.raises(PortLostError, match=r"signal 6 \(SIGABRT\).*assertion failed") as caught:
        port.read(4096, Deadline.after(FAR_S))
    assert time.monotonic() - began_s < FAR_S / 2
    assert (caught.value.board, caught.value.port) == ("host", emulator.port_name)
    assert port.usable  # the pty is still there for the next start
    emulator.reset()
    read_all(port, b"hello\n")


def test_writing_to_a_dead_emulator_ends_with_its_words(emulator: Emulator, port: TargetPort) -> None:
    emulator.stop()
    with pytest.raises(PortLostError, match="not running"):
        port.write(bytes(1 << 20), Deadline.after(0.2))


def test_a_quiet_line_reads_nothing_at_the_deadline(emulator: Emulator, port: TargetPort) -> None:
    emulator.reset()
    read_all(port, b"hello\n")
    assert port.read(4096, Deadline.after(0.12)) == b""
    assert port.usable


def test_a_line_that_hung_up_is_not_usable() -> None:
    master, slave = os.openpty()
    port = TargetPort(open_port(os.ttyname(slave), 115200), board_id="esp32")
    os.close(slave)
    os.close(master)
    with pytest.raises(PortLostError):
        port.read(1, Deadline.after(1.0))
    assert not port.usable
    port.close()
