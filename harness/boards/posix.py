"""The firmware built for this computer, run as a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.errors import BoardError


class PosixEmulator:
    """The board is the process: a reset is a power cycle."""

    program: ClassVar = "host firmware"
    hint: ClassVar = "build the firmware again"

    def __init__(self, board: Board) -> None:
        self._child = PtyProcess(board.id, self.program)
        self._elf: Path | None = None
        self.port_name = self._child.port_name

    def argv(self, elf: Path) -> Sequence[str]:
        """The program that is the board, with `elf` in its flash."""
        return [str(elf)]

    def start(self, elf: Path) -> None:
        self._elf = elf
        self._child.start(self.argv(elf), hint=self.hint)

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
