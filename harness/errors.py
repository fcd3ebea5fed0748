"""The one tree of errors. Each says what happened, where (board and port), and what to try next.

The exit code of a command is the `exit_code` of the error that ended it.
"""

from __future__ import annotations

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_BOARD = 3
EXIT_BUILD = 4
EXIT_INTERNAL = 5
EXIT_INTERRUPTED = 130


class HilError(Exception):
    """Base of every error the harness raises on purpose.

    Args:
        what: what happened, one sentence without a final full stop.
        board: catalogue id of the board concerned, if any.
        port: port concerned, if any.
        hint: what the user can try next, if anything is known.
        console: the device's last console lines (raw; the report escapes them).
    """

    exit_code = EXIT_INTERNAL

    def __init__(
        self,
        what: str,
        *,
        board: str | None = None,
        port: str | None = None,
        hint: str | None = None,
        console: tuple[str, ...] = (),
    ) -> None:
        self.what = what
        self.board = board
        self.port = port
        self.hint = hint
        self.console = console
        super().__init__(what)

    def __str__(self) -> str:
        where = ", ".join(
            part
            for part in (f"board {self.board}" if self.board else "", f"port {self.port}" if self.port else "")
            if part
        )
        text = f"{self.what} ({where})" if where else self.what
        return f"{text}\n  try: {self.hint}" if self.hint else text


class UsageError(HilError):
    """The user's words or files are off: unknown board, wrong shape, NaN in vectors, unsupported layer."""

    exit_code = EXIT_USAGE


class BoardError(HilError):
    """A board, port or link did not do its part."""

    exit_code = EXIT_BOARD


class PortNotFoundError(BoardError):
    """The named port does not exist."""


class PortBusyError(BoardError):
    """Another process holds the port or the target; the message names it."""


class PortLostError(BoardError):
    """The port went away while in use (cable out, emulator ended)."""


class NoAnswerError(BoardError):
    """Nothing that speaks the protocol answered by the deadline."""


class ForeignDeviceError(BoardError):
    """Something answered on the port, but not with this protocol."""


class DeviceRebootedError(BoardError):
    """The device restarted within the session; `what` carries its reset reason."""


class SessionTakenError(BoardError):
    """Another host said HELLO to this device: another program uses the port."""


class WrongDeviceError(BoardError):
    """The board, engine, firmware build or model on the device is not the expected one."""


class ProtocolVersionError(BoardError):
    """Host and device have no protocol version in common."""


class DeviceError(BoardError):
    """The device answered a request with an ERROR message.

    Attributes:
        code: `harness.protocol.ids.ErrorCode` value sent by the device.
        detail: the code's number (bytes missing, expected length, ...); see docs/protocol.md.
    """

    def __init__(
        self,
        what: str,
        *,
        code: int,
        detail: int,
        board: str | None = None,
        port: str | None = None,
        hint: str | None = None,
        console: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, board=board, port=port, hint=hint, console=console)
        self.code = code
        self.detail = detail


class BuildError(HilError):
    """PlatformIO, a compiler or an uploader failed, or something they need is missing."""

    exit_code = EXIT_BUILD


class FlashError(BuildError):
    """The image could not be put on the board, or the board still runs another one.

    Attributes:
        cause: what is behind it, in two words (harness.build.flash_causes.CauseName); empty: unknown.
    """

    def __init__(
        self,
        what: str,
        *,
        cause: str = "",
        board: str | None = None,
        port: str | None = None,
        hint: str | None = None,
        console: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, board=board, port=port, hint=hint, console=console)
        self.cause = cause
