"""The serial port. Only this file and port_list.py import pyserial; it works around pyserial 3.5 where it says so."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import stat
import termios
import time
from pathlib import Path

import serial

from harness.errors import BoardError, NoAnswerError, PortBusyError, PortLostError, PortNotFoundError, UsageError
from harness.link.deadline import Deadline
from harness.link.holder import describe_holders
from harness.link.port import Port
from harness.link.port_list import list_attached

RFC2217 = "rfc2217://"
URL_SCHEMES = ("socket://", RFC2217)  # spy:// would write a file of the caller's choosing
POLL_S = 0.02  # of a port without a file descriptor (rfc2217): how long pyserial may block at once
MAX_UNREAD_BYTES = 1 << 20
PTY_PREFIX = "/dev/pts/"


def open_port(name: str, baud: int, *, board: str | None = None, dtr: bool = True, rts: bool = True) -> Port:
    """Opens `name` (a device path, socket://host:port or rfc2217://host:port) at `baud`, 8N1, for this process alone.

    `dtr`, `rts`: state of the lines from the first moment. Both asserted is what the kernel's own open does: it resets
    no ESP32 (their auto-reset circuit acts only where the two differ) and lets boards with native USB talk. Boards that
    reset on a rising DTR do so: treat every open as a possible reboot.

    Raises UsageError for any other kind of name, PortNotFoundError with the ports that do exist, PortBusyError with the
    holder, BoardError where permission is missing or the name is no serial port.
    """
    check_port_name(name, board=board)
    is_url = name.startswith(URL_SCHEMES)
    try:
        # Constructed closed: an open by the constructor would not let the lines be chosen first.
        line = serial.serial_for_url(name, do_not_open=True, baudrate=baud, timeout=POLL_S)
        if not name.startswith(RFC2217):
            line.write_timeout = POLL_S  # rfc2217 has none: its socket gives up after 5 s
        line.dtr, line.rts = dtr, rts
        if not is_url:
            line.exclusive = True
        line.open()
    except (serial.SerialException, OSError, ValueError, NotImplementedError) as error:
        raise _open_error(name, board, is_url, error) from None
    port = SerialPort(line, name, board)
    # flock is advice: programs that don't ask for it share the bytes silently.
    # A pty is exempt: its maker keeps a slave open.
    if not is_url and not os.path.realpath(name).startswith(PTY_PREFIX):
        others = describe_holders(name, others_only=True)
        if others:
            port.close()
            raise _busy(name, board, others)
    return port


class SerialPort:
    """A Port over an open pyserial object. Reads and writes go to its file descriptor where it has one."""

    def __init__(self, line: serial.Serial, name: str, board: str | None) -> None:
        self._line = line
        self._name = name
        self._board = board
        self._unread = bytearray()
        self._closed = False
        self._fd = _descriptor(line)

    @property
    def name(self) -> str:
        return self._name

    @property
    def baud(self) -> int:
        return int(self._line.baudrate)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        self._require_open()
        if self._unread:
            data = bytes(self._unread[:max_bytes])
            del self._unread[:max_bytes]
            return data
        try:
            if self._fd is None:
                return self._read_polling(max_bytes, deadline)
            if not select.select([self._fd], [], [], deadline.remaining_s)[0]:
                return b""
            return self._read_ready(max_bytes)
        except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
            raise self._lost(error) from None

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._require_open()
        try:
            if self._fd is None:
                self._write_polling(data, deadline)
            else:
                self._write_ready(data, deadline)
        except (OSError, ValueError, termios.error) as error:
            raise self._lost(error) from None

    def set_baud(self, baud: int) -> None:
        self._require_open()
        try:
            self._line.baudrate = baud
        except (OSError, ValueError, termios.error) as error:
            raise self._lost(error) from None

    def set_lines(self, dtr: bool, rts: bool) -> None:
        try:
            self._line.dtr = dtr
            self._line.rts = rts
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EINVAL):
                raise self._lost(error) from None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._fd is not None:
            # The kernel would wait up to 30 s for unsent bytes to leave.
            with contextlib.suppress(OSError, termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
        self._fd = None
        with contextlib.suppress(Exception):
            self._line.close()
        # pyserial doesn't tell its base class, whose finaliser would then call close() once more at some later moment:
        # Python code in a finaliser, and a Ctrl-C that arrives there is lost without a word.
        with contextlib.suppress(Exception):  # it flushes first, which a closed port refuses; it is marked all the same
            io.RawIOBase.close(self._line)

    def _require_open(self) -> None:
        if self._closed:
            raise PortLostError("the port is closed", board=self._board, port=self._name)

    def _read_ready(self, max_bytes: int) -> bytes:
        assert self._fd is not None
        try:
            data = os.read(self._fd, max_bytes)
        except BlockingIOError:  # someone else read them
            return b""
        if not data and self._hung_up():
            raise OSError(errno.EIO, "the line hung up")
        return data

    def _hung_up(self) -> bool:
        """After a read of nothing. With pyserial's VMIN 0 that is also what is left where someone else read first."""
        assert self._fd is not None
        if not os.isatty(self._fd):
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))

    def _read_polling(self, max_bytes: int, deadline: Deadline) -> bytes:
        # The timeout stays as it was at open: a change makes pyserial negotiate the whole line anew over the network.
        # in_waiting is right here; socket:// says 1 for any number, but has a descriptor.
        while True:
            waiting = int(self._line.in_waiting)
            if waiting:
                return bytes(self._line.read(min(waiting, max_bytes)))
            if deadline.expired:
                return b""
            first = bytes(self._line.read(1))
            if first:
                return first

    def _write_ready(self, data: bytes, deadline: Deadline) -> None:
        """Writes as the line takes it, and reads meanwhile: a device stuck in its own write would never empty ours."""
        view = memoryview(data)
        while view:
            assert self._fd is not None
            readers = [self._fd] if len(self._unread) < MAX_UNREAD_BYTES else []
            readable, writable, _ = select.select(readers, [self._fd], [], deadline.remaining_s)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(self._fd, view) :]
            elif readable:
                self._unread += self._read_ready(65536)
            elif deadline.expired:
                raise self._stuck(len(view))

    def _write_polling(self, data: bytes, deadline: Deadline) -> None:
        position = 0
        while position < len(data):
            try:
                position += self._line.write(data[position:]) or 0
            except serial.SerialTimeoutException:
                time.sleep(0.001)
            if position < len(data) and deadline.expired:
                raise self._stuck(len(data) - position)

    def _stuck(self, left: int) -> NoAnswerError:
        return NoAnswerError(
            f"the line took no data, {left} bytes were left",
            board=self._board,
            port=self._name,
            hint="reset or replug the board; nothing reads at its end",
        )

    def _lost(self, error: Exception) -> PortLostError:
        what = f"the port went away ({_reason(error)})"
        hint = "check the cable, and that the board (or emulator) is still there"
        return PortLostError(what, board=self._board, port=self._name, hint=hint)


def _descriptor(line: serial.Serial) -> int | None:
    try:
        descriptor = int(line.fileno())
    except (AttributeError, OSError):  # rfc2217 has none; io.UnsupportedOperation is an OSError
        return None
    os.set_blocking(descriptor, False)
    return descriptor


def check_port_name(name: str, *, board: str | None = None) -> None:
    """Looks whether `name` can be a port, without opening it: for those who have long work to do first.

    Raises:
        UsageError: neither a device path nor one of the URL schemes allowed.
        PortNotFoundError: a device path that does not exist.
        BoardError: no serial port, or no permission to look.
    """
    if name.startswith(URL_SCHEMES):
        return
    if "://" in name or not name.startswith("/"):
        raise UsageError(
            f"{name!r} is no port",
            board=board,
            hint=f"give a device path (/dev/ttyUSB0), {' or '.join(f'{scheme}host:port' for scheme in URL_SCHEMES)}",
        )
    try:
        mode = Path(name).stat().st_mode
    except PermissionError as error:
        raise _open_error(name, board, False, error) from None
    except OSError:
        raise _not_found(name, board) from None
    if not stat.S_ISCHR(mode):
        raise BoardError(f"{name} is no serial port but another kind of file", board=board, port=name)


def _open_error(name: str, board: str | None, is_url: bool, error: Exception) -> BoardError:
    number = getattr(error, "errno", None)
    if is_url:
        return PortNotFoundError(
            f"no connection ({_reason(error)})",
            board=board,
            port=name,
            hint="check host and port, and that the server runs",
        )
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return _not_found(name, board)
    if number in (errno.EACCES, errno.EPERM):
        return BoardError(
            "no permission to open the port",
            board=board,
            port=name,
            hint="add yourself to group dialout (sudo usermod -aG dialout $USER), then log in again",
        )
    # pyserial turns the failed flock into an error without errno that quotes the one of flock.
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return _busy(name, board, describe_holders(name))
    return BoardError(f"the port can't be opened ({_reason(error)})", board=board, port=name)


def _not_found(name: str, board: str | None) -> PortNotFoundError:
    there = ", ".join(port.device for port in list_attached()) or "none"
    return PortNotFoundError(
        "there is no such port", board=board, port=name, hint=f"plug the board in or name another; ports here: {there}"
    )


def _busy(name: str, board: str | None, holder: str) -> PortBusyError:
    held = f"held by {holder}" if holder else "held by a process of another user"
    return PortBusyError(f"the port is {held}", board=board, port=name, hint="end that program, or use another board")


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error)
