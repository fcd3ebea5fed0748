"""What every emulator does for the harness, and which one a board uses."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.boards.catalogue import Board
from harness.errors import UsageError


class Emulator(Protocol):
    """A computer inside this computer whose UART is a pty that the harness made.

    The pty lives from construction to `close`, so `port_name` stays the same over restarts and a client that has it
    open stays connected. One thread owns an emulator: the kernel ends the program when the *thread* that started it
    ends (PR_SET_PDEATHSIG), which is also why a killed harness leaves nothing running.
    """

    @property
    def port_name(self) -> str:
        """The harness's end of the line, as `open_port` takes it."""
        ...

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


@runtime_checkable
class RomLoaderEmulator(Emulator, Protocol):
    """An emulator with a boot loader of its own: a real uploader talks to it over the line.

    `start` takes the file of its flash memory instead of an ELF. Its pty may change when the program ends by itself.
    """

    def enter_loader(self, flash: Path) -> None:
        """Powers on in the boot loader, which writes what it receives into the file `flash`, made if not there.

        Raises:
            BuildError: a helper program of the emulator can't be built here.
            BoardError: the emulator can't be started, or did not react by its deadline.
        """
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
        case "esp32c3":
            from harness.boards.esp32c3_sim.emulator import Esp32C3Emulator

            return Esp32C3Emulator(board)
        case None:
            raise UsageError(f"{board.id} is not an emulated board", board=board.id)
