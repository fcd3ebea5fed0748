"""A link benchmark on a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.report.layout import LABEL, figures_table, identity, note
from harness.report.link_record import LinkBenchRecord
from harness.report.numbers import count, micros, size


def print_link(record: LinkBenchRecord, console: Console) -> None:
    """Print the whole report."""
    console.print(link_report(record), soft_wrap=False, highlight=False)


def link_report(record: LinkBenchRecord) -> RenderableType:
    """The report as one renderable."""
    blocks = [_identity(record), _traffic(record), _echoes(record), _infer(record), _errors(record)]
    return Group(*(part for block in blocks for part in (block, Text())))


def _identity(record: LinkBenchRecord) -> RenderableType:
    line = "as it is" if record.line != "modelled" else "modelled: a UART's rate in front of the emulator's pty"
    rows = [
        ("Board", f"{record.board}: {record.title}"),
        ("Port", f"{record.port}, {record.baud} baud, {count(record.baud / 10)} bytes/s each way"),
        ("Line", line),
        ("Model", f"{record.model}, engine {record.engine}"),
    ]
    for trial in record.trials:
        errors = ""
        if trial.errors_to_device is not None and trial.errors_to_host is not None:
            errors = f", {trial.errors_to_device} wrong bits to the device, {trial.errors_to_host} back"
        rows.append(("Tried", f"{trial.baud} baud: {trial.outcome}{errors}"))
    return identity(rows)


def _traffic(record: LinkBenchRecord) -> RenderableType:
    table = figures_table("Traffic", ["bytes/s", "of line", "bytes", "bit err"])
    for name, stream in (("to the device", record.to_device), ("to the host", record.to_host)):
        if stream is None:
            table.add_row(name, "-", "-", "-", "-")
            continue
        share = f"{100 * stream.share_of_line:.1f} %"
        table.add_row(name, count(stream.bytes_per_s), share, count(stream.bytes), count(stream.bit_errors))
    return Group(table, note("a pattern in one direction, no protocol around it"))


def _echoes(record: LinkBenchRecord) -> RenderableType:
    table = figures_table("Round trip, ms", ["wire", "min", "median", "p95", "p99", "max"])
    for echo in record.echoes:
        figures = (echo.wire_ms, echo.min_ms, echo.median_ms, echo.p95_ms, echo.p99_ms, echo.max_ms)
        table.add_row(f"{echo.payload_bytes} bytes", *(f"{figure:.3g}" for figure in figures))
    return Group(table, note("one PING after the other; wire: what the line alone takes"))


def _infer(record: LinkBenchRecord) -> RenderableType:
    infer = record.infer
    table = figures_table("Inference", ["vectors/s", "limit", "of line", "a frame", "CPU"])
    table.add_row(
        f"{infer.input_bytes} B in, {infer.output_bytes} out",
        f"{infer.vectors_per_s:,.1f}",
        f"{infer.limit_per_s:,.1f}",
        f"{100 * infer.share_of_line:.1f} %",
        str(infer.vectors_per_frame),
        f"{100 * infer.host_cpu_share:.1f} %",
    )
    apart = f"computing {infer.compute_s:.3g} s ({micros(infer.latency_us)} us a vector)"
    if infer.compute_share is not None:
        apart += f", {100 * infer.compute_share:.1f} % of {infer.wall_s:.3g} s in all"
    else:
        apart += f" by the emulated clock, {infer.wall_s:.3g} s in all by ours"
    return Group(table, note(f"{count(infer.vectors)} vectors; {apart}"))


def _errors(record: LinkBenchRecord) -> RenderableType:
    text = Text("Repairs  ", style=LABEL)
    found = [
        (record.resent_frames, "sent again"),
        (record.bad_frames, "bad frames here"),
        (record.device_bad_frames, "bad frames there"),
        (record.device_rx_overruns, "bytes overrun in the device"),
        (record.lost_to_device_bytes, "bytes the emulator had no room for"),
    ]
    parts = [f"{count(number)} {what}" for number, what in found if number]
    text.append(", ".join(parts) or f"none in {count(record.frames)} frames", style="not bold")
    return text


def link_summary(record: LinkBenchRecord) -> str:
    """One line, for logs."""
    infer = record.infer
    return (
        f"{record.board} at {record.baud} baud: {infer.vectors_per_s:,.1f} vectors/s of {size(infer.input_bytes)}, "
        f"{100 * infer.share_of_line:.1f} % of the line"
    )
