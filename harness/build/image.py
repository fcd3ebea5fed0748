"""What a build makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Section:
    """One allocated ELF section.

    Attributes:
        name: e.g. ".text".
        bytes: size.
        in_flash: its content is stored in flash (.text, .rodata, .data).
        in_ram: it takes RAM at run time (.data, .bss, .noinit).
    """

    name: str
    bytes: int
    in_flash: bool
    in_ram: bool


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """A built firmware.

    Attributes:
        board: catalogue id.
        engine: engine name.
        build_id: 16 bytes; hash of sources, model, options and toolchain version. The firmware reports it in INFO.
        model_sha256: 32 bytes.
        elf: the linked ELF (for `host`, the executable).
        sections: allocated sections, in address order.
        arena_bytes: the ARENA_SIZE it starts with.
        arena_capacity_bytes: the largest arena the host may set at run time.
        toolchain: compiler name and version, as it prints them.
        warnings: compiler diagnostics on stderr, if any.
    """

    board: str
    engine: str
    build_id: bytes
    model_sha256: bytes
    elf: Path
    sections: tuple[Section, ...]
    arena_bytes: int
    arena_capacity_bytes: int
    toolchain: str
    warnings: str = ""

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash the image takes."""
        return sum(s.bytes for s in self.sections if s.in_flash)

    @property
    def ram_bytes(self) -> int:
        """Bytes of RAM taken statically (stack and heap come on top)."""
        return sum(s.bytes for s in self.sections if s.in_ram)
