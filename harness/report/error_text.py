"""An error as text, safe to print: what happened, what to try, what the device said last."""

from __future__ import annotations

from harness.errors import BuildError, HilError
from harness.report.safe_text import printable, printable_lines

CONSOLE_LINES = 12


def error_text(error: HilError) -> str:
    """The message as the user reads it, over several lines."""
    lines = printable_lines(str(error))
    if error.console:
        who = "the tool said" if isinstance(error, BuildError) else "device console"
        lines.append(f"{who}, last lines:")
        lines += console_lines(error.console)
    return "\n".join(lines)


def console_lines(console: tuple[str, ...] | list[str]) -> list[str]:
    """The last console lines, each behind a bar that no device can print at the start of a line."""
    return [f"  | {printable(line)}" for line in console[-CONSOLE_LINES:]]
