"""What a model costs, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.explain_record import Explanation
from harness.report.layout import identity
from harness.report.numbers import size
from harness.report.safe_text import printable


def print_explanation(record: Explanation, console: Console) -> None:
    """Print the whole explanation."""
    shapes = ", ".join(f"{name} {_shape(shape)}" for name, shape in record.inputs)
    console.print(
        identity(
            [
                ("Model", printable(f"{record.model}, {record.framework}, SHA-256 {record.sha256.hex()[:16]}")),
                ("Inputs", printable(shapes)),
                ("Outputs", printable(", ".join(record.outputs))),
                ("Engine", f"{record.engine}, {record.quantised or 'float32'}"),
                ("Parameters", f"{record.parameters:,}"),
                ("MACs", f"{record.macs:,} an inference"),
                ("Flash", f"{record.model_bytes:,} bytes for the model; the firmware comes on top"),
                ("Arena", f"{record.arena_bytes:,} bytes"),
            ]
        )
    )
    console.print()
    console.print(_layers(record))
    console.print()
    console.print(_boards(record))


def _layers(record: Explanation) -> Table:
    table = _table(("layer", "left"), ("kind", "left"), ("output", "left"), ("parameters", "right"), ("MACs", "right"))
    for layer in record.layers:
        macs = "-" if layer.macs is None else f"{layer.macs:,}"
        table.add_row(
            Text(printable(layer.name)),
            Text(printable(layer.kind)),
            _shape(layer.output_shape),
            f"{layer.parameters:,}",
            macs,
        )
    return table


def _boards(record: Explanation) -> Table:
    table = _table(("board", "left"), ("flash", "right"), ("arena", "right"), ("RAM", "right"), ("holds it", "left"))
    for board in record.boards:
        flash = _of(record.model_bytes, board.flash_bytes)
        verdict = Text("yes", style="green") if board.fits else Text(f"no: {board.reason}", style="red")
        ram = size(board.ram_bytes) if board.ram_bytes else "-"
        table.add_row(board.board, flash, _of(record.arena_bytes, board.arena_max_bytes), ram, verdict)
    return table


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for head, side in columns:
        table.add_column(head, justify="right" if side == "right" else "left", overflow="fold")
    return table


def _of(used: int, limit: int) -> str:
    return f"{used:,} of {limit:,}" if limit else f"{used:,}"


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(str(length) for length in shape) + ("," if len(shape) == 1 else "") + ")"
