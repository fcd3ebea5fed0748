"""A sweep on a terminal: the number first, then how it was found. Reads well at 80 columns and through a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.layout import FAINT, LABEL, identity
from harness.report.numbers import small
from harness.report.safe_text import printable
from harness.report.sweep_record import OUTCOMES, Outcome, ProbeRecord, RebuildRecord, SweepRecord
from harness.report.sweep_regions import Axis, regions
from harness.report.terminal import console_block

COLOURS: dict[Outcome, str] = {
    "passed": "green",
    "init failed": "yellow",
    "invoke failed": "dark_orange3",
    "wrong output": "magenta",
    "guard overwritten": "bright_magenta",
    "crashed": "red",
    "hung": "blue",
}
_NAME_CELLS = max(map(len, OUTCOMES))
_PLOT_CELLS = 80 - _NAME_CELLS - 3
_MOST_REGIONS = 16
_NEAR_STEPS = 9  # each side of the minimum, in the second plot


def print_sweep(record: SweepRecord, console: Console) -> None:
    """Print the whole report."""
    console.print(sweep_report(record), soft_wrap=False, highlight=False)


def sweep_report(record: SweepRecord) -> RenderableType:
    """The report as one renderable; text from the device is in it as plain `Text`, never as markup."""
    blocks: list[RenderableType] = [_banner(record), _figures(record), _cost(record)]
    blocks += [_plots(record), _regions(record)]
    if record.rebuild is not None:
        blocks.append(_rebuild(record.rebuild))
    crash = next((p for p in reversed(record.probes) if p.console), None)
    if crash is not None:
        blocks.append(
            Group(Text(f"At {crash.size:,} bytes: {crash.outcome}", style=FAINT), console_block(crash.console))
        )
    spaced = [part for block in blocks for part in (block, Text())]
    return Group(*spaced, _verdict(record).append(f" {summary(record)}", style="not bold"))


def summary(record: SweepRecord) -> str:
    """The sweep in one line."""
    where = f"{record.model.name} on {record.board}/{record.engine}"
    if record.minimum_bytes is None:
        return printable(f"{where}: no arena up to {record.capacity_bytes:,} bytes works")
    confirmed = {True: ", confirmed", False: ", NOT confirmed", None: ""}[record.confirmed]
    return printable(f"{where}: minimum {record.minimum_bytes:,}, ARENA_SIZE {record.recommended_bytes:,}{confirmed}")


def _verdict(record: SweepRecord) -> Text:
    passed = record.verdict == "pass"
    return Text(" PASS " if passed else " FAIL ", style="bold white on green" if passed else "bold white on red")


def _banner(record: SweepRecord) -> RenderableType:
    title = _verdict(record).append(
        f" Arena of {printable(record.model.name)} on {printable(record.board)}, engine {printable(record.engine)}"
        f" {printable(record.engine_version)}",
        style="bold",
    )
    lines = [title]
    lines += [Text(f"  - {printable(reason)}", style="red") for reason in record.reasons]
    lines += [Text(f"  note: {printable(note)}", style="yellow") for note in record.notes]
    return Group(*lines)


def _figures(record: SweepRecord) -> RenderableType:
    rows: list[tuple[str, str]] = []
    if record.minimum_bytes is not None and record.resolution_bytes is not None:
        less = record.minimum_bytes - record.resolution_bytes
        below = f"{less:,} fails" if less else "nothing smaller to try"
        rows.append(("Minimum", f"{record.minimum_bytes:,} bytes: passes from a reset; {below}; {_above(record)}"))
        if record.reported_bytes is None:
            rows.append(("Reported", "the engine does not say what it uses"))
        else:
            rows.append(
                ("Reported", f"{record.reported_bytes:,} bytes used, as the engine says: {_difference(record)}")
            )
        rows.append(("Recommend", _recommended(record)))
        if record.present_bytes is not None:
            rows.append(("Present", f"{record.present_bytes:,} bytes ({record.present_from}): {_saved(record)}"))
    if record.planned_bytes is not None:
        rows.append(("Planned", f"{record.planned_bytes:,} bytes by the packer"))
    rows.append(("Largest", f"{record.capacity_bytes:,} bytes: every probe's outputs were held to its bits"))
    confirmation = record.confirmation
    if confirmation is None:
        rows.append(("Confirmed", "no: left out, or there is nothing to confirm"))
    else:
        word = "yes" if confirmation.verdict == "pass" else "NO"
        what = f"built with ARENA_SIZE {confirmation.arena_bytes:,}, {confirmation.vectors} vectors against Keras"
        rows.append(("Confirmed", f"{word}: {what}, max|e| {small(confirmation.max_abs)}"))
    if record.written is not None:
        rows.append(("Written", f'{record.written}: "{record.board}/{record.engine}" = {record.recommended_bytes}'))
    return identity(rows)


def _above(record: SweepRecord) -> str:
    return "monotone" if record.monotone else "NOT monotone, every probe above it passes"


def _difference(record: SweepRecord) -> str:
    more = record.difference_bytes
    if not more:
        return "all it needs"
    return f"{abs(more):,} {'too few' if more > 0 else 'more than it needs'}"


def _recommended(record: SweepRecord) -> str:
    return f"{record.recommended_bytes:,} bytes: the minimum rounded up to 16, and a margin of {record.margin_bytes:,}"


def _saved(record: SweepRecord) -> str:
    saved = record.saved_bytes or 0
    if saved == 0:
        return "the same"
    share = f" ({saved / record.present_bytes:.0%})" if saved > 0 and record.present_bytes else ""
    return (
        f"the recommended size saves {saved:,}{share}" if saved > 0 else f"the recommended size takes {-saved:,} more"
    )


def _cost(record: SweepRecord) -> RenderableType:
    tried = ", ".join(f"{n} {outcome}" for outcome, n in record.outcomes.items())
    took = f"{record.probed} probes in {record.probing_s:.1f} s"
    taken_over = f", {record.resumed} sizes taken over" if record.resumed else ""
    made = f"{record.builds} builds, {record.flashes} flashes, {record.resets} resets; {record.wall_s:.1f} s in all"
    rows = [("Outcomes", tried), ("Cost", f"{took}{taken_over}; {made}")]
    memory = record.memory
    if memory.stack_bytes is not None and memory.stack_used_bytes is not None:
        rows.append(("Stack", f"{memory.stack_used_bytes:,} of {memory.stack_bytes:,} bytes at the deepest"))
    if memory.arena_memory is not None:
        rows.append(("Placed", f"in {memory.arena_memory.upper()}"))
    if memory.heap_free_min_bytes is not None:
        rows.append(("Heap", f"never below {memory.heap_free_min_bytes:,} bytes free"))
    return identity(rows)


def _plots(record: SweepRecord) -> RenderableType:
    # Where two fall together, the later one is seen.
    marks = {"p": record.present_bytes, "u": record.reported_bytes, "m": record.minimum_bytes}
    parts = [plot(record.probes, marks)]
    near = _near(record)
    if near and len(near) < len(record.probes):
        parts += [Text(), plot(near, marks)]
    return Group(*parts, Text("  m minimum, u used as reported, p present setting", style=FAINT))


def _near(record: SweepRecord) -> list[ProbeRecord]:
    if record.minimum_bytes is None:
        return []
    reach = _NEAR_STEPS * record.step_bytes
    return [probe for probe in record.probes if abs(probe.size - record.minimum_bytes) <= reach]


def plot(probes: Sequence[ProbeRecord], marks: dict[str, int | None]) -> RenderableType:
    """Outcome by size, one row for each outcome that came, at most 80 columns."""
    axis = Axis(probes[0].size, probes[-1].size)

    def column(size: int) -> int:
        return round(axis.place(size) * (_PLOT_CELLS - 1))

    lines = []
    for outcome in OUTCOMES:
        columns = {column(probe.size) for probe in probes if probe.outcome == outcome}
        if columns:
            line = Text(f"{outcome:>{_NAME_CELLS}} │", style="none")
            line.append("".join("█" if i in columns else " " for i in range(_PLOT_CELLS)), style=COLOURS[outcome])
            lines.append(line)
    ruler, labels = ["─"] * _PLOT_CELLS, [" "] * (_PLOT_CELLS + 1)
    for tick in axis.ticks():
        ruler[column(tick)] = "┬"
        text = f"{tick:,}" if tick < 10_000 else f"{tick / 1024:g}K" if tick % 1024 == 0 else f"{tick:,}"
        start = max(0, min(column(tick) - len(text) // 2, _PLOT_CELLS - len(text)))
        if all(cell == " " for cell in labels[max(0, start - 1) : start + len(text) + 1]):
            labels[start : start + len(text)] = text
    for mark, size in marks.items():
        if size is not None and axis.first <= size <= axis.last:
            ruler[column(size)] = mark
    scale = "bytes, log" if axis.logarithmic else "bytes"
    lines.append(Text(f"{scale:>{_NAME_CELLS}} ┴{''.join(ruler)}", style=FAINT))
    lines.append(Text(f"{'':>{_NAME_CELLS}}  {''.join(labels).rstrip()}", style=FAINT))
    return Group(*lines)


def _regions(record: SweepRecord) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="none")
    table.add_column(Text("Sizes", style=LABEL), no_wrap=True, justify="right")
    table.add_column(Text("probes"), justify="right", no_wrap=True)
    table.add_column(Text("outcome"), overflow="fold")
    found = regions(record.probes)
    for region in found[-_MOST_REGIONS:]:
        sizes = f"{region.first:,}" if region.count == 1 else f"{region.first:,} - {region.last:,}"
        what = Text(region.outcome, style=COLOURS[region.outcome])
        if region.details:
            more = f" (and {len(region.details) - 1} other details)" if len(region.details) > 1 else ""
            what.append(f" ({printable(region.details[0], max_chars=120)}){more}", style="none")
        table.add_row(sizes, str(region.count), what)
    if len(found) > _MOST_REGIONS:
        table.add_row("", "", Text(f"{len(found) - _MOST_REGIONS} regions of smaller sizes: see --json", style=FAINT))
    return table


def _rebuild(record: RebuildRecord) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="none")
    table.add_column(Text("Size", style=LABEL), justify="right", no_wrap=True)
    for head in ("probed", "s", "built and flashed", "s"):
        table.add_column(Text(head), justify="right" if head == "s" else "left")
    for pair in record.probes:
        style = "none" if pair.agree else "bold red"
        cells = (pair.probe.outcome, f"{pair.probe.wall_s:.3f}", pair.rebuild.outcome, f"{pair.rebuild.wall_s:.1f}")
        table.add_row(f"{pair.size:,}", *(Text(cell) for cell in cells), style=style)
    table.add_row("all", "", f"{record.probe_s:.3f}", "", f"{record.rebuild_s:.1f}", style="bold")
    verdict = "the same verdicts" if record.agree else "DIFFERENT verdicts"
    return Group(table, Text(f"  {verdict}; probing is {record.ratio:,.0f} times faster", style=FAINT))
