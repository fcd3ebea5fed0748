"""1 % of bytes lost and 0.1 % with a flipped bit, both ways: a long run is complete, right, and still moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.lossy import long_run

WEATHER = "drop=0.01,flip=0.001"
LEAST_KEPT = 0.1  # of the clean line's vectors a second, in simulated time: half of what it was when this was written


@pytest.mark.promise("P1", "P2")
@pytest.mark.parametrize("seed", range(2))
def test_ten_thousand_vectors_over_a_bad_line(firmware: Path, seed: int) -> None:
    clean = long_run(firmware, "", 2000)
    bad = long_run(firmware, f"storm:{seed}:{WEATHER}", 10_000, seed=seed)
    assert bad.right == 10_000
    assert bad.vectors_per_s > LEAST_KEPT * clean.vectors_per_s


@pytest.mark.parametrize("seed", range(12))
def test_short_runs_over_a_bad_line_with_small_frames(small_firmware: Path, seed: int) -> None:
    assert long_run(small_firmware, f"storm:{seed}:{WEATHER}", 200, seed=seed).right == 200


@pytest.mark.parametrize("seed", range(12))
def test_kept_state_over_a_bad_line(small_firmware: Path, seed: int) -> None:
    """Frames that may not be taken apart stay so small that they get through."""
    assert long_run(small_firmware, f"storm:{seed}:{WEATHER}", 150, seed=seed, keep_state=True).right == 150
