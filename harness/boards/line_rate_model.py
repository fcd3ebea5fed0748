"""The serial cable itself, as a process: what a pty carries at once, this one carries at the speed of a UART.

Runs as a program with the host's side (a pty's master) as stdin and stdout:

    python -I line_rate_model.py DEVICE_TTY STATS_FD [options]

Each way, a byte takes ten bit times (8N1) and bytes follow each other without a gap as long as there are any; what the
device does not take is lost and counted, as a UART without flow control loses it. The host's rate is what its program
set on its tty, the device's what the device set on its own (--device-follows: always the host's). While they differ, or
above --clean-up-to (a number, or a file that holds one and may change), bytes arrive damaged. --latency-ms delays
whatever goes over, as a USB bridge does.

On SIGTERM it writes its counters as one JSON object to STATS_FD and ends. Only the standard library, for a quick start.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import time
from pathlib import Path

BITS_PER_BYTE = 10
TRANSMIT_BUFFER_BYTES = 4096  # of the sender's driver; what a sleeping model finds there was on the line in time
TICK_S = 0.001  # a line is slow: bytes are gathered, rather than handed on one by one
LEAST_S = 0.00005
IDLE_S = 0.05
TCGETS2 = 0x802C542A
TERMIOS2 = struct.Struct("<4IB19sII")
DAMAGED_PER_BYTE = 1e-3  # above the highest clean rate


class Way:
    """One direction."""

    def __init__(self, source: int, sink: int, spoiler: random.Random, latency_s: float) -> None:
        self.source = source
        self.sink = sink
        self.passed_bytes = 0
        self.lost_bytes = 0
        self.damaged_bytes = 0
        self.busy_s = 0.0
        self._spoiler = spoiler
        self._latency_s = latency_s
        self._waiting = bytearray()
        self._late: collections.deque[tuple[float, bytes]] = collections.deque()
        self._free_at_s = 0.0

    @property
    def is_sending(self) -> bool:
        return bool(self._waiting)

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting or self._late)

    def due_s(self, now_s: float, byte_s: float) -> float:
        """Seconds until something should be handed on: all that waits, or what a tick carries of it."""
        due_s = [TICK_S]
        if self._waiting:
            due_s.append(self._free_at_s + len(self._waiting) * byte_s - now_s)
        if self._late:
            due_s.append(self._late[0][0] - now_s)
        return max(LEAST_S, min(due_s))

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < TRANSMIT_BUFFER_BYTES

    def take(self, now_s: float) -> bool:
        """Reads what the sender has; False when it hung up."""
        try:
            data = os.read(self.source, TRANSMIT_BUFFER_BYTES - len(self._waiting))
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data and not self._waiting:
            self._free_at_s = max(self._free_at_s, now_s)
        self._waiting += data
        return bool(data)

    def move(self, now_s: float, byte_s: float, junk: bool, damage: float) -> None:
        """Hands on what has arrived whole by now."""
        count = min(len(self._waiting), int((now_s - self._free_at_s) / byte_s)) if self._waiting else 0
        if count > 0:
            data = bytes(self._waiting[:count])
            del self._waiting[:count]
            self._free_at_s += count * byte_s
            self.busy_s += count * byte_s
            data = self._spoil(data, 1.0 if junk else damage)
            if self._latency_s:
                self._late.append((now_s + self._latency_s, data))
            else:
                self._deliver(data)
        while self._late and self._late[0][0] <= now_s:
            self._deliver(self._late.popleft()[1])

    def _spoil(self, data: bytes, per_byte: float) -> bytes:
        if not per_byte:
            return data
        spoilt = bytearray(data)
        for position in range(len(data)):
            if per_byte >= 1 or self._spoiler.random() < per_byte:
                spoilt[position] ^= 1 << self._spoiler.randrange(8)
                self.damaged_bytes += 1
        return bytes(spoilt)

    def _deliver(self, data: bytes) -> None:
        written = 0
        with contextlib.suppress(OSError):
            written = os.write(self.sink, data)
        self.passed_bytes += written
        self.lost_bytes += len(data) - written


def rate_of(tty: int) -> int:
    """Bits per second set on a tty; of a pty's master: on its other end."""
    answer = fcntl.ioctl(tty, TCGETS2, bytes(TERMIOS2.size))
    return max(50, int(TERMIOS2.unpack(answer)[-1]))


def number_from(text: str) -> int:
    """`text` as a number, or what the file of that name holds; 0 while that is none."""
    if not text.isdigit():
        text = Path(text).read_text(encoding="ascii").strip()
    return int(text) if text.isdigit() else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("stats_fd", type=int)
    parser.add_argument("--device-follows", action="store_true")
    parser.add_argument("--clean-up-to", default="0", metavar="BAUD|FILE")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ended = [False]

    def end(number: int, frame: object) -> None:
        ended[0] = True

    signal.signal(signal.SIGTERM, end)
    host = 0
    device = os.open(options.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_blocking(host, False)
    spoiler = random.Random(options.seed)  # noqa: S311 - reproducible damage, no secret
    down = Way(host, device, spoiler, options.latency_ms / 1000)
    up = Way(device, host, spoiler, options.latency_ms / 1000)
    ways = (down, up)
    started_s = time.monotonic()
    byte_s = {down: 0.0, up: 0.0}
    while not ended[0]:
        now_s = time.monotonic()
        wait_s = min((way.due_s(now_s, byte_s[way]) for way in ways if way.is_busy), default=IDLE_S)
        # A sender that goes on sending wakes nobody; a silent one's first byte must be seen when it comes.
        sources = [way.source for way in ways if not way.is_sending]
        try:
            select.select(sources, [], [], wait_s)
        except InterruptedError:
            continue
        now_s = time.monotonic()
        host_rate = rate_of(host)
        device_rate = host_rate if options.device_follows else rate_of(device)
        byte_s = {down: BITS_PER_BYTE / host_rate, up: BITS_PER_BYTE / device_rate}
        junk = abs(host_rate - device_rate) * 20 > host_rate
        clean_up_to = number_from(options.clean_up_to)
        damage = DAMAGED_PER_BYTE if clean_up_to and host_rate > clean_up_to else 0.0
        for way in ways:
            way.move(now_s, byte_s[way], junk, damage)
        # Asked anew: a tty may be set so that reading nothing looks like a hang-up.
        for way in ways:
            if way.has_room and select.select([way.source], [], [], 0)[0] and not way.take(now_s):
                ended[0] = True
    usage = time.process_time()
    counters = {
        name: {
            "passed_bytes": way.passed_bytes,
            "lost_bytes": way.lost_bytes,
            "damaged_bytes": way.damaged_bytes,
            "busy_s": way.busy_s,
        }
        for name, way in (("to_device", down), ("to_host", up))
    }
    report = {**counters, "wall_s": time.monotonic() - started_s, "cpu_s": usage}
    with contextlib.suppress(OSError):
        os.write(options.stats_fd, json.dumps(report).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
