"""A timeout is a deadline: passed down whole, never restarted by the layers below."""

from __future__ import annotations

import time


class Deadline:
    """A moment of the monotonic clock, `timeout_s` seconds from its making."""

    __slots__ = ("_at_s",)

    def __init__(self, timeout_s: float) -> None:
        self._at_s = time.monotonic() + timeout_s

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        """The moment `timeout_s` seconds from now."""
        return cls(timeout_s)

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at_s - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining_s == 0.0

    def sooner(self, timeout_s: float) -> Deadline:
        """This moment, or `timeout_s` seconds from now if that comes first."""
        other = Deadline(timeout_s)
        return other if other._at_s < self._at_s else self
