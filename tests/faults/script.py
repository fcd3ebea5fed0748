"""One whole session, every kind of request in it, and what must hold whatever the line does to it.

Promised: no wrong result, no vector lost or counted twice, every effect once, every call back by its deadline (in
simulated time), every error the named one; and after an error a new session finishes what is left.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import (
    BoardError,
    DeviceRebootedError,
    ForeignDeviceError,
    HilError,
    NoAnswerError,
    PortLostError,
)
from harness.link.session import LinkStats, Session, VectorResult
from tests.faults.fault import Filter
from tests.faults.simulation import Bench

VECTORS = 12
MORE = 3
ARENA_BYTES = 512
OPEN_S = 5.0
PER_VECTOR_S = 10.0
# Of the phases with vectors: since the last result, or the call's begin.
SLACK_S = 2.0  # a call may end this much after its deadline: time on the line, and the question for a reboot's reason
DEADLINES_S = {
    "hello": OPEN_S,
    "infer": PER_VECTOR_S,
    "arena": 20.0,
    "keep": PER_VECTOR_S,
    "reset": 5.0,
    "ping": 5.0,
    "stats": 5.0,
    "reboot": 10.0,
    "again": PER_VECTOR_S,
}
PHASES = tuple(DEADLINES_S)
NAMED = (NoAnswerError, ForeignDeviceError, PortLostError, DeviceRebootedError)


class BrokenPromiseError(AssertionError):
    """Something that must not happen under any fault; the id of the fault replays it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that raised."""

    phase: str
    error: HilError
    took_s: float

    def __str__(self) -> str:
        return f"{self.phase}: {type(self.error).__name__} after {self.took_s:.2f} s: {self.error.what}"


@dataclass(slots=True)
class Outcome:
    """What one case came to."""

    errors: list[Ended] = field(default_factory=list)
    seconds: float = 0.0
    resent: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)


def vector(*values: float) -> bytes:
    return struct.pack("<3f", *values)


def run(firmware: Path, filters: Sequence[Filter] = (), *, seed: int = 0, most_errors: int = 1) -> Outcome:
    """Plays the session through `filters`. Raises BrokenPromiseError."""
    with Bench(firmware, filters, seed=seed) as bench:
        outcome = Outcome()
        player = _Player(bench, outcome, most_errors)
        player.play()
        outcome.counts = bench.line.counts
        outcome.seconds = bench.clock.now_s - 1000.0
        return outcome


class _Player:
    def __init__(self, bench: Bench, outcome: Outcome, most_errors: int) -> None:
        self._bench, self._outcome, self._most = bench, outcome, most_errors
        self._session: Session | None = None
        self._stats: list[LinkStats] = []
        self._results: dict[int, float] = {}
        self._progress_at_s = 0.0

    def play(self) -> None:
        steps: list[tuple[str, Callable[[Session], None]]] = [
            ("infer", lambda session: self._infer(session, range(VECTORS))),
            ("arena", self._arena),
            ("keep", self._keep),
            ("reset", lambda session: session.reset_state()),
            ("ping", lambda session: _claim(session.ping(b"\0\x01ping\xff") >= 0, "time runs backwards")),
            ("stats", lambda session: _claim(session.stats().arena_guard_intact is True, "the arena's guard is gone")),
            ("reboot", self._reboot),
            ("again", lambda session: self._infer(session, range(VECTORS, VECTORS + MORE))),
        ]
        for phase, step in steps:
            while not self._tried(phase, step):
                self._recover()
        expected = {index: index + 5.0 for index in range(VECTORS + MORE)}
        _claim(self._results == expected, f"results are {self._results}")

    def _tried(self, phase: str, step: Callable[[Session], None]) -> bool:
        if self._session is None and not self._call("hello", self._open):
            return False
        session = self._session
        assert session is not None
        resent = session.link_stats.resent_frames
        done = self._call(phase, lambda: step(session))
        self._outcome.resent += session.link_stats.resent_frames - resent
        return done

    def _open(self) -> None:
        self._session = Session.open(self._bench.line, timeout_s=OPEN_S)
        _claim(self._session.info.engine == "echo", "INFO is another's")

    def _call(self, phase: str, call: Callable[[], None]) -> bool:
        self._bench.line.phase = phase
        start_s = self._progress_at_s = self._bench.clock.now_s
        error: HilError | None = None
        try:
            call()
        except HilError as raised:
            error = raised
        took_s = self._bench.clock.now_s - start_s
        silent_s = self._bench.clock.now_s - self._progress_at_s
        _claim(silent_s <= DEADLINES_S[phase] + SLACK_S, f"{phase} came back after {silent_s:.2f} s")
        if error is None:
            return True
        ended = Ended(phase, error, took_s)
        _claim(isinstance(error, BoardError) and type(error) in NAMED, f"not one of the named errors: {ended}")
        self._outcome.errors.append(ended)
        told = "; ".join(map(str, self._outcome.errors))
        _claim(len(self._outcome.errors) <= self._most, f"too many errors: {told}")
        return False

    def _recover(self) -> None:
        """What an operator, or the run, does: plug in, press reset if it hangs, say HELLO again."""
        last = self._outcome.errors[-1].error
        self._session = None
        if isinstance(last, PortLostError):
            self._bench.line.plug_in()
        elif isinstance(last, NoAnswerError | ForeignDeviceError):
            self._bench.line.power_on()

    def _infer(self, session: Session, indices: range) -> None:
        pending = [index for index in indices if index not in self._results]

        def keep(result: VectorResult) -> None:
            index = pending[result.index]
            self._progress_at_s = self._bench.clock.now_s
            _claim(index not in self._results, f"vector {index} was counted twice")
            self._results[index] = struct.unpack("<f", result.output)[0]
            _claim(self._results[index] == index + 5.0, f"vector {index} gave {self._results[index]}")

        vectors = [vector(index, 2, 3) for index in pending]
        session.infer(vectors, timeout_per_vector_s=PER_VECTOR_S, on_result=keep, collect=False)

    def _arena(self, session: Session) -> None:
        arena = session.set_arena(ARENA_BYTES)
        _claim((arena.size_bytes, arena.capacity_bytes) == (ARENA_BYTES, 4096), f"the arena is {arena}")

    def _keep(self, session: Session) -> None:
        """Three vectors whose sum is carried on: lost, doubled or reordered effects give another sum."""
        fresh = self._outcome.errors and self._outcome.errors[-1].phase == "keep"
        if fresh:
            session.reset_state()
        first = session.infer([vector(1, 0, 0)] * 2, keep_state=True, timeout_per_vector_s=PER_VECTOR_S)
        self._progress_at_s = self._bench.clock.now_s
        then = session.infer([vector(1, 1, 0)], keep_state=True, timeout_per_vector_s=PER_VECTOR_S)
        sums = [struct.unpack("<f", result.output)[0] for result in (*first, *then)]
        _claim(sums == [1, 2, 4], f"kept state gave {sums}, not 1, 2, 4")

    def _reboot(self, session: Session) -> None:
        session.reboot()


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)
