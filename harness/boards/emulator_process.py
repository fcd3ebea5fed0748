"""One child process whose standard input and output are the master side of a pty."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Sequence

from harness.errors import BoardError

_STDERR_TAIL_BYTES = 4096
_STDERR_TAIL_LINES = 6
_TERMINATE_S = 2.0
_PR_SET_PDEATHSIG = 1
# Bytes written to one side of a pty reach the other through a kernel worker: this long without one means there is none.
_LINE_QUIET_S = 0.005
_DRAIN_S = 0.5

# Loaded now: nothing should be looked up between fork and exec.
_LIBC = ctypes.CDLL(None, use_errno=True)


class PtyProcess:
    """Starts, stops and describes an emulator's process; see `harness.boards.emulator.Emulator` for the promises.

    Args:
        board_id: for error messages.
        program: short name of the program, for error messages.
    """

    def __init__(self, board_id: str, program: str) -> None:
        self.board_id = board_id
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: int | None = None
        self._stderr_tail = b""
        self._master, self._slave = os.openpty()
        self.port_name = os.ttyname(self._slave)
        make_raw(self._slave)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, argv: Sequence[str], *, pass_fds: Sequence[int] = (), hint: str | None = None) -> None:
        """Stops what runs, empties the line and starts `argv`.

        Raises:
            BoardError: the program can't be started; `hint` says what to do about it.
        """
        self.stop()
        self.drain_line()
        make_raw(self._slave)
        # Both are properties of the open pty, not of the process: the one before may have changed them.
        os.set_blocking(self._master, True)
        self._stderr_tail = b""
        # A full pipe drops what comes next instead of blocking the child: no reader thread, no file to leave behind.
        self._stderr, stderr_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=self._master,
                stdout=self._master,
                stderr=stderr_writer,
                pass_fds=tuple(pass_fds),
                # Ctrl-C in the terminal is for the harness, which then stops the child in order.
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BoardError(f"{self.program} can't be started: {error}", board=self.board_id, hint=hint) from error
        finally:
            os.close(stderr_writer)

    def release_line(self) -> None:
        """From here on the program alone has its end of the line: when it ends, the line hangs up.

        It can't be started again.
        """
        os.close(self._master)
        self._master = -1

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process.

        Raises:
            BoardError: it does not run.
        """
        self.require_running()
        assert self._process is not None
        self._process.send_signal(number)

    def require_running(self) -> None:
        """Raises:
        BoardError: the process does not run; says how it ended.
        """
        ended = self.exit_description()
        if ended is not None:
            raise BoardError(ended, board=self.board_id, port=self.port_name)

    def stop(self) -> None:
        """Terminates the process, kills it if it does not obey, and collects it."""
        process = self._process
        try:
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(_TERMINATE_S)
                except BaseException as error:
                    process.kill()
                    process.wait()
                    if not isinstance(error, subprocess.TimeoutExpired):
                        raise
        finally:
            self._process = None
            if self._stderr is not None:
                os.close(self._stderr)
                self._stderr = None

    def kill(self) -> None:
        """Ends the process as a power cut does, and collects it."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def close(self) -> None:
        """Stops the process and gives the pty back. May be called again."""
        try:
            self.stop()
        finally:
            for descriptor in (self._master, self._slave):
                if descriptor >= 0:
                    os.close(descriptor)
            self._master = self._slave = -1

    def drain_line(self) -> None:
        """Drops bytes under way in either direction. Only sensible while the process is stopped or held."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            # Each side's own input: flushing a side's output would spare what the other has not read yet.
            termios.tcflush(self._master, termios.TCIFLUSH)
            termios.tcflush(self._slave, termios.TCIFLUSH)
            if not select.select([self._slave], [], [], _LINE_QUIET_S)[0]:
                return

    def exit_description(self) -> str | None:
        """None while the process runs; else one line on how it ended and what it last said on stderr."""
        self._read_stderr()
        if self._process is None:
            return f"{self.program} is not running"
        code = self._process.poll()
        if code is None:
            return None
        self._read_stderr()
        how = f"ended by signal {-code} ({_signal_name(-code)})" if code < 0 else f"ended with exit code {code}"
        said = _printable_tail(self._stderr_tail)
        return f"{self.program} {how}: {said}" if said else f"{self.program} {how}"

    def _read_stderr(self) -> None:
        if self._stderr is None:
            return
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._stderr, 65536):
                self._stderr_tail = (self._stderr_tail + chunk)[-_STDERR_TAIL_BYTES:]


def make_raw(tty: int) -> None:
    """Eight bits both ways, nothing translated, echoed or turned into a signal.

    Every output flag goes, not only OPOST: QEMU's stdio turns OPOST on again, harmless with nothing left to translate.
    """
    attributes = termios.tcgetattr(tty)
    attributes[0] = 0  # input flags
    attributes[1] = 0  # output flags
    attributes[2] = (attributes[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[3] = 0  # local flags
    control_characters = attributes[6]
    control_characters[termios.VMIN] = 1
    control_characters[termios.VTIME] = 0
    termios.tcsetattr(tty, termios.TCSANOW, attributes)


def die_with_parent(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel kills the child when the thread that started it ends."""

    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown signal"


def _printable_tail(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").splitlines()
    kept = [" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in lines]
    # QEMU says why it gives up, and then what every register holds.
    fatal = [line for line in kept if "fatal:" in line]
    if fatal:
        return fatal[-1]
    return " / ".join([line for line in kept if line][-_STDERR_TAIL_LINES:])
