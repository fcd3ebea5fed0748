"""Which rate a target's line runs at: as the user says, else the fastest clean one, remembered from run to run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from harness.boards.catalogue import Board
from harness.errors import BoardError
from harness.link.session import Session, Trial
from harness.link.speed import rates_up_to
from harness.resources import state_dir, write_atomic

FORGET_AFTER_S = 30 * 24 * 3600.0  # a better cable deserves another try


def settle_rate(session: Session, *, board: Board, target: str, baud: int | None) -> list[Trial]:
    """Leaves the session at the rate it should run at. Returns what was tried, in order.

    Args:
        target: the attached instance's name, what its rate is remembered by.
        baud: the only rate allowed; None: the fastest clean one of those the catalogue lets the board try.

    Raises:
        BoardError: the line is not clean at `baud`, or the device can't do it; or the link failed.
    """
    if baud is not None:
        return _settle_at(session, board, baud)
    rates = rates_up_to(board.baud_fast, board.baud_safe)
    if not rates:
        return []
    known = _remembered(target)
    if known is not None:
        rates = tuple(rate for rate in rates if rate <= known)
    trials = session.negotiate(rates)
    if session.baud != known:
        _remember(target, session.baud)
    return trials


def describe(trials: Sequence[Trial]) -> str:
    """The trials in one line."""
    return ", ".join(f"{trial.baud} {_outcome(trial)}" for trial in trials)


def _settle_at(session: Session, board: Board, baud: int) -> list[Trial]:
    trials = session.negotiate((baud,))
    if session.baud == baud:
        return trials
    trial = trials[-1]
    raise BoardError(
        f"the line does not run at {baud} baud: {_outcome(trial)}",
        board=board.id,
        port=session.port_name,
        hint="leave --baud out: the fastest clean rate is found by itself"
        if trial.outcome != "refused"
        else f"another rate, or none: the board's own is {board.baud_safe}",
    )


def _outcome(trial: Trial) -> str:
    if trial.outcome == "bit errors":
        return (
            f"{trial.errors_to_device} wrong bits to the device and {trial.errors_to_host} back "
            f"in {trial.tested_bytes} bytes"
        )
    return {"refused": "refused by the device", "silent": "no answer", "clean": "clean"}[trial.outcome]


def _place(target: str) -> Path:
    return state_dir() / "rates" / f"{target}.json"


def _remembered(target: str) -> int | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(_place(target).read_text("ascii"))
        if 0 <= time.time() - float(noted["noted_s"]) < FORGET_AFTER_S:
            return int(noted["baud"])
    return None


def _remember(target: str, baud: int) -> None:
    # A rate that can't be remembered is found again.
    with contextlib.suppress(OSError):
        write_atomic(_place(target), json.dumps({"baud": baud, "noted_s": int(time.time())}).encode())
