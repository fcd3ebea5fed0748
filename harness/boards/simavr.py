"""AVR boards in libsimavr."""

from __future__ import annotations

import signal
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.boards.simavr_runner import build_runner
from harness.errors import UsageError


class SimavrEmulator:
    """Runs the project's own small runner on libsimavr, which reads the ELF directly."""

    def __init__(self, board: Board) -> None:
        if board.simavr_mcu is None or board.cpu_hz is None:
            raise UsageError("a simavr board needs simavr_mcu and cpu_hz in the catalogue", board=board.id)
        self._line = (board.simavr_mcu, str(board.cpu_hz), str(board.baud_safe))
        self._child = PtyProcess(board.id, "simavr")
        self.port_name = self._child.port_name

    def start(self, elf: Path) -> None:
        self._child.start(
            [str(build_runner(self._child.board_id)), *self._line, str(elf)],
            hint="hil boards says what is missing here",
        )

    def reset(self) -> None:
        self._child.require_running()
        # Bytes of the old boot that come after this are the link's to ignore, as on a board with a reset button.
        self._child.drain_line()
        self._child.signal(signal.SIGUSR1)

    def stop(self) -> None:
        self._child.stop()

    def close(self) -> None:
        self._child.close()

    def exit_description(self) -> str | None:
        return self._child.exit_description()
