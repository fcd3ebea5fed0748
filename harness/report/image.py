"""A firmware image: its record (the JSON of `hil build`) and its form on a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.report.layout import identity, memory_table, section_rows, usage_row
from harness.report.record import SCHEMA_VERSION, SectionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What was built: hex digests, sizes against the board's limits (0: no meaningful limit), place of the ELF.

    `export`, `export_sha256`: folder the image was exported to, and what `hil run --image-sha256` takes.
    """

    schema_version: int = SCHEMA_VERSION
    board: str
    engine: str
    model: str
    model_sha256: str
    build_id: str
    elf: str
    toolchain: str
    flash_bytes: int
    flash_limit_bytes: int
    ram_bytes: int
    ram_limit_bytes: int
    arena_bytes: int
    arena_capacity_bytes: int
    sections: list[SectionRecord]
    export: str | None = None
    export_sha256: str | None = None


def print_image(image: ImageRecord, console: Console) -> None:
    """Print it."""
    console.print(image_report(image))


def image_report(image: ImageRecord) -> RenderableType:
    """As a renderable."""
    rows = [
        ("Board", image.board),
        ("Model", f"{image.model}, sha256 {image.model_sha256[:12]}"),
        ("Engine", image.engine),
        ("Build", image.build_id),
        ("Compiler", image.toolchain),
        ("Image", image.elf),
    ]
    if image.export is not None and image.export_sha256 is not None:
        rows += [("Export", image.export), ("", f"SHA-256 {image.export_sha256}")]
    table = memory_table()
    usage_row(table, "arena", image.arena_bytes, image.arena_capacity_bytes)
    usage_row(table, "flash", image.flash_bytes, image.flash_limit_bytes)
    section_rows(table, [s for s in image.sections if s.in_flash], image.flash_limit_bytes)
    usage_row(table, "RAM, static", image.ram_bytes, image.ram_limit_bytes)
    section_rows(table, [s for s in image.sections if s.in_ram], image.ram_limit_bytes)
    return Group(identity(rows), Text(), table)
