"""Brings a device back after a probe that crashed it, hung it or made its port vanish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.boards.target import Target
from harness.build.image import FirmwareImage
from harness.errors import BoardError, FlashError, PortNotFoundError, SessionTakenError, WrongDeviceError
from harness.link.deadline import Deadline
from harness.link.session import Session
from harness.protocol.frame import Frame, FrameSplitter
from harness.protocol.ids import MessageType, ResetReason
from harness.protocol.messages import MessageError, decode_boot
from harness.workflow.connect import mismatches
from harness.workflow.progress import Progress

SOON_S = 1.5  # most devices answer within a tenth of it
HELLO_S = 5.0
LISTEN_S = 1.0
LOOP_BOOTS = 2  # BOOT frames while listening: more than a device that starts once sends


@dataclass(frozen=True, slots=True)
class Revived:
    """A session with a device that lives again.

    Attributes:
        steps: what it took, e.g. ("reset",); empty: it restarted by itself.
        boot_loop: what was heard of a boot loop, in words; empty: none.
    """

    session: Session
    steps: tuple[str, ...]
    boot_loop: str


class Reviver:
    """The reset ladder: wait for HELLO, reset, reset again, cut the power (where the lab file says how), flash.

    Attributes:
        resets, flashes: made so far, for the report.
    """

    def __init__(self, target: Target, image: FirmwareImage, progress: Progress) -> None:
        self._target = target
        self._image = image
        self._progress = progress
        self.resets = 0
        self.flashes = 0

    def revive(self, *, reset: bool = False) -> Revived:
        """A new session with the device, whatever it takes.

        Args:
            reset: begin with a reset: it hangs, or what it has in memory can't be trusted.

        Raises:
            BoardError: it does not come back even after flashing; it is another device now; or the port is gone.
        """
        ladder: list[tuple[str, Callable[[], None]]] = [] if reset else [("", _nothing)]
        if self._target.board.reset != "none":
            ladder += [("reset", self.reset), ("reset", self.reset)]
        if self._target.power_cycle_command:
            ladder.append(("power cycle", self._target.power_cycle))
        ladder.append(("flash", self._flash))
        steps: list[str] = []
        loop = ""
        last: BoardError | FlashError | None = None
        for name, act in ladder:
            if loop and name == "reset" and "reset" in steps:
                continue  # what a reset did not end, another one won't
            try:
                act()
                if name:
                    steps.append(name)
                session = self._hello()
            except (SessionTakenError, WrongDeviceError):
                raise
            except _LoopError as error:
                loop, last = error.what, error
                continue
            except (BoardError, FlashError) as error:
                last = error
                continue
            self.check(session)
            return Revived(session, tuple(steps), loop)
        assert last is not None
        what = f"the device does not come back after {len(steps)} resets and flashes: {loop or last.what}"
        raise BoardError(
            what,
            board=self._target.board.id,
            port=self._target.port_name,
            hint="power it off and on, then repeat the command with --resume",
            console=last.console,
        ) from last

    def reset(self) -> None:
        """One press of the reset button; open sessions are over."""
        self.resets += 1
        self._target.reset()

    def check(self, session: Session) -> None:
        """Raises WrongDeviceError: what answers is not the sweep's firmware."""
        wrong = mismatches(session.info, self._image)
        if wrong:
            raise WrongDeviceError(
                "another device or firmware answers than the sweep began with: " + "; ".join(wrong),
                board=self._target.board.id,
                port=self._target.port_name,
                hint="keep other programs and boards away from this port during a sweep",
            )

    def _flash(self) -> None:
        self.flashes += 1
        self._target.flash(self._image, self._progress.line)

    def _hello(self) -> Session:
        """Raises BoardError: no answer; _LoopError: and it restarts again and again."""
        try:
            return self._target.session(SOON_S)
        except (PortNotFoundError, SessionTakenError):
            raise
        except BoardError as error:
            loop = heard_boot_loop(self._target)
            if loop:
                raise _LoopError(loop, console=error.console) from error
            if self._target.ended is not None:
                raise  # nobody is there to answer later
        return self._target.session(HELLO_S + self._target.board.usb_restart_s)


class _LoopError(BoardError):
    """The device starts again and again."""


def heard_boot_loop(target: Target) -> str:
    """Listens for a second: "3 restarts in 1.0 s (fault)" if the device starts again and again, else empty."""
    reasons: list[ResetReason] = []
    splitter = FrameSplitter()
    start = time.monotonic()
    deadline = Deadline.after(LISTEN_S)
    try:
        line = target.line(LISTEN_S)
        while not deadline.expired:
            for event in splitter.feed(line.read(4096, deadline)):
                if isinstance(event, Frame) and event.type == MessageType.BOOT:
                    reasons.append(decode_boot(event.body).reset_reason)
    except (BoardError, MessageError):
        pass  # no line to listen on; or a spoilt frame: what was heard before counts
    if len(reasons) < LOOP_BOOTS:
        return ""
    return f"boot loop: {len(reasons)} restarts in {time.monotonic() - start:.1f} s, {reason_text(reasons[-1])}"


def reason_text(reason: ResetReason) -> str:
    """ "reset reason fault"."""
    return f"reset reason {reason.name.lower().replace('_', ' ')}"


def _nothing() -> None:
    pass
