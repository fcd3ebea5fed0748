"""The device's end of the serial line: the master side of a pty as standard input and output."""

from __future__ import annotations

import os
import select
import time

from harness.protocol.frame import encode_message

_READ_BYTES = 4096
_GIVE_UP_S = 1.0  # a host that takes nothing for this long is not there


class LineClosedError(Exception):
    """Nobody has the other end open any more: the harness is gone."""


class Line:
    """Reads and writes descriptors 0 and 1, which never block for ever."""

    def __init__(self) -> None:
        os.set_blocking(0, False)
        os.set_blocking(1, False)

    def read(self) -> bytes:
        """The next bytes; waits for them.

        Raises:
            LineClosedError: no more will come.
        """
        while True:
            select.select([0], [], [])
            try:
                data = os.read(0, _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:  # EIO: the last open slave was closed
                raise LineClosedError from error
            if not data:
                raise LineClosedError
            return data

    def write(self, data: bytes) -> None:
        """Writes all of it; gives up and drops the rest when nothing is taken for about a second."""
        rest = memoryview(data)
        deadline = time.monotonic() + _GIVE_UP_S
        while rest and (left_s := deadline - time.monotonic()) > 0:
            if not select.select([], [1], [], left_s)[1]:
                return
            try:
                written = os.write(1, rest)
            except BlockingIOError:
                continue
            except OSError as error:
                raise LineClosedError from error
            rest = rest[written:]
            deadline = time.monotonic() + _GIVE_UP_S

    def message(self, message_type: int, seq: int, session: int, body: bytes) -> bytes:
        """Sends a frame; gives its bytes."""
        frame = encode_message(message_type, seq, session, body)
        self.write(frame)
        return frame
