"""What the link needs of a byte pipe. serial_port.py is the one for real use."""

from __future__ import annotations

from typing import Protocol

from harness.link.deadline import Deadline


class Port(Protocol):
    """Bytes to and from one device. One owner; not for use from two threads."""

    @property
    def name(self) -> str:
        """As the user would type it."""

    @property
    def baud(self) -> int:
        """Bits per second of the line; ten of them carry a byte. A pty only pretends."""

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        """Whatever is there, as soon as anything is: 1 to `max_bytes` bytes; b"" at the deadline.

        An expired deadline polls. Raises PortLostError once the device is gone.
        """

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Hands all of `data` to the system.

        Raises NoAnswerError if the line does not take it by the deadline, PortLostError.
        """

    def set_baud(self, baud: int) -> None:
        """Changes the line's speed at once; the caller sees to it that nothing is under way. Raises PortLostError."""

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """Asserts or releases DTR and RTS; nothing happens where the line has none (pty, socket)."""

    def close(self) -> None:
        """Gives the line up. Never blocks, never raises, may be called again."""
