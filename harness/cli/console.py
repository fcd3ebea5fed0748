"""The two consoles: stdout carries results, stderr everything else."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class _Quiet(Console):
    """rich ends the process with code 1 on a broken pipe, which here would mean "the comparison failed"."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled: hands it on to `main`."""
        raise BrokenPipeError


def results() -> Console:
    """Console on stdout."""
    return _Quiet(file=sys.stdout, highlight=False, emoji=False)


def diagnostics() -> Console:
    """Console on stderr."""
    return _Quiet(file=sys.stderr, highlight=False, emoji=False)


def is_live(console: Console) -> bool:
    """Whether things that move may be shown: on a terminal, and not in a CI job that only looks like one."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
