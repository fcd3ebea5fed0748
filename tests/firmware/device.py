"""A few lines of host side for the host board's process: a pty, and frames by a codec of their own.

Kept apart from harness.protocol and harness.link, so that firmware and harness can't share one mistake.
"""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import time
import tty
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HELLO, PING, INFER, SET_ARENA, RESET_STATE, REBOOT, STATS = range(1, 8)
INFO, PONG, RESULT, ARENA, STATE_RESET, REBOOTING, STATS_REPLY = range(0x81, 0x88)
BOOT, ERROR = 0xC0, 0xFF
POWER_ON, SOFTWARE, FAULT = 1, 3, 6


def cobs_encode(data: bytes) -> bytes:
    """Shortest COBS encoding, without delimiters."""
    out = bytearray()
    start = 0
    while True:
        zero = data.find(0, start, start + 254)
        end = zero if zero >= 0 else min(start + 254, len(data))
        out.append(end - start + 1)
        out += data[start:end]
        if zero < 0 and end == len(data):
            return bytes(out)
        start = end if zero < 0 else zero + 1


def cobs_decode(data: bytes) -> bytes | None:
    """None where data is no COBS."""
    out = bytearray()
    position = 0
    while position < len(data):
        code = data[position]
        if position + code > len(data):
            return None
        out += data[position + 1 : position + code]
        position += code
        if code != 255 and position < len(data):
            out.append(0)
    return bytes(out)


@dataclass(frozen=True, slots=True)
class Message:
    """One frame that decoded."""

    type: int
    seq: int
    session: int
    body: bytes


def frame(kind: int, seq: int, session: int, body: bytes = b"") -> bytes:
    payload = struct.pack("<BHI", kind, seq, session) + body
    return b"\0" + cobs_encode(payload + struct.pack("<I", zlib.crc32(payload))) + b"\0"


@dataclass(slots=True)
class Device:
    """A firmware process and the harness's end of its pty."""

    process: subprocess.Popen[bytes]
    fd: int
    noise: list[bytes] = field(default_factory=list)
    _pending: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        os.write(self.fd, data)

    def receive(self, timeout_s: float = 10.0) -> Message:
        """The next frame that decodes; what doesn't goes to `noise`. TimeoutError after timeout_s."""
        deadline = time.monotonic() + timeout_s
        while True:
            while b"\0" in self._pending:
                chunk, _, rest = bytes(self._pending).partition(b"\0")
                self._pending[:] = rest
                payload = cobs_decode(chunk) if chunk else b""
                if (
                    payload is not None
                    and len(payload) >= 11
                    and zlib.crc32(payload[:-4]) == int.from_bytes(payload[-4:], "little")
                ):
                    return Message(*struct.unpack_from("<BHI", payload), payload[7:-4])
                if chunk:
                    self.noise.append(chunk)
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("the device sent no frame")
            self._pending += os.read(self.fd, 65536)

    def ask(self, kind: int, seq: int, session: int, body: bytes = b"") -> Message:
        """The answer to one request; unsolicited frames on the way are skipped."""
        self.send(frame(kind, seq, session, body))
        while True:
            message = self.receive()
            if message.seq == seq:
                return message

    def hello(self, nonce: int) -> Message:
        return self.ask(HELLO, 1, 0, struct.pack("<IBB", nonce, 1, 1))


@contextmanager
def running(program: Path, environment: Mapping[str, str] | None = None) -> Iterator[Device]:
    """Starts the firmware on stdin = stdout = pty master, as the harness does; kills it at the end."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        process = subprocess.Popen([program], stdin=master, stdout=master, env={**os.environ, **(environment or {})})
    finally:
        os.close(master)
    try:
        yield Device(process, slave)
    finally:
        process.kill()
        process.wait(10)
        os.close(slave)
