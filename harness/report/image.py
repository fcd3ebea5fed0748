"""A firmware image on a terminal: identity, sizes, sections."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.build.image import FirmwareImage
from harness.report.layout import identity, memory_table, section_rows, usage_row
from harness.report.record import SectionRecord


def print_image(
    image: FirmwareImage, console: Console, *, name: str, flash_limit_bytes: int, ram_limit_bytes: int
) -> None:
    """Print it; a limit of 0 means there is none worth showing."""
    console.print(image_report(image, name=name, flash_limit_bytes=flash_limit_bytes, ram_limit_bytes=ram_limit_bytes))


def image_report(image: FirmwareImage, *, name: str, flash_limit_bytes: int, ram_limit_bytes: int) -> RenderableType:
    """As a renderable."""
    rows = [
        ("Board", image.board),
        ("Model", f"{name}, sha256 {image.model_sha256.hex()[:12]}"),
        ("Engine", image.engine),
        ("Build", f"{image.build_id.hex()}"),
        ("Compiler", image.toolchain),
        ("Image", str(image.elf)),
    ]
    sections = [SectionRecord(s.name, s.bytes, s.in_flash, s.in_ram) for s in image.sections]
    table = memory_table()
    usage_row(table, "arena", image.arena_bytes, image.arena_capacity_bytes)
    usage_row(table, "flash", image.flash_bytes, flash_limit_bytes)
    section_rows(table, [s for s in sections if s.in_flash], flash_limit_bytes)
    usage_row(table, "RAM, static", image.ram_bytes, ram_limit_bytes)
    section_rows(table, [s for s in sections if s.in_ram], ram_limit_bytes)
    return Group(identity(rows), Text(), table)
