"""A long run over a line that loses and flips bytes: is it right, and how much of the speed is kept?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from harness.link.session import LinkStats, Session, VectorResult
from tests.faults.fault import parse
from tests.faults.script import vector
from tests.faults.simulation import Bench


@dataclass(frozen=True, slots=True)
class LongRun:
    """`right`: results with the right value, each counted once. `vectors_per_s`: in simulated time."""

    vectors: int
    right: int
    vectors_per_s: float
    stats: LinkStats


def long_run(
    firmware: Path, faults: str, vectors: int, *, seed: int = 0, keep_state: bool = False, baud: int = 115200
) -> LongRun:
    """Opens a session, streams, and asks for the statistics at the end, as a run does. Raises what these do."""
    results: dict[int, float] = {}

    def keep(result: VectorResult) -> None:
        assert result.index not in results, f"vector {result.index} was counted twice"
        results[result.index] = struct.unpack("<f", result.output)[0]

    with Bench(firmware, parse(faults), seed=seed, baud=baud) as bench:
        session = Session.open(bench.line)
        start_s = bench.clock.now_s
        inputs = (vector(1, 0, 0) if keep_state else vector(index, 2, 3) for index in range(vectors))
        session.infer(inputs, keep_state=keep_state, on_result=keep, collect=False)
        took_s = bench.clock.now_s - start_s
        session.stats()
    more = 1.0 if keep_state else 5.0  # kept state adds the ones up
    right = sum(results.get(index) == index + more for index in range(vectors))
    return LongRun(vectors, right, vectors / took_s, session.link_stats)
