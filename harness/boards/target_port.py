"""A port that knows what is behind it: an emulator that ended is a port that is lost."""

from __future__ import annotations

from harness.boards.emulator import Emulator
from harness.errors import BoardError, PortLostError
from harness.link.deadline import Deadline
from harness.link.port import Port

# The harness keeps the pty open over restarts, so the line of a dead emulator just falls silent. Asking costs two
# system calls, and happens only while nothing comes.
_LOOK_S = 0.05


class TargetPort:
    """A `harness.link.port.Port` over another one.

    Attributes:
        usable: neither closed nor lost.
    """

    def __init__(self, inner: Port, *, board_id: str, emulator: Emulator | None = None) -> None:
        self._inner = inner
        self._board_id = board_id
        self._emulator = emulator
        self.usable = True

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def baud(self) -> int:
        return self._inner.baud

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while True:
            data = self._read(max_bytes, deadline.sooner(_LOOK_S) if self._emulator else deadline)
            if data or self._emulator is None:
                return data
            if self._emulator.exit_description() is not None:
                # Its last words may have come after the read above gave up.
                data = self._read(max_bytes, Deadline.after(_LOOK_S))
                if data:
                    return data
                raise self._ended()
            if deadline.expired:
                return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        try:
            self._inner.write(data, deadline)
        except BoardError as error:
            self.usable = self.usable and not isinstance(error, PortLostError)
            if self._emulator is not None and self._emulator.exit_description() is not None:
                raise self._ended() from error
            raise

    def set_baud(self, baud: int) -> None:
        self._inner.set_baud(baud)

    def set_lines(self, dtr: bool, rts: bool) -> None:
        self._inner.set_lines(dtr, rts)

    def close(self) -> None:
        self.usable = False
        self._inner.close()

    def _read(self, max_bytes: int, deadline: Deadline) -> bytes:
        try:
            return self._inner.read(max_bytes, deadline)
        except PortLostError:
            self.usable = False
            raise

    def _ended(self) -> PortLostError:
        assert self._emulator is not None
        return PortLostError(
            self._emulator.exit_description() or "the emulator restarted",
            board=self._board_id,
            port=self.name,
            hint="reset or flash the target to start it again",
        )
