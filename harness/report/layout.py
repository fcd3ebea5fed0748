"""Pieces of reports on a terminal: labelled rows, tables of figures, bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.report.numbers import ABSENT, share, size
from harness.report.record import SectionRecord
from harness.report.safe_text import printable

LABEL = "bold"
FAINT = "bright_black"

_BAR_CELLS = 20
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_MOST_SECTIONS = 6


def identity(rows: Iterable[tuple[str, str]]) -> Table:
    """Labels and values; a long value folds under itself."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=LABEL, min_width=8, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(Text(label), Text(printable(value)))
    return grid


def memory_table() -> Table:
    """Columns for `usage_row` and `section_rows`."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="none")
    table.add_column(Text("Memory", style=LABEL), min_width=15, no_wrap=True)
    for head in ("used", "limit", "share"):
        table.add_column(Text(head), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    return table


def figures_table(title: str, heads: Sequence[str]) -> Table:
    """A first column of names and right-aligned figures."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="none")
    table.add_column(Text(title, style=LABEL), min_width=15, no_wrap=True)
    # Right-aligned figures of at most 8 characters: seven columns fit a terminal of 80.
    for head in heads:
        table.add_column(Text(head), justify="right", min_width=8, no_wrap=True)
    return table


def usage_row(table: Table, name: str, used: int, limit: int, *, exact: bool = False) -> None:
    """Adds what is used of `limit` with a bar. A limit of 0: there is none; `exact`: it is meant to be used up."""
    fraction = share(used, limit)
    if fraction is None:
        table.add_row(name, size(used), ABSENT, "", "")
        return
    colour = "red" if fraction > 1 else "yellow" if fraction >= 0.75 and not exact else "green"
    table.add_row(name, size(used), size(limit), _percentage(fraction), _bar(fraction, colour))


def section_rows(table: Table, sections: Iterable[SectionRecord], limit: int) -> None:
    """Adds the largest sections and, in one row, the others."""
    ordered = sorted((s for s in sections if s.bytes), key=lambda s: -s.bytes)
    for section in ordered[:_MOST_SECTIONS]:
        _section(table, printable(section.name, max_chars=24), section.bytes, limit)
    rest = ordered[_MOST_SECTIONS:]
    if rest:
        _section(table, f"{len(rest)} smaller", sum(s.bytes for s in rest), limit)


def _section(table: Table, name: str, used: int, limit: int) -> None:
    fraction = share(used, limit)
    cells = ("", "") if fraction is None else (_percentage(fraction), _bar(fraction, FAINT))
    table.add_row(Text(f"  {name}", style=FAINT), Text(size(used), style=FAINT), "", *cells, style=FAINT)


def _bar(fraction: float, colour: str) -> Text:
    eighths = min(_BAR_CELLS * 8, max(1 if fraction > 0 else 0, round(fraction * _BAR_CELLS * 8)))
    filled = "█" * (eighths // 8) + _EIGHTHS[eighths % 8]
    return Text(filled, style=colour).append("·" * (_BAR_CELLS - len(filled)), style=FAINT)


def _percentage(fraction: float) -> str:
    return "<0.1%" if 0 < fraction < 0.0005 else f"{fraction:.1%}"


def bullets(title: str, lines: Sequence[str], style: str) -> RenderableType:
    """Sentences under a title, one each; text from outside is shown as plain text."""
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row(Text("  -", style=style), Text(printable(line, max_chars=800)))
    return Group(Text(title, style=LABEL), grid)


def note(text: str) -> RenderableType:
    """A faint remark under a table."""
    return Padding(Text(text, style=FAINT), (0, 0, 0, 2), expand=False)
