"""Pass or fail, with a sentence for each check that failed."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from harness.compare.metrics import Array, Metrics, vector_errors


class Judgement(NamedTuple):
    """`reasons` is empty exactly when the verdict is "pass"."""

    verdict: Literal["pass", "fail"]
    reasons: list[str]


def judge(
    board: Array,
    golden: Array,
    metrics: Metrics,
    *,
    tolerance_max_abs: float,
    vectors_expected: int | None = None,
    min_acc_percent: float | None = None,
) -> Judgement:
    """Judge one output of a board.

    Args:
        board, golden: the arrays `metrics` was computed from, (vectors, ...).
        metrics: of `board` against `golden`.
        tolerance_max_abs: largest allowed |e|, in units of the output; an error equal to it passes.
        vectors_expected: how many vectors should have been answered; None: as many as there are.
        min_acc_percent: least argmax agreement for classification. None: not judged by itself, as an error within the
            tolerance flips the argmax of a tie only.
    """
    reasons = []
    if vectors_expected is not None and len(board) != vectors_expected:
        reasons.append(f"{len(board)} of {vectors_expected} vectors were answered")
    if not metrics.finite:
        reasons.append(_non_finite(board, golden))
    elif not (metrics.max_abs is not None and metrics.max_abs <= tolerance_max_abs):
        over = int(np.sum(vector_errors(board, golden) > tolerance_max_abs))
        reasons.append(
            f"max|e| is {_number(metrics.max_abs)} at vector {metrics.max_abs_vector}, tolerance "
            f"{tolerance_max_abs:.4g}: {over} of {len(board)} vectors are over it"
        )
    if metrics.acc is not None and min_acc_percent is not None and metrics.acc < min_acc_percent:
        reasons.append(f"argmax agrees on {metrics.acc:.2f} % of vectors, {min_acc_percent:g} % are needed")
    return Judgement("fail" if reasons else "pass", reasons)


def judge_device(*, leakage: str | None, arena_guard_intact: bool | None) -> list[str]:
    """Reasons to fail that lie in the device's conduct, not in one output; empty: none.

    Args:
        leakage: the first difference the state-leakage test found; None: it found none.
        arena_guard_intact: whether the bytes outside the arena in use are untouched; None: unknown.
    """
    reasons = []
    if leakage is not None:
        reasons.append(f"state leaks from one vector into the next: {leakage}")
    if arena_guard_intact is False:
        reasons.append("the engine wrote outside its arena: the guard bytes around it have changed")
    return reasons


def _non_finite(board: Array, golden: Array) -> str:
    """Says where the first NaN or Inf is, and on which side."""
    parts = []
    for side, values in (("board's", board), ("golden", golden)):
        bad = ~np.isfinite(values.astype(np.float64))
        if bad.any():
            position = tuple(int(i) for i in np.argwhere(bad)[0])
            rows = int(bad.reshape(len(bad), -1).any(axis=1).sum())
            element = f", element {list(position[1:])}" if len(position) > 1 else ""
            parts.append(
                f"the {side} output has NaN or Inf in {rows} of {len(values)} vectors, "
                f"first {values[position]} at vector {position[0]}{element}"
            )
    # Metrics said "not finite", so this is not empty unless other arrays were given.
    return "; ".join(parts) or "a compared value is NaN or Inf"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
