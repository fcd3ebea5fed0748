"""The firmware built for this computer, run as a process."""

from __future__ import annotations

from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.errors import BoardError


class PosixEmulator:
    """The board is the process: a reset is a power cycle."""

    def __init__(self, board: Board) -> None:
        self._child = PtyProcess(board.id, "host firmware")
        self._elf: Path | None = None
        self.port_name = self._child.port_name

    def start(self, elf: Path) -> None:
        self._elf = elf
        self._child.start([str(elf)], hint="build the firmware again")

    def reset(self) -> None:
        if self._elf is None:
            raise BoardError("the emulator was never started", board=self._child.board_id)
        self._child.kill()
        self.start(self._elf)

    def stop(self) -> None:
        self._child.stop()

    def close(self) -> None:
        self._child.close()

    def exit_description(self) -> str | None:
        return self._child.exit_description()
