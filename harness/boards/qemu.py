"""Boards in QEMU: the machine's first UART on the pty, QMP on a socket that has no name."""

from __future__ import annotations

import socket
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import PtyProcess
from harness.boards.qmp import QmpClient
from harness.errors import BoardError, UsageError

_RESET_S = 5.0


class QemuEmulator:
    """The catalogue's `qemu` words, plus the ELF, the line and the control channel."""

    def __init__(self, board: Board) -> None:
        if not board.qemu:
            raise UsageError("a QEMU board needs its command in the catalogue (qemu)", board=board.id)
        self._command = board.qemu
        self._child = PtyProcess(board.id, board.qemu[0])
        self._qmp: QmpClient | None = None
        self.port_name = self._child.port_name

    def start(self, elf: Path) -> None:
        if not elf.is_file():
            raise BoardError(f"there is no firmware at {elf}", board=self._child.board_id, hint="flash it again")
        self.stop()
        # A connected pair, not a path: nothing to leave behind in /tmp, nothing another user could connect to.
        ours, theirs = socket.socketpair()
        try:
            self._child.start(
                [
                    *self._command,
                    *("-kernel", str(elf)),
                    *("-nodefaults", "-display", "none", "-monitor", "none"),
                    *("-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"),
                    *("-chardev", f"socket,id=control,fd={theirs.fileno()}", "-mon", "chardev=control,mode=control"),
                ],
                pass_fds=[theirs.fileno()],
                hint=f"install {self._command[0]} (hil boards says what is missing)",
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._qmp = QmpClient(ours, board_id=self._child.board_id)

    def reset(self) -> None:
        if self._qmp is None:
            raise BoardError("the emulator was never started", board=self._child.board_id)
        self._child.require_running()
        # Held while the line is emptied: no byte of the old boot stays, none of the new one is lost.
        self._qmp.execute("stop", timeout_s=_RESET_S)
        self._child.drain_line()
        self._qmp.execute("system_reset", await_event="RESET", timeout_s=_RESET_S)
        self._qmp.execute("cont", timeout_s=_RESET_S)

    def stop(self) -> None:
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        self._child.stop()

    def close(self) -> None:
        self.stop()
        self._child.close()

    def exit_description(self) -> str | None:
        return self._child.exit_description()
