"""`host-tflm` as an emulated board: see `harness.boards.emulator.Emulator`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.boards.posix import PosixEmulator


class TflmEmulator(PosixEmulator):
    """The board is the supervisor's process."""

    program: ClassVar = "TFLM device"
    hint: ClassVar = "install the package again"

    def argv(self, elf: Path) -> Sequence[str]:
        return [sys.executable, "-P", "-m", "harness.boards.tflm_device", str(elf)]
