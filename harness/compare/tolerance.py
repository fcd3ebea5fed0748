"""How much error is allowed: a share of the golden outputs' range, as an absolute figure; when that shows little."""

from __future__ import annotations

import numpy as np

from harness.compare.metrics import Array


def tolerance_max_abs(golden: Array, of_range: float) -> float:
    """Largest allowed |e|, in units of the output: `of_range` x (max - min of golden).

    A range of 0 (one vector with one output, a constant model) gives no scale; max|golden| takes its place, and 1 if
    that is 0 too.

    Raises:
        ValueError: golden is empty or not finite, or `of_range` is not a finite number >= 0.
    """
    if not (np.isfinite(of_range) and of_range >= 0):
        raise ValueError(f"tolerance {of_range} is not a finite number >= 0")
    values = golden.astype(np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("no finite golden outputs to take a range of")
    scale = float(np.ptp(values)) or float(np.max(np.abs(values))) or 1.0
    return of_range * scale


def is_blind(golden: Array, tolerance: float) -> bool:
    """Whether a board that gave every vector the same answer would be within `tolerance` (in units of the output).

    Such vectors show that the board answers, and little of what it computes. golden: (vectors, ...), finite.
    """
    spread = np.ptp(golden.astype(np.float64), axis=0)
    return bool(np.max(spread, initial=0.0) <= 2 * tolerance)
