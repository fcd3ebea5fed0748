"""The last lines a device printed, made harmless: device text is untrusted."""

from __future__ import annotations

import re
from collections import deque

MAX_LINES = 200
MAX_LINE_CHARS = 400

# CSI, OSC (ended by BEL or ST) and two-character escape sequences.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_a-z0-9=>])")
_LINE_END = re.compile(r"\r\n|\n|\r")


def sanitise(text: str) -> str:
    """`text` on one line, without escape sequences; any other that is not printable is spelt out (`\\x07`)."""
    text = _ESCAPES.sub("", text).replace("\t", " ")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def sanitise_bytes(data: bytes) -> str:
    """`data` as UTF-8 where it is, sanitised; bytes that are not become `\\xNN`."""
    return sanitise(data.decode("utf-8", errors="backslashreplace"))


def lines_of(data: bytes) -> list[str]:
    """The non-empty lines of `data`, sanitised and cut to MAX_LINE_CHARS."""
    text = data.decode("utf-8", errors="backslashreplace")
    lines = (sanitise(line).rstrip() for line in _LINE_END.split(text))
    return [line if len(line) <= MAX_LINE_CHARS else line[: MAX_LINE_CHARS - 1] + "…" for line in lines if line]


class Console:
    """The tail of the console: at most MAX_LINES lines of at most MAX_LINE_CHARS characters."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)

    def add(self, data: bytes) -> None:
        """Takes raw console output; the end of `data` ends a line."""
        self._lines.extend(lines_of(data))

    def tail(self, unfinished: bytes = b"") -> tuple[str, ...]:
        """The lines so far, oldest first, and those of `unfinished`, which is not kept."""
        return (*self._lines, *lines_of(unfinished))[-MAX_LINES:]
