"""Errors on stderr."""

from __future__ import annotations

import sys
import traceback

from harness.errors import HilError
from harness.report.error_text import error_text
from harness.report.safe_text import printable, printable_lines


def show_error(error: HilError, *, debug: bool) -> None:
    """An error the harness raised on purpose."""
    if debug:
        _show_traceback(error)
    print(f"error: {error_text(error)}", file=sys.stderr)


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
