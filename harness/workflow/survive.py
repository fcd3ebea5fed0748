"""A run goes on after its board restarted or its cable came out: what had come is in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.boards.target import Target
from harness.build.image import FirmwareImage
from harness.errors import BoardError, DeviceRebootedError, PortLostError, WrongDeviceError
from harness.link.deadline import Deadline
from harness.link.holder import describe_intruders
from harness.link.session import Session
from harness.report.record import InterruptionRecord
from harness.workflow.connect import check_engine_ready, mismatches
from harness.workflow.progress import Progress

MOST_WITHOUT_PROGRESS = 3  # interruptions in a row without a new result between them
MOST_INTERRUPTIONS = 100
RECONNECT_S = 20.0  # for a board to boot, or for a hand to put the cable back
_LOOK_AGAIN_S = 0.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Survived(Generic[T]):
    """What the work came to, the session it ended in, and what happened on the way."""

    result: T
    session: Session
    interruptions: list[InterruptionRecord]


def through_interruptions(
    target: Target,
    image: FirmwareImage,
    session: Session,
    work: Callable[[Session], T],
    *,
    results: Callable[[], int],
    progress: Progress,
) -> Survived[T]:
    """Does `work` in `session`; if the board restarts or the port goes away, again in a new session with the target.

    Args:
        work: starts where it was broken off: what had come must be kept by the caller.
        results: how many results there are by now; tells whether an attempt got anywhere.

    Raises:
        DeviceRebootedError, PortLostError: MOST_WITHOUT_PROGRESS times in a row without a new result, or the board did
            not come back within RECONNECT_S.
        WrongDeviceError: what came back runs another firmware.
        BoardError: any other failure of `work`; it is not tried again.
    """
    interruptions: list[InterruptionRecord] = []
    barren = 0
    while True:
        before = results()
        try:
            result = work(session)
            return Survived(result, session, interruptions + _intrusions(session, results()))
        except (DeviceRebootedError, PortLostError) as error:
            barren = 0 if results() > before else barren + 1
            if barren >= MOST_WITHOUT_PROGRESS:
                raise _given_up(error, f"{barren} times in a row without a new result") from error
            if len(interruptions) >= MOST_INTERRUPTIONS:
                raise _given_up(error, f"{len(interruptions) + 1} times in one run") from error
            progress.line(f"{error.what}; going on after {results()} vectors")
            session = _reconnect(target, image, error)
            interruptions.append(_record(error, session, results()))


def _reconnect(target: Target, image: FirmwareImage, cause: BoardError) -> Session:
    deadline = Deadline.after(RECONNECT_S)
    while True:
        try:
            # The port is looked for by the board's identity: it may have another name now.
            session = target.session(max(deadline.remaining_s, _LOOK_AGAIN_S))
            break
        except BoardError as error:
            # A port that has just come back may be missing its permissions, or go again, for a moment.
            if deadline.expired or target.ended is not None:
                raise _given_up(cause, f"and did not come back ({error.what})") from error
            time.sleep(_LOOK_AGAIN_S)
    wrong = mismatches(session.info, image)
    if wrong:
        console = session.console
        session.close()
        raise WrongDeviceError(
            f"after an interruption ({cause.what}) another firmware answered: " + "; ".join(wrong),
            board=target.board.id,
            port=target.port_name,
            hint="put the board back, and run again with --resume",
            console=console,
        )
    check_engine_ready(session, board=target.board.id, port=target.port_name)
    return session


def _record(error: DeviceRebootedError | PortLostError, session: Session, after_vectors: int) -> InterruptionRecord:
    # "the device restarted (brown-out)", "the port went away (Input/output error)": the reason stands in brackets.
    reason = error.what.partition("(")[2].rpartition(")")[0] or error.what
    restarted = isinstance(error, DeviceRebootedError)
    return InterruptionRecord("restart" if restarted else "lost port", reason, after_vectors, session.port_name)


def _intrusions(session: Session, after_vectors: int) -> list[InterruptionRecord]:
    """Told by its damage: bytes are missing, and somebody else has the port open."""
    stats = session.link_stats
    if not (stats.resent_frames or stats.bad_frames):
        return []
    intruders = describe_intruders(session.port_name)
    if not intruders:
        return []
    return [InterruptionRecord("another program reads this port", intruders, after_vectors, session.port_name)]


def _given_up(error: BoardError, how: str) -> BoardError:
    """The same error, with how it went on; what had come stays in the journal."""
    hint = error.hint or "mend what interrupts the board"
    return type(error)(
        f"{error.what}, {how}",
        board=error.board,
        port=error.port,
        hint=f"{hint}; then run again with --resume: the results so far are kept",
        console=error.console,
    )
