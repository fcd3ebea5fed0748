"""One attached instance of a board, held by this process alone from `open_target` to `close`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.boards.catalogue import Board
from harness.boards.emulator import Emulator, RomLoaderEmulator, make_emulator
from harness.boards.flash_slot import FlashSlot
from harness.boards.inventory import AttachedPort, find_port, list_ports, lock_name
from harness.boards.lab import entry_at
from harness.boards.lock import TargetLock
from harness.boards.power_cycle import run_power_cycle
from harness.boards.reset import ResetRecord, ResetStep, reset_board
from harness.boards.target_port import TargetPort
from harness.errors import BoardError, NoAnswerError, PortBusyError, PortLostError, PortNotFoundError, UsageError
from harness.link.deadline import Deadline

if TYPE_CHECKING:
    from harness.build.image import FirmwareImage
    from harness.link.session import Session

# Puts an image on a board. Arguments: board, image, port (emulated: the flash slot's directory), call per output line.
Flasher = Callable[[Board, "FirmwareImage", str, Callable[[str], None]], None]

SESSION_TIMEOUT_S = 5.0
_MAX_INSTANCES = 64
_LOOK_AGAIN_S = 0.1


class Target:
    """See `open_target`. Not for use from two threads; emulators end with the thread that opened them."""

    board: Board

    def __init__(self, board: Board, *, held: ExitStack, flasher: Flasher | None) -> None:
        self.board = board
        self._held = held
        self._flasher = flasher
        self._session: Session | None = None
        self._port: TargetPort | None = None
        # Of an emulated board:
        self._emulator: Emulator | None = None
        self._slot: FlashSlot | None = None
        self._power_on_error: BoardError | None = None
        # Of a real one:
        self._attached: AttachedPort | None = None

    @property
    def port_name(self) -> str:
        """The device path (emulated boards: of the pty) or URL of the line."""
        if self._emulator is not None:
            return self._emulator.port_name
        assert self._attached is not None
        return self._attached.device

    @property
    def name(self) -> str:
        """What this instance is called in locks and journals: the same for the same attached device."""
        if self._slot is not None:
            return self._slot.path.name
        assert self._attached is not None
        return lock_name(self._attached)

    @property
    def baud(self) -> int:
        """Baud rate of the line."""
        return self._port.baud if self._port is not None else self.board.baud_safe

    @property
    def flashed_build_id(self) -> bytes | None:
        """Build id in an emulated board's flash; None if that is empty or unknown, and for real boards (ask INFO)."""
        return self._slot.build_id if self._slot is not None else None

    @property
    def ended(self) -> str | None:
        """How an emulated board's program ended; None while it runs, and for real boards, which tell it by their
        next BOOT.
        """
        return self._emulator.exit_description() if self._emulator is not None else None

    def session(self, timeout_s: float = SESSION_TIMEOUT_S) -> Session:
        """Says HELLO and returns the session; the one before, if any, is closed. The target closes it at the end.

        Raises:
            NoAnswerError: nothing answered; nothing is flashed; or the emulator ended, with its last words.
            ForeignDeviceError, ProtocolVersionError: something else answered.
            PortNotFoundError, PortBusyError, PortLostError: the line can't be opened, or went away and was not back
                by the deadline.
        """
        from harness.link.session import Session

        self._end_session()
        deadline = Deadline.after(timeout_s)
        if self._slot is not None:
            self._require_power()
        lost: PortLostError | None = None
        while True:
            try:
                port = self._open_line(deadline)
                timeout_s = max(deadline.remaining_s, _LOOK_AGAIN_S)
                self._session = Session.open(port, board=self.board.id, timeout_s=timeout_s)
                return self._session
            except PortLostError as error:
                if self._emulator is not None:
                    # A firmware that ends at once is no reason to give the target up: the next one may not.
                    raise self._no_answer(error.what, error.console) from error
                # A board with USB of its own may restart once more after an upload: its port comes back.
                if deadline.expired:
                    raise
                lost = error
                time.sleep(min(_LOOK_AGAIN_S, deadline.remaining_s))
            except PortNotFoundError as error:
                if lost is None:
                    raise
                raise lost from error

    def reset(self) -> ResetRecord:
        """Starts the firmware anew by the board's reset method, or an emulator that ended; open sessions are over.

        The record says what was tried and how it went; it never raises for a step that failed.

        Raises:
            NoAnswerError: nothing is flashed.
            PortNotFoundError, PortBusyError, BoardError: the line can't be opened.
        """
        self._end_session()
        if self._slot is not None:
            assert self._emulator is not None
            self._require_image()
            if self._emulator.exit_description() is not None:
                self._power_on()
                error = None if self._power_on_error is None else str(self._power_on_error)
                return ResetRecord("emulator", (ResetStep("start the emulator again", error),))
        line = self._open_line(Deadline.after(SESSION_TIMEOUT_S))
        return reset_board(self.board, emulator=self._emulator, port=line)

    @property
    def power_cycle_command(self) -> tuple[str, ...]:
        """The lab file's command for this very board; empty: none.

        Raises:
            UsageError: the lab file is wrong.
        """
        entry = entry_at(self.board.id, self._attached) if self._attached is not None else None
        return entry.power_cycle if entry is not None else ()

    def power_cycle(self) -> None:
        """Takes the board's power away and gives it back, by the lab file's command; open sessions are over.

        Raises:
            BoardError: there is no command, or it failed.
        """
        command = self.power_cycle_command
        if not command:
            raise BoardError("the lab file has no power_cycle for it", board=self.board.id, port=self.port_name)
        self._end_session()
        self._close_line()
        run_power_cycle(command, board=self.board.id, port=self.port_name)

    def line(self, timeout_s: float = SESSION_TIMEOUT_S) -> TargetPort:
        """The open line itself, for those who only listen; an open session is over. The target closes it at the end.

        Raises:
            NoAnswerError: nothing is flashed, or the emulator ended.
            PortNotFoundError, PortBusyError, PortLostError: the line can't be opened, or went away.
        """
        self._end_session()
        if self._slot is not None:
            self._require_power()
        return self._open_line(Deadline.after(timeout_s))

    def flash(self, image: FirmwareImage, on_line: Callable[[str], None] | None = None) -> None:
        """Puts `image` on the board and starts it; open sessions are over.

        Raises:
            UsageError: the image is for another board.
            FlashError: the uploader failed.
            BoardError: the emulator does not start.
        """
        if image.board != self.board.id:
            raise UsageError(f"the image is for board {image.board}", board=self.board.id, port=self.port_name)
        self._end_session()
        self._close_line()  # the uploader needs the port for itself
        flasher = self._flasher or _own_flasher(self.board)
        say = on_line if on_line is not None else _say_nothing
        if self._slot is None:
            flasher(self.board, image, self.port_name, say)
            return
        assert self._emulator is not None
        if isinstance(self._emulator, RomLoaderEmulator):
            self._slot.forget_build()
            self._emulator.enter_loader(self._slot.elf)
            try:
                flasher(self.board, image, self.port_name, say)
            finally:
                self._emulator.stop()
            self._slot.note_build(image.build_id)
        else:
            self._emulator.stop()
            flasher(self.board, image, str(self._slot.path), say)
            self._slot.verify(image.elf, board=self.board.id)
        self._power_on()
        if self._power_on_error is not None:
            raise self._power_on_error

    def close(self) -> None:
        """Ends the session, powers an emulator off, gives line and lock back. May be called again."""
        with self._held:
            try:
                self._end_session()
            finally:
                self._close_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hold_emulated(self) -> None:
        name, lock = _first_free(self.board)
        self._held.enter_context(lock)
        self._emulator = make_emulator(self.board)
        self._slot = FlashSlot(name, raw=isinstance(self._emulator, RomLoaderEmulator))
        self._held.callback(self._emulator.close)
        if not self._slot.is_empty:
            self._power_on()

    def _hold_real(self, port: str | None, serial_number: str | None) -> None:
        self._attached = find_port(self.board, port=port, serial_number=serial_number)
        name = lock_name(self._attached)
        self._held.enter_context(TargetLock.acquire(name, board=self.board.id, port=self._attached.device))

    def _power_on(self) -> None:
        assert self._emulator is not None and self._slot is not None
        self._power_on_error = None
        try:
            # Opened first, so that the firmware's first words are not missed.
            self._open_line(Deadline.after(SESSION_TIMEOUT_S))
            self._emulator.start(self._slot.elf)
        except BoardError as error:
            self._power_on_error = error

    def _require_image(self) -> None:
        if self._slot is not None and self._slot.is_empty:
            raise NoAnswerError(
                "nothing is flashed", board=self.board.id, port=self.port_name, hint="flash it: hil flash, or hil run"
            )

    def _require_power(self) -> None:
        self._require_image()
        assert self._emulator is not None
        if self._power_on_error is not None:
            raise self._no_answer(self._power_on_error.what) from self._power_on_error
        ended = self._emulator.exit_description()
        if ended is not None:
            raise self._no_answer(ended)

    def _no_answer(self, what: str, console: tuple[str, ...] = ()) -> NoAnswerError:
        hint = "reset or flash it to start it again"
        return NoAnswerError(what, board=self.board.id, port=self.port_name, hint=hint, console=console)

    def _open_line(self, deadline: Deadline) -> TargetPort:
        here = self._emulator is None or (self._port is not None and self._port.name == self._emulator.port_name)
        if self._port is not None and self._port.usable and here:
            return self._port
        self._close_line()
        from harness.link.serial_port import open_port

        while True:
            if self._attached is not None:
                self._attached = _where_is(self._attached)
            try:
                line = open_port(self.port_name, self.board.baud_safe, board=self.board.id)
            except PortNotFoundError:
                # A board with USB of its own goes and comes back when it restarts, maybe under another name.
                if deadline.expired:
                    raise
                time.sleep(min(_LOOK_AGAIN_S, deadline.remaining_s))
                continue
            self._port = TargetPort(line, board_id=self.board.id, emulator=self._emulator)
            return self._port

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _close_line(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()


def open_target(
    board: Board, *, port: str | None = None, serial_number: str | None = None, flasher: Flasher | None = None
) -> Target:
    """Holds one target of `board`: its lock, and the running emulator (if its flash holds an image) or its port's name.

    Args:
        board: an emulated board gets the first instance that no other process holds, so runs side by side work.
        port: device path or URL of a real board; None: looked for by USB id.
        serial_number: USB serial number of a real board.
        flasher: puts an image on the board; None: PlatformIO's uploader, or what the board has instead.

    Raises:
        UsageError: a port was named for an emulated board.
        PortNotFoundError: the board is not attached.
        PortBusyError: another process holds it, named in the message.
        BoardError: several attached ports could be meant.
        BuildError: the emulator's runner can't be built here.
    """
    if board.kind == "emulated" and (port is not None or serial_number is not None):
        raise UsageError(
            "an emulated board makes its own port",
            board=board.id,
            port=port,
            hint="leave out --port and --serial-number",
        )
    with ExitStack() as held:
        target = Target(board, held=held, flasher=flasher)
        try:
            if board.kind == "emulated":
                target._hold_emulated()
            else:
                target._hold_real(port, serial_number)
        except BaseException:
            target._close_line()
            raise
        target._held = held.pop_all()
        return target


def _first_free(board: Board) -> tuple[str, TargetLock]:
    for k in itertools.count(1):
        name = f"{board.id}-{k}"
        try:
            return name, TargetLock.acquire(name, board=board.id)
        except PortBusyError:
            if k == _MAX_INSTANCES:
                raise
    raise AssertionError("unreachable")


def _where_is(attached: AttachedPort) -> AttachedPort:
    """The same USB device under its name of today; itself while it is away or has no identity."""
    if attached.location is None and attached.serial_number is None:
        return attached
    return next((port for port in list_ports() if lock_name(port) == lock_name(attached)), attached)


def _own_flasher(board: Board) -> Flasher:
    if board.emulator == "tflm":
        from harness.boards.tflm_device.image import flash_image

        return flash_image
    from harness.build.flash import flash

    return flash


def _say_nothing(line: str) -> None:
    pass
