"""The line-rate model: bytes at the speed of a UART, damaged where a real line would damage them."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from harness.boards.line_rate import LineRate
from harness.link.deadline import Deadline
from harness.link.port import Port
from harness.link.serial_port import open_port
from tests.link.device import Pty


@pytest.fixture
def device() -> Iterator[Pty]:
    """The device's end is the master side of this pty."""
    pty = Pty()
    yield pty
    pty.close()


def read_all(descriptor: int, count: int, timeout_s: float = 20.0) -> bytes:
    data = b""
    deadline = Deadline.after(timeout_s)
    while len(data) < count and select.select([descriptor], [], [], deadline.remaining_s)[0]:
        data += os.read(descriptor, 65536)
    return data


def read_port(port: Port, count: int) -> bytes:
    data = b""
    deadline = Deadline.after(20.0)
    while len(data) < count and not deadline.expired:
        data += port.read(65536, deadline)
    return data


def test_bytes_pass_unchanged_both_ways_and_take_at_least_their_time(device: Pty) -> None:
    pattern = bytes(range(256)) * 8
    with LineRate(device.name, board_id="host", device_follows=True) as line:
        port = open_port(line.port_name, 115200)
        start_s = time.monotonic()
        port.write(pattern, Deadline.after(10))
        assert read_all(device.master, len(pattern)) == pattern
        # Never sooner, whatever the load of this computer; how much later is a benchmark's business.
        assert time.monotonic() - start_s >= len(pattern) * 10 / 115200 * 0.99
        os.write(device.master, pattern)
        assert read_port(port, len(pattern)) == pattern
        port.close()
    assert line.counters is not None
    assert line.counters.to_device.passed_bytes == line.counters.to_host.passed_bytes == len(pattern)
    assert line.counters.to_device.damaged_bytes == line.counters.to_device.lost_bytes == 0
    assert line.counters.to_device.busy_s == pytest.approx(len(pattern) * 10 / 115200)


def test_a_device_at_another_rate_receives_junk(device: Pty) -> None:
    open_port(device.name, 115200).close()  # as a device sets its rate
    pattern = bytes(range(256))
    with LineRate(device.name, board_id="host") as line:
        port = open_port(line.port_name, 460800)
        port.write(pattern, Deadline.after(10))
        received = read_all(device.master, len(pattern))
        assert len(received) == len(pattern)
        assert received != pattern
        port.set_baud(115200)
        port.write(pattern, Deadline.after(10))
        assert read_all(device.master, len(pattern)) == pattern
        port.close()


def test_above_the_highest_clean_rate_some_bytes_are_damaged_and_the_seed_says_which(device: Pty) -> None:
    pattern = bytes(8000)
    received = []
    for _ in range(2):
        with LineRate(device.name, board_id="host", device_follows=True, clean_up_to_baud=460800, seed=7) as line:
            port = open_port(line.port_name, 921600)
            port.write(pattern, Deadline.after(10))
            received.append(read_all(device.master, len(pattern)))
            port.close()
        assert line.counters is not None
        assert line.counters.to_device.damaged_bytes == sum(byte != 0 for byte in received[-1]) > 0
    assert received[0] == received[1]


def test_what_a_device_does_not_take_is_lost_and_counted(device: Pty) -> None:
    with LineRate(device.name, board_id="host", device_follows=True) as line:
        port = open_port(line.port_name, 4000000)
        port.write(bytes(100000), Deadline.after(10))
        time.sleep(1.0)
        port.close()
    assert line.counters is not None
    assert line.counters.to_device.lost_bytes > 0
