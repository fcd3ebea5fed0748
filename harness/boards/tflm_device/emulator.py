"""`host-tflm` as an emulated board: see `harness.boards.emulator.Emulator`."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.errors import BoardError


class TflmEmulator:
    """The board is the supervisor's process: a reset is a power cycle."""

    def __init__(self, board: Board) -> None:
        self._child = PtyProcess(board.id, "TFLM device")
        self._image: Path | None = None
        self.port_name = self._child.port_name

    def start(self, elf: Path) -> None:
        self._image = elf
        argv = [sys.executable, "-P", "-m", "harness.boards.tflm_device", str(elf)]
        self._child.start(argv, hint="install the package again")

    def reset(self) -> None:
        if self._image is None:
            raise BoardError("the emulator was never started", board=self._child.board_id)
        self._child.kill()
        self.start(self._image)

    def stop(self) -> None:
        self._child.stop()

    def close(self) -> None:
        self._child.close()

    def exit_description(self) -> str | None:
        return self._child.exit_description()
