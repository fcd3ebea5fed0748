"""Watches a port: console text line by line as it comes, and frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from harness.link.deadline import Deadline
from harness.link.port import Port
from harness.protocol.frame import ConsoleText, Frame, FrameSplitter

# A line without its end (a prompt) is shown after this much silence.
IDLE_S = 0.3
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of console text (raw: escape it before showing it) or a frame, `t_s` seconds after the start."""

    t_s: float
    what: str | Frame


class LineCutter:
    """Turns bytes into lines and frames.

    `FrameSplitter` hands out text when a frame ends it, which a firmware that only prints never does. This one looks at
    what the splitter holds back too, and remembers what of it has been shown.
    """

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._shown = b""

    @property
    def bad_frames(self) -> int:
        """As `FrameSplitter.bad_frames`."""
        return self._splitter.bad_frames

    def feed(self, data: bytes) -> list[str | Frame]:
        """Takes bytes as they come; returns whole lines and frames."""
        found: list[str | Frame] = []
        for event in self._splitter.feed(data):
            if isinstance(event, ConsoleText):
                found += _lines(event.data.removeprefix(self._shown))
            else:
                found.append(event)
            self._shown = b""
        held = self._splitter.pending_text()
        if not held.startswith(self._shown):
            self._shown = b""  # what was shown has ended as a bad frame
        end = held.rfind(b"\n") + 1
        if end > len(self._shown):
            found += _lines(held[len(self._shown) : end])
            self._shown = held[:end]
        return found

    def rest(self) -> list[str | Frame]:
        """What has come of an unfinished line."""
        held = self._splitter.pending_text()
        found: list[str | Frame] = [*_lines(held.removeprefix(self._shown))]
        self._shown = held
        return found


def watch_port(port: Port, *, for_s: float | None) -> Iterator[Seen]:
    """What comes from `port`, for `for_s` seconds or until the caller stops asking.

    Raises:
        PortLostError: the port went away.
    """
    start = time.monotonic()
    end = Deadline(for_s) if for_s is not None else None
    cutter = LineCutter()
    while end is None or not end.expired:
        data = port.read(_READ_BYTES, end.sooner(IDLE_S) if end is not None else Deadline(IDLE_S))
        for what in cutter.feed(data) if data else cutter.rest():
            yield Seen(time.monotonic() - start, what)
    for what in cutter.rest():
        yield Seen(time.monotonic() - start, what)


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return [line for line in text.split("\n") if line.strip()]
