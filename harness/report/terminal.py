"""A run on a terminal: verdict first, then what the verdict rests on. Reads well at 80 columns and through a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.checks import checks
from harness.report.classes import classes_block
from harness.report.interruptions import interruption_text
from harness.report.layers import layers_block
from harness.report.layout import (
    FAINT,
    LABEL,
    bullets,
    figures_table,
    identity,
    memory_table,
    note,
    section_rows,
    usage_row,
)
from harness.report.numbers import count, micros, near_one, percent, size, small, values
from harness.report.record import Distribution, RunRecord
from harness.report.rows import accuracy_rows, conversion_note, lsb_table, reference_name
from harness.report.safe_text import printable

_CONSOLE_LINES = 12
_WIDE = 112  # columns from which on the accuracy table shows its rarer metrics


def print_run(record: RunRecord, console: Console) -> None:
    """Print the whole report."""
    console.print(run_report(record, width=console.width), soft_wrap=False, highlight=False)


def run_report(record: RunRecord, *, width: int = 80) -> RenderableType:
    """The report as one renderable; text from the device is in it as plain `Text`, never as markup."""
    blocks: list[RenderableType] = [_banner(record)]
    if record.interruptions:
        blocks.append(_interruptions(record))
    if record.notes:
        blocks.append(bullets("Notes", record.notes, "yellow"))
    if record.verdict == "fail":
        blocks.append(_reasons(record))
    blocks += [
        _identity(record),
        _accuracy(record, wide=width >= _WIDE),
        *([classes_block(record, width=width)] if record.classes else []),
        _worst(record),
        _latency(record),
        *([layers_block(record)] if record.layers else []),
        _memory(record),
        _link(record),
    ]
    spaced = [part for block in blocks for part in (block, Text())]
    # Again at the end: that is the part of a long report a terminal shows.
    return Group(*spaced, verdict_line(record))


def verdict_line(record: RunRecord) -> Text:
    """The run in one line, coloured."""
    return _verdict(record).append(" " + _summary(record), style="not bold")


def summary_line(record: RunRecord) -> str:
    """The run in one line: verdict, model, board and the three figures people ask for first."""
    return f"{record.verdict.upper()} {_summary(record)}"


def _summary(record: RunRecord) -> str:
    cross = record.accuracy.board_vs_keras
    # Short enough for a line of 80 with the longest board name.
    figures = f"{micros(record.latency.us.median)} us, arena {size(record.memory.arena.used_bytes)}"
    if record.interruptions:
        figures += f", interrupted {len(record.interruptions)}x"
    return printable(f"{record.model.name} on {record.board}: max|e| {small(cross.max_abs)}, {figures}")


def console_block(lines: Sequence[str], *, most: int = _CONSOLE_LINES) -> Text:
    """The device's last console lines, each behind a bar that no device can print at the start of a line."""
    text = Text("Device console, last lines\n", style=LABEL)
    for line in lines[-most:]:
        text.append("  │ ", style=FAINT)
        text.append(printable(line) + "\n", style="not bold")
    text.rstrip()
    return text


def _banner(record: RunRecord) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    title = Text(f"{printable(record.model.name)} on {printable(record.board)}", style="bold")
    vectors = "1 vector" if record.vectors == 1 else f"{count(record.vectors)} vectors"
    title.append(f", {vectors} in {record.wall_s:.1f} s", style="not bold")
    grid.add_row(_verdict(record), title)
    for check in checks(record):
        mark = Text("ok" if check.passed else "FAILED", style="green" if check.passed else "bold red", justify="right")
        line = Text(f"{check.name:<9} ", style="none" if check.passed else "bold")
        line.append(printable(check.detail), style="not bold")
        grid.add_row(mark, line)
    return grid


def _verdict(record: RunRecord) -> Text:
    passed = record.verdict == "pass"
    text = Text()
    return text.append(" PASS " if passed else " FAIL ", style="bold white on green" if passed else "bold white on red")


def _interruptions(record: RunRecord) -> RenderableType:
    """Loud in a pass too: something is wrong with the board, its supply or its cable."""
    text = Text("WARNING  ", style="bold yellow")
    text.append(printable(interruption_text(record.interruptions, record.vectors)), style="not bold yellow")
    text.append("\n         the results that had come were kept; the rest came after it", style="not bold")
    return text


def _reasons(record: RunRecord) -> RenderableType:
    why = bullets("Why", record.reasons, "red")
    return Group(why, Text(), console_block(record.console)) if record.console else why


def _identity(record: RunRecord) -> RenderableType:
    target, model = record.target, record.model
    state = "flashed now" if target.flashed else "already on the board"
    clock = f", {target.cpu_hz / 1e6:g} MHz" if target.cpu_hz else ""
    if clock and target.kind == "emulated":
        clock += " in the emulation"
    started = f"{target.port}, last reset: {target.reset_reason.lower().replace('_', ' ')}"
    # A model that came converted does not say.
    macs = f"{count(model.macs)} MACs" if model.macs else "unknown MACs"
    rows = [
        ("Board", f"{record.board}: {target.title}"),
        ("MCU", f"{target.mcu}{clock}" + (f", serial number {target.device_uid}" if target.device_uid else "")),
        ("Engine", f"{record.engine} {record.engine_version}"),
        ("Build", f"{record.build_id[:16]}, {state}, {record.toolchain}"),
        ("Model", f"{model.name} ({model.framework}), sha256 {model.sha256[:12]}"),
        ("", f"{count(model.parameters)} parameters, {macs} per inference"),
        ("Port", started),
    ]
    return identity(rows)


def _accuracy(record: RunRecord, *, wide: bool) -> RenderableType:
    rows = accuracy_rows(record)
    classes = any(row.metrics.acc is not None for row in rows)
    heads = ["max|e|", "rmse", "mae", "l2r", "nse", "cos", "acc" if classes else "r2"]
    if wide:
        heads += ["mean", "std", "ULP"]
    table = figures_table("Accuracy", heads)
    for row in rows:
        m = row.metrics
        last = percent(m.acc) if classes else near_one(m.r2)
        cells = [small(m.max_abs), small(m.rmse), small(m.mae), small(m.l2r), near_one(m.nse), near_one(m.cos), last]
        if wide:
            cells += [small(m.mean), small(m.std), count(m.max_ulp)]
        name = Text(row.name, style="bold" if row.is_cross else "none")
        table.add_row(name, *cells, style="none" if row.is_cross else FAINT)
    cross = record.accuracy.board_vs_keras
    allowed = ", ".join(small(output.tolerance_max_abs) for output in record.outputs)
    each = " of each output" if len(record.outputs) > 1 else ""
    notes = [f"{rows[0].name} is the X-cross row: {count(cross.n)} values, tolerance{each} {allowed}"]
    if cross.max_abs_vector is not None:
        notes.append(f"largest at vector {cross.max_abs_vector}")
    if not wide:
        spread = f"mean {small(cross.mean)}, std {small(cross.std)}"
        notes.append(spread if cross.max_ulp is None else f"{spread}, at most {count(cross.max_ulp)} ULP")
    conversion = conversion_note(record)
    parts = [note("; ".join(notes)), *([] if conversion is None else [note(conversion)])]
    return Group(table, *parts, *_lsb(record))


def _lsb(record: RunRecord) -> list[RenderableType]:
    found = lsb_table(record)
    if found is None:
        return []
    heads, rows = found
    table = figures_table("LSB apart", heads)
    for row in rows:
        table.add_row(*row)
    return [Text(), table]


def _worst(record: RunRecord) -> RenderableType:
    if not record.worst:
        return Text("Worst vectors: none known", style=FAINT)
    table = figures_table("Worst vectors", ["|e|", "board", reference_name(record), "input"])
    for worst in record.worst[:5]:
        # Nine digits tell two numbers apart; of several there is room for two.
        several = len(worst.board) > 1
        digits, inputs = (3, 2) if several else (9, 3)
        outputs = [values(side, most=2, digits=digits) for side in (worst.board, worst.keras)]
        cells = [small(worst.error), *outputs, values(worst.input, most=inputs, digits=4)]
        table.add_row(Text(f"#{worst.index}"), *(Text(cell) for cell in cells))
    return table


def _latency(record: RunRecord) -> RenderableType:
    latency = record.latency
    table = figures_table("Latency", ["min", "median", "p95", "p99", "max", "mean"])
    _distribution(table, "us", latency.us, micros)
    if latency.cycles is not None:
        _distribution(table, "cycles", latency.cycles, count)
    emulated = ""
    if record.target.kind == "emulated":
        # The host board has no count of its own: its time is this computer's, disturbed by whatever else runs.
        emulated = "; what an emulator counts, not silicon" if record.target.cpu_hz else "; this computer's own time"
    remark = f"time around invoke alone, {latency.warmup} warm-ups left out{emulated}"
    return Group(table, note(remark))


def _distribution(table: Table, name: str, d: Distribution, show: Callable[[float], str]) -> None:
    table.add_row(Text(name), *(show(v) for v in (d.min, d.median, d.p95, d.p99, d.max, d.mean)))


def _memory(record: RunRecord) -> RenderableType:
    memory, arena = record.memory, record.memory.arena
    table = memory_table()
    usage_row(table, "arena", arena.used_bytes, arena.size_bytes, exact=True)
    usage_row(table, "flash", memory.flash_bytes, memory.flash_limit_bytes)
    section_rows(table, [s for s in memory.sections if s.in_flash], memory.flash_limit_bytes)
    usage_row(table, "RAM, static", memory.ram_bytes, memory.ram_limit_bytes)
    section_rows(table, [s for s in memory.sections if s.in_ram], memory.ram_limit_bytes)
    if memory.stack_bytes and memory.stack_free_min_bytes is not None:
        usage_row(table, "stack, deepest", memory.stack_bytes - memory.stack_free_min_bytes, memory.stack_bytes)
    notes = [f"arena: firmware allows up to {size(arena.capacity_bytes)}"]
    if arena.planned_bytes is not None:
        notes.append(f"planned {size(arena.planned_bytes)}")
    if memory.arena_memory is not None:
        notes.append(f"in {memory.arena_memory.upper()}")
    if memory.heap_free_min_bytes is not None:
        notes.append(f"heap never below {size(memory.heap_free_min_bytes)} free")
    return Group(table, note(", ".join(notes)))


def _link(record: RunRecord) -> RenderableType:
    link = record.link
    text = Text("Link     ", style=LABEL)
    rate = f"{small(link.vectors_per_s)} vectors/s, {size(link.bytes_on_wire)} on the wire in {small(link.wall_s)} s"
    text.append(f"{rate}, {count(link.frames)} frames", style="not bold")
    # The pty of an emulated board has no speed.
    if record.target.kind == "real":
        text.append(f" at {link.baud} baud", style="not bold")
    lost = [
        (link.resent_frames, "sent again"),
        (link.bad_frames, "bad frames seen by the host"),
        (link.device_bad_frames or 0, "bad frames seen by the device"),
        (link.device_rx_overruns or 0, "bytes lost before the firmware saw them"),
    ]
    repaired = ", ".join(f"{count(n)} {what}" for n, what in lost if n)
    style = "not bold yellow" if repaired else f"not bold {FAINT}"
    text.append(f"\n         {repaired or 'nothing lost, nothing sent again'}", style=style)
    return text
