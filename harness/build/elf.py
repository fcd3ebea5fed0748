"""What an image takes of a board's memory, from its ELF."""

from __future__ import annotations

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.boards.catalogue import Board
from harness.build.image import Section
from harness.errors import BuildError

# Address ranges [from, to) of data RAM by ELF machine. On a Harvard core (AVR) the GNU tools place data space at
# 0x800000; .eeprom lies above. ESP32: data RAM only; instruction RAM is another memory with another limit.
_DATA_RAM = {
    "EM_ARM": ((0x10000000, 0x10100000), (0x20000000, 0x40000000)),
    "EM_AVR": ((0x800000, 0x810000),),
    "EM_XTENSA": ((0x3FFAE000, 0x40000000),),
    "EM_RISCV": ((0x3FC80000, 0x3FD00000), (0x80000000, 0x90000000)),
}
_AVR_NOT_FLASH = 0x810000


def read_sections(elf: Path, board: Board) -> tuple[Section, ...]:
    """Allocated sections with content, in address order.

    A program of this computer has no flash: what its file stores counts as flash, what it may write as RAM.

    Raises:
        BuildError: not an ELF file, or not readable.
    """
    try:
        with elf.open("rb") as stream:
            parsed = ELFFile(stream)
            ranges = _DATA_RAM.get(parsed["e_machine"])
            found = [
                (
                    section["sh_addr"],
                    Section(
                        name=section.name,
                        bytes=section["sh_size"],
                        in_flash=section["sh_type"] != "SHT_NOBITS",
                        in_ram=_in_ram(section["sh_addr"], section["sh_flags"], ranges),
                    ),
                )
                for section in parsed.iter_sections()
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
                and section["sh_size"]
                # Fuses, EEPROM and the like of AVR: neither flash nor RAM.
                and not (parsed["e_machine"] == "EM_AVR" and section["sh_addr"] >= _AVR_NOT_FLASH)
            ]
    except (OSError, ELFError) as error:
        raise BuildError(f"{elf.name} is not a readable ELF file: {error}", board=board.id) from error
    return tuple(
        section for _, section in sorted(found, key=lambda pair: pair[0]) if section.in_flash or section.in_ram
    )


def _in_ram(address: int, flags: int, ranges: tuple[tuple[int, int], ...] | None) -> bool:
    if ranges is None:
        return bool(flags & SH_FLAGS.SHF_WRITE)
    return any(low <= address < high for low, high in ranges)
