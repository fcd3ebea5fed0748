"""Makes text of unknown origin (device console, port names, compiler output) safe to print.

A device may send anything: escape codes that retitle or repaint a terminal, characters no XML file may hold, lines
that a CI runner takes for commands. All that is not plain printable text becomes a visible escape: nothing is hidden.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidi overrides, zero width), surrogates, private, unassigned (U+FFFE too), line and paragraph breaks.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# GitHub takes "::name::" at the start of a line for a command, and a long line may be wrapped so that it starts one;
# the lookbehind spares C++ names (std::array). "##[name]" is one anywhere; so are "##vso[", "##teamcity[".
_CI_COLONS = re.compile(
    r"(?<![\w>):]):(?=:)"
    r"|:(?=:(?:add-|debug|echo|end-?group|error|group|notice|remove-|save-|set-|stop-|warning))",
    re.IGNORECASE,
)
_CI_HASHES = re.compile(r"#(?=#(?:\[|vso\[|teamcity\[))", re.IGNORECASE)


def printable(text: str, *, max_chars: int = 400) -> str:
    r"""`text` as one line without control, format or CI-command characters; "\x1b" and the like where they were.

    Tabs become a blank, trailing white space goes, and what is longer than `max_chars` ends in "...".
    """
    text = text.replace("\t", " ").rstrip()
    if len(text) > max_chars:
        text = text[: max_chars - 3] + "..."
    shown = "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in text)
    shown = _CI_COLONS.sub(r"\\x3a", shown)
    return _CI_HASHES.sub(r"\\x23", shown)


def printable_lines(text: str, *, max_lines: int = 50) -> list[str]:
    """`text` cut at its line breaks, each line as `printable` gives it; only the last `max_lines`."""
    return [printable(line) for line in text.split("\n")[-max_lines:]]


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
