"""Progress of a job on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from harness.cli.console import diagnostics, is_live
from harness.report.safe_text import printable
from harness.workflow.progress import Progress

PLAIN_EVERY_S = 10.0


@contextmanager
def watch(*, quiet: bool = False, verbose: bool = False) -> Iterator[Progress]:
    """A progress that fits where stderr goes.

    Args:
        quiet: show nothing.
        verbose: show every line of the tools, not just how the phase goes.
    """
    console = Console(quiet=True, stderr=True) if quiet else diagnostics()
    if not is_live(console):
        plain = Plain(console, verbose=verbose)
        yield plain
        plain.finish()
        return
    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description:<7}", markup=False),
        BarColumn(bar_width=24),
        _Steps(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False, style="bright_black"),
        console=console,
        transient=True,
        expand=False,
    )
    with bars:
        live = Live(bars, console, verbose=verbose)
        yield live
        live.finish()


class _Steps(MofNCompleteColumn):
    """Steps done of all; nothing for a build or flash, whose number of steps nobody knows."""

    def render(self, task: Task) -> Text:
        """See rich."""
        return super().render(task) if task.total is not None else Text()


class Plain:
    """A line when a phase begins and ends, and a sign of life in long ones."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._start = self._told = time.monotonic()

    def phase(self, name: str, total: int | None) -> None:
        """See `Progress`."""
        self.finish()
        self._name, self._total, self._done = name, total, 0
        self._start = self._told = time.monotonic()
        self._print(f"{name}: " + (f"{total} vectors" if total else "..."))

    def advance(self, n: int = 1) -> None:
        """See `Progress`."""
        self._done += n
        if time.monotonic() - self._told >= PLAIN_EVERY_S:
            self._told = time.monotonic()
            self._print(f"{self._name}: {self._done} of {self._total}")

    def line(self, text: str) -> None:
        """See `Progress`."""
        if self._verbose:
            self._print(f"  | {printable(text)}")

    def finish(self) -> None:
        """The phase under way has ended well."""
        if self._name:
            self._print(f"{self._name}: done in {time.monotonic() - self._start:.1f} s")
            self._name = ""

    def _print(self, text: str) -> None:
        # Unwrapped: a log has no width.
        self._console.print(Text(text), soft_wrap=True)


class Live:
    """A bar that leaves one line per finished phase."""

    def __init__(self, bars: Bars, console: Console, *, verbose: bool) -> None:
        self._bars = bars
        self._console = console
        self._verbose = verbose
        self._task: TaskID | None = None
        self._name = ""
        self._start = 0.0

    def phase(self, name: str, total: int | None) -> None:
        """See `Progress`."""
        self.finish()
        self._name, self._start = name, time.monotonic()
        self._task = self._bars.add_task(name, total=total, last="")

    def advance(self, n: int = 1) -> None:
        """See `Progress`."""
        if self._task is not None:
            self._bars.advance(self._task, n)

    def line(self, text: str) -> None:
        """See `Progress`."""
        if self._verbose:
            self._console.print(Text(printable(text), style="bright_black"))
        elif self._task is not None:
            self._bars.update(self._task, last=printable(text, max_chars=max(8, self._console.width - 60)))

    def finish(self) -> None:
        """The phase under way has ended well."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            self._console.print(Text(f"{self._name:<7} {time.monotonic() - self._start:5.1f} s", style="bright_black"))
