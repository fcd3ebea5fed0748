"""Judges an engine that runs: outputs against those of the largest arena, leakage, guards; names every failure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import DeviceError, UsageError
from harness.link.session import Session, VectorResult
from harness.protocol.ids import ErrorCode
from harness.protocol.messages import DeviceStats, EngineStatusInfo
from harness.report.sweep_record import Outcome

VECTORS = 8
FEW_VECTORS = 3  # where an inference is slow: each probe pays for all of them
SLOW_S = 0.03
MIN_DEADLINE_S = 1.5  # a computer that runs emulators and builds may pause one of them for a second
DEADLINE_FACTOR = 10.0  # times what the largest arena took

# What an engine may answer to SET_ARENA; any other refusal is a fault of the link or the harness.
_ENGINE_CODES = {
    ErrorCode.ENGINE_NOT_READY,
    ErrorCode.ARENA_TOO_SMALL,
    ErrorCode.INVOKE_FAILED,
    ErrorCode.UNSUPPORTED,
    ErrorCode.MODEL_INVALID,
    ErrorCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a probe that ended without a crash or hang came to."""

    outcome: Outcome
    detail: str = ""
    missing_bytes: int | None = None
    used_bytes: int | None = None
    stats: DeviceStats | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a device is taken to hang: for the engine's start, and for one inference."""

    start_s: float = 20.0
    vector_s: float = 10.0

    def times(self, factor: float) -> Patience:
        return Patience(self.start_s * factor, self.vector_s * factor)

    @classmethod
    def after(cls, start_s: float, vector_s: float) -> Patience:
        """From what the largest arena took."""
        return cls(
            max(MIN_DEADLINE_S, DEADLINE_FACTOR * start_s),
            max(MIN_DEADLINE_S, DEADLINE_FACTOR * vector_s),
        )


@dataclass(frozen=True, slots=True)
class Script:
    """What each probe computes: some vectors, then a few of them again after others.

    Attributes:
        vectors: INFER's input bytes.
        again: indices of the vectors sent once more.
    """

    vectors: tuple[bytes, ...]
    again: tuple[int, ...]

    @classmethod
    def of(cls, vectors: Sequence[bytes], most: int = VECTORS) -> Script:
        """Up to `most` of the vectors, spread evenly."""
        count = len(vectors)
        if not count:
            raise UsageError("a sweep needs at least one vector", hint="--vectors FILE.npz")
        some = tuple(vectors[i] for i in sorted({k * count // most for k in range(most)}))
        # Each now follows another vector than it did the first time.
        again = (len(some) // 2, 0, len(some) - 1, 0) if len(some) > FEW_VECTORS else (0,)
        return cls(some, again)

    def run(self, session: Session, timeout_s: float) -> tuple[list[bytes], list[tuple[int, bytes]]]:
        """(outputs of the vectors, (index, output) of those sent again)."""
        sent = [*self.vectors, *(self.vectors[i] for i in self.again)]
        results: list[VectorResult] = session.infer(sent, timeout_per_vector_s=timeout_s)
        outputs = [result.output for result in results]
        first = outputs[: len(self.vectors)]
        return first, list(zip(self.again, outputs[len(self.vectors) :], strict=True))


@dataclass(frozen=True, slots=True)
class Reference:
    """The largest arena's outputs, to which every other is held bit for bit."""

    outputs: tuple[bytes, ...]
    used_bytes: int
    vector_s: float
    patience: Patience


def judge(session: Session, script: Script, reference: Sequence[bytes] | None, patience: Patience) -> Judgement:
    """Judges the engine as it is now, started in the arena under test; `reference` None: outputs are not compared.

    Raises:
        BoardError: the device crashed, hung or went away.
    """
    try:
        outputs, again = script.run(session, patience.vector_s)
    except DeviceError as error:
        if error.code not in _ENGINE_CODES:
            raise
        # A RESULT that doesn't fit the request is a device that has lost its senses, so no less a failed invoke.
        return guarded(session, Judgement("invoke failed", error.what))
    leaked = [index for index, output in again if output != outputs[index]]
    wrong = [i for i, output in enumerate(outputs) if reference is not None and output != reference[i]]
    if leaked:  # first: it makes other vectors wrong too
        found = Judgement("wrong output", f"state leaks: vector {leaked[0]} sent again gave other bits")
    elif wrong:
        found = Judgement("wrong output", f"{len(wrong)} of {len(outputs)} vectors differ from the largest arena's")
    else:
        found = Judgement("passed")
    return guarded(session, found)


def guarded(session: Session, found: Judgement) -> Judgement:
    """`found`, unless bytes around the arena have changed: that is the graver fault."""
    stats = session.stats()
    outcome, detail = found.outcome, found.detail
    if stats.arena_guard_intact is False:
        also = "" if found.outcome == "passed" else f"; {found.outcome}"
        outcome, detail = "guard overwritten", f"bytes outside the arena changed{also}"
    used = stats.arena.used_bytes if stats.arena is not None and outcome == "passed" else None
    return Judgement(outcome, detail, found.missing_bytes, used, stats)


def refused_start(error: DeviceError) -> Judgement:
    """What an ERROR to SET_ARENA means.

    Raises:
        DeviceError: the same, if it isn't the engine's word.
    """
    if error.code not in _ENGINE_CODES:
        raise error
    return not_started(EngineStatusInfo(error.code, error.detail, error.what))


def not_started(status: EngineStatusInfo) -> Judgement:
    """What an engine's status that isn't "ready" means."""
    if status.code == ErrorCode.ARENA_TOO_SMALL:
        if status.detail:
            return Judgement("init failed", f"missing {status.detail} bytes", status.detail)
        return Judgement("init failed", "missing an unknown number of bytes")
    known = {int(code) for code in ErrorCode}
    name = ErrorCode(status.code).name if status.code in known else f"error {status.code}"
    return Judgement("init failed", f"{name}: {status.text}" if status.text else name)


def reference_run(
    session: Session, script: Script, capacity: int, timeout_s: float
) -> tuple[Judgement, Reference | None]:
    """Judges the largest arena, whose outputs are the measure; (its judgement, None) if it doesn't pass itself.

    Raises:
        BoardError: the device crashed, hung or went away.
    """
    loose = Patience(vector_s=timeout_s)
    began = time.monotonic()
    try:
        arena = session.set_arena(capacity, timeout_s=loose.start_s)
    except DeviceError as error:
        return guarded(session, refused_start(error)), None
    start_s = time.monotonic() - began
    try:
        outputs, _ = script.run(session, loose.vector_s)
    except DeviceError:
        return judge(session, script, None, loose), None
    # Once more, from a new start: what can't repeat itself is no measure.
    session.set_arena(capacity, timeout_s=loose.start_s)
    began = time.monotonic()
    found = judge(session, script, outputs, loose)
    vector_s = (time.monotonic() - began) / (len(script.vectors) + len(script.again))
    if found.outcome != "passed":
        return found, None
    return found, Reference(tuple(outputs), arena.used_bytes, vector_s, Patience.after(start_s, vector_s))
