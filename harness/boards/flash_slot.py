"""The flash memory of an emulated board: a directory that outlives the run.

It holds firmware.elf, and build_id (hex) while that belongs to the ELF beside it. The upload target of the emulated
PlatformIO platform fills it (firmware/platforms/emulated/builder/main.py). A board with a boot loader of its own
fills a flash.bin instead, byte for byte its flash memory.
"""

from __future__ import annotations

import contextlib
import filecmp
from pathlib import Path

from harness.errors import FlashError
from harness.resources import state_dir, write_atomic


class FlashSlot:
    """The slot of one target; made empty if it is not there.

    Args:
        target_name: names the directory.
        raw: the board has a boot loader of its own.
    """

    def __init__(self, target_name: str, *, raw: bool = False) -> None:
        self.path = state_dir() / "targets" / target_name
        self.path.mkdir(parents=True, exist_ok=True)
        self.elf = self.path / ("flash.bin" if raw else "firmware.elf")
        self._build_id = self.path / "build_id"

    @property
    def is_empty(self) -> bool:
        """Nothing was flashed yet."""
        return not self.elf.is_file()

    @property
    def build_id(self) -> bytes | None:
        """The id of the build in the slot; None if empty or unknown."""
        if not self.is_empty:
            with contextlib.suppress(OSError, ValueError):
                text = self._build_id.read_text("ascii")
                return bytes.fromhex(text.strip()) or None
        return None

    def forget_build(self) -> None:
        """From here on it is unknown what the flash holds."""
        self._build_id.unlink(missing_ok=True)

    def note_build(self, build_id: bytes) -> None:
        """The flash holds that build."""
        write_atomic(self._build_id, f"{build_id.hex()}\n".encode())

    def verify(self, elf: Path, *, board: str) -> None:
        """Reads the flash back.

        Raises:
            FlashError: the slot does not hold `elf`, byte for byte.
        """
        if self.is_empty or not filecmp.cmp(elf, self.elf, shallow=False):
            raise FlashError(
                "the upload reported success but the emulated flash does not hold the image",
                board=board,
                port=str(self.path),
                hint="run it again",
            )
