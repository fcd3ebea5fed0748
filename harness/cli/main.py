"""The entry point of `hil`."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports for milliseconds, and so does typing
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; None: this process's own arguments, and the process is `hil`.

    Until the command begins there is nothing to unwind, and Ctrl-C ends the process on the spot: a KeyboardInterrupt
    in an import would be told with a traceback.
    """
    if arguments is None:
        _signal.signal(_signal.SIGINT, _exit)
    from harness.cli.root import run

    return run(arguments)


def _exit(number: int, frame: object) -> None:
    os.write(2, b"hil: interrupted\n")
    os._exit(130)
