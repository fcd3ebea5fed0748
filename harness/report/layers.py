"""Layer by layer: where board and framework part, and what each layer costs."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.layout import LABEL, note
from harness.report.numbers import count, small
from harness.report.record import LayerRecord, RunRecord
from harness.report.rows import reference_name
from harness.report.safe_text import printable


def layers_note(record: RunRecord) -> str:
    """The first layer that differs, and by how much; or that none does."""
    layer = next((layer for layer in record.layers if layer.differs), None)
    if layer is None:
        return f"every layer agrees with {reference_name(record)} (first vector)"
    return (
        f"the first layer that differs is {printable(layer.name)} ({printable(layer.kind)}): "
        f"max|e| {small(layer.max_abs or 0.0)} where its values span {small(layer.range or 0.0)}"
    )


def layer_rows(record: RunRecord) -> list[tuple[str, str, str, str, str, str]]:
    """Name, kind, error, cycles or ticks, multiply-adds, cycles per multiply-add; as text."""
    return [
        (
            printable(layer.name),
            printable(layer.kind),
            _error(layer),
            count(layer.ticks if layer.cycles is None else layer.cycles),
            count(layer.macs),
            "-" if layer.cycles_per_mac is None else f"{layer.cycles_per_mac:.1f}",
        )
        for layer in record.layers
    ]


def layers_block(record: RunRecord) -> RenderableType:
    """The table of `--per-layer`."""
    unit = "cycles" if record.layers and record.layers[0].cycles is not None else "ticks"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=LABEL)
    for title, right in (("layer", 0), ("kind", 0), ("max|e|", 1), (unit, 1), ("MACs", 1), (f"{unit}/MAC", 1)):
        table.add_column(title, justify="right" if right else "left")
    for row in layer_rows(record):
        table.add_row(*(Text(cell) for cell in row))
    return Group(Text(f"Layers, board vs {reference_name(record)}", style=LABEL), table, note(layers_note(record)))


def _error(layer: LayerRecord) -> str:
    if layer.max_abs is None:
        return "-"
    return small(layer.max_abs) + (" differs" if layer.differs else "")
