"""What every emulator does for the harness, and which one a board uses."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from harness.boards.catalogue import Board
from harness.errors import UsageError


class Emulator(Protocol):
    """A computer inside this computer whose UART is a pty that the harness made.

    The pty lives from construction to `close`, so `port_name` stays the same over restarts and a client that has it
    open stays connected. One thread owns an emulator: the kernel ends the program when the *thread* that started it
    ends (PR_SET_PDEATHSIG), which is also why a killed harness leaves nothing running.
    """

    port_name: str

    def start(self, elf: Path) -> None:
        """Powers on with `elf` in flash; whatever ran before is stopped, bytes still on the line are dropped.

        Raises:
            BuildError: a helper program of the emulator can't be built here.
            BoardError: the emulator is not installed, or `elf` is not there.
        """
        ...

    def reset(self) -> None:
        """Starts the program in flash anew, as the reset button does; bytes still on the line are dropped.

        Raises:
            BoardError: nothing was started, or the emulator did not react by its deadline.
        """
        ...

    def stop(self) -> None:
        """Powers off. Nothing is left of the process; the pty stays. No error if nothing runs."""
        ...

    def close(self) -> None:
        """Stops, and gives the pty back."""
        ...

    def exit_description(self) -> str | None:
        """None while the emulator runs; else how it ended, with the last it said on stderr."""
        ...


def make_emulator(board: Board) -> Emulator:
    """The powered-off emulator of `board`.

    Raises:
        UsageError: the board is not an emulated one.
    """
    # Imported here: a real board needs none of them.
    match board.emulator:
        case "qemu":
            from harness.boards.qemu import QemuEmulator

            return QemuEmulator(board)
        case "simavr":
            from harness.boards.simavr import SimavrEmulator

            return SimavrEmulator(board)
        case "posix":
            from harness.boards.posix import PosixEmulator

            return PosixEmulator(board)
        case "tflm":
            from harness.boards.tflm_device.emulator import TflmEmulator

            return TflmEmulator(board)
        case None:
            raise UsageError(f"{board.id} is not an emulated board", board=board.id)
