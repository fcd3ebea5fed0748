"""`esp32c3-sim` as an emulated board: see `harness.boards.emulator.Emulator` and `RomLoaderEmulator`.

The process is started once and stays, powered or not, as the owner of the line: when it ends, the line hangs up as if
the cable were pulled. After that the board is on another pty, as a board that was plugged in again.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.boards.esp32c3_sim.block_counter import build_counter
from harness.boards.esp32c3_sim.control import ControlClient
from harness.errors import BoardError

QEMU_VARIABLE = "HIL_ESP_QEMU"
# For tests: what the boot loader does wrong (faults.py).
FAULT_VARIABLE = "HIL_TEST_ESP_FAULT"
_NO_POWER = "the simulated ESP32-C3 has no power"


class Esp32C3Emulator:
    """Power, reset and the boot pin of the simulated board."""

    def __init__(self, board: Board) -> None:
        self._board_id = board.id
        self._child = self._new_child()
        self._control: ControlClient | None = None
        self._powered = False
        self._ended: str | None = None

    @property
    def port_name(self) -> str:
        """The pty of today: another one once the process has ended by itself."""
        self._look()
        return self._child.port_name

    def start(self, elf: Path) -> None:
        """`elf` is the flash memory's file here. HIL_ESP_QEMU names Espressif's QEMU, to run the image instead."""
        self._power("run", elf, os.environ.get(QEMU_VARIABLE, ""))

    def enter_loader(self, flash: Path) -> None:
        """Powers on with the boot pin low: the ROM waits for an uploader, which writes into the file `flash`."""
        self._power("download", flash)

    def reset(self) -> None:
        """A pulse on pin EN: RTC memory keeps its content, the boot pin is as at power-on."""
        ended = self.exit_description()
        if ended is not None or self._control is None:
            raise BoardError(ended or _NO_POWER, board=self._board_id, port=self.port_name)
        self._control.do("reset")

    def stop(self) -> None:
        self._look()
        self._powered = False
        self._ended = None
        if self._control is not None:
            self._control.do("off")

    def close(self) -> None:
        self._powered = False
        if self._control is not None:
            self._control.close()
            self._control = None
        self._child.close()

    def exit_description(self) -> str | None:
        self._look()
        return self._ended or (None if self._powered else _NO_POWER)

    def _look(self) -> None:
        """Notices a process that has ended by itself: the board is on another pty from then on."""
        if self._control is None:
            return
        ended = self._child.exit_description()
        if ended is not None:
            self._ended = ended
            self._control.close()
            self._control = None
            self._child.close()
            self._child = self._new_child()

    def _power(self, action: str, flash: Path, qemu: str = "") -> None:
        if action == "run" and not flash.is_file():
            raise BoardError(f"there is no flash memory at {flash}", board=self._board_id, hint="flash it again")
        self._look()
        if self._control is None:
            self._start_process()
        assert self._control is not None
        self._powered = False
        self._ended = None
        self._control.do("run" if action == "run" else "download", flash=flash.absolute(), qemu=qemu)
        self._powered = True

    def _start_process(self) -> None:
        counter = build_counter(self._board_id)
        ours, theirs = socket.socketpair()
        try:
            self._child.start(
                [
                    *(sys.executable, "-P", "-m", "harness.boards.esp32c3_sim"),
                    *("--control", str(theirs.fileno()), "--counter", str(counter)),
                    *("--fault", os.environ.get(FAULT_VARIABLE, "")),
                ],
                pass_fds=[theirs.fileno()],
                hint="install the package again",
            )
            self._child.release_line()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._control = ControlClient(ours, board_id=self._board_id)

    def _new_child(self) -> PtyProcess:
        return PtyProcess(self._board_id, "simulated ESP32-C3")
