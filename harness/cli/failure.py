"""Errors on stderr: what happened, what to try, what the device said last. All of it may hold foreign text."""

from __future__ import annotations

import sys
import traceback

from harness.errors import HilError
from harness.report.safe_text import printable, printable_lines

CONSOLE_LINES = 12


def error_text(error: HilError) -> str:
    """The message as the user reads it, safe to print."""
    first, *rest = printable_lines(str(error))
    lines = [f"error: {first}", *rest]
    if error.console:
        lines.append("device console, last lines:")
        lines += [f"  | {printable(line)}" for line in error.console[-CONSOLE_LINES:]]
    return "\n".join(lines)


def show_error(error: HilError, *, debug: bool) -> None:
    """An error the harness raised on purpose."""
    if debug:
        _show_traceback(error)
    print(error_text(error), file=sys.stderr)


def show_unexpected(error: Exception, *, debug: bool) -> None:
    """A bug of the harness, or something of the system that nobody expected."""
    if debug:
        _show_traceback(error)
    text = printable(str(error)) or "no message"
    print(f"error: internal: {type(error).__name__}: {text}", file=sys.stderr)
    if not debug:
        print("  try: the same command after HIL_DEBUG=1 shows where; please report that", file=sys.stderr)


def _show_traceback(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error))
    print("\n".join(printable_lines(text, max_lines=200)), file=sys.stderr)
