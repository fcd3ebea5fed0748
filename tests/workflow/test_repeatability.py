"""P9: the same firmware, model and vectors give the same bits on every run; on netduino2plus the same cycles."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.boards.catalogue import find_board, missing_here
from harness.workflow.run import RunOptions, run


@pytest.mark.parametrize("board", ["host", "netduino2plus"])
@pytest.mark.promise("P9")
def test_two_runs_give_the_same_bits_and_instruction_counts(board: str) -> None:
    lacks = missing_here(find_board(board))
    if lacks:
        pytest.skip(f"NOT PROVED: {board} repeats itself; missing here: {', '.join(lack.what for lack in lacks)}")
    first, second = (run(RunOptions(board=board)).record for _ in range(2))
    assert first.verdict == second.verdict == "pass"
    assert first.outputs_sha256 == second.outputs_sha256
    if board == "netduino2plus":
        # Bytes arrive at other moments in each run; the time their interrupts take must not show.
        assert first.latency.cycles is not None and second.latency.cycles is not None
        assert asdict(first.latency.cycles) == asdict(second.latency.cycles)
