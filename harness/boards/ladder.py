"""Gets a silent board to talk again, from what costs least to what costs most: resync, reset, power cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.boards.reset import ResetStep
from harness.boards.target import Target
from harness.errors import BoardError, ForeignDeviceError, NoAnswerError, PortLostError, PortNotFoundError

if TYPE_CHECKING:
    from harness.link.session import Session

HELLO_S = 2.5
# What another reset may mend; a wrong protocol version or a port that someone else holds is not among them.
_SILENCE = (NoAnswerError, ForeignDeviceError, PortLostError, PortNotFoundError)


def climb(
    target: Target, *, on_step: Callable[[ResetStep], None] | None = None, resync: bool = True
) -> tuple[Session, tuple[ResetStep, ...]]:
    """A session with the board, and every step it took with its outcome.

    Args:
        on_step: told each step as it was made.
        resync: begin with another HELLO; no: one has just gone unanswered.

    Raises:
        NoAnswerError: nothing helped; the message has all steps.
        BoardError: the port is someone else's, or another protocol answered.
    """
    steps: list[ResetStep] = []

    def made(what: str, error: str | None) -> None:
        steps.append(ResetStep(what, error))
        if on_step is not None:
            on_step(steps[-1])

    def reset() -> None:
        for step in target.reset().steps:
            made(step.what, step.error)

    def power_cycle() -> None:
        target.power_cycle()
        made(f"power cycle: {' '.join(target.power_cycle_command)}", None)

    rungs: list[tuple[str, Callable[[], None] | None]] = [("resync", None)] if resync else []
    if target.board.reset != "none":
        rungs.append(("reset", reset))
    if target.power_cycle_command:
        rungs.append(("power cycle", power_cycle))
    last: BoardError | None = None
    for name, act in rungs:
        try:
            if act is not None:
                act()
            session = target.session(HELLO_S + target.board.usb_restart_s)
        except _SILENCE as error:
            made(f"HELLO after {name}" if act is not None else "HELLO again", error.what)
            last = error
        except BoardError as error:
            if act is None:
                raise
            made(name, error.what)
            last = error
        else:
            made(f"HELLO after {name}" if act is not None else "HELLO again", None)
            return session, tuple(steps)
    tried = (
        "; ".join(f"{step.what}: {step.error or 'done'}" for step in steps) or "it has no reset, and the lab no power"
    )
    raise NoAnswerError(
        f"nothing made the board talk ({tried})",
        board=target.board.id,
        port=target.port_name,
        hint="press its reset button or replug it; a power_cycle command in the lab file would do that from here",
        console=last.console if last is not None else (),
    ) from last
