"""How a job tells whoever watches what it is doing: a terminal, a CI log, a test."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the phases of a job in order. Calls are cheap and come from the job's own thread."""

    def phase(self, name: str, total: int | None) -> None:
        """A new phase ("build", "flash", "stream") of `total` steps begins; None: unknown."""

    def advance(self, n: int = 1) -> None:
        """`n` more steps of the phase are done."""

    def line(self, text: str) -> None:
        """One line of output of a tool or device in this phase; untrusted text."""


class Silent:
    """Watches nothing."""

    def phase(self, name: str, total: int | None) -> None:
        """See `Progress`."""

    def advance(self, n: int = 1) -> None:
        """See `Progress`."""

    def line(self, text: str) -> None:
        """See `Progress`."""
