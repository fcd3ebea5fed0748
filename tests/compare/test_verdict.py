"""What passes, what fails, and what the reasons say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.metrics import compute_metrics
from harness.compare.tolerance import is_blind, tolerance_max_abs
from harness.compare.verdict import Judgement, judge, judge_device

GOLDEN = np.array([[0.0], [5.0], [10.0]], np.float32)


def verdict_of(board: np.ndarray, tolerance: float = 0.5, golden: np.ndarray = GOLDEN, **more: object) -> Judgement:
    metrics = compute_metrics(board, golden, task="regression")
    return judge(board, golden, metrics, tolerance_max_abs=tolerance, **more)  # type: ignore[arg-type]


def test_an_error_equal_to_the_tolerance_passes() -> None:
    assert verdict_of(GOLDEN + np.float32(0.5)) == Judgement("pass", [])


def test_an_error_over_the_tolerance_fails_with_its_numbers() -> None:
    verdict, reasons = verdict_of(np.array([[0.0], [6.0], [10.75]], np.float32))
    assert verdict == "fail"
    assert reasons == ["max|e| is 1 at vector 1, tolerance 0.5: 2 of 3 vectors are over it"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["board", "golden", "both"])
def test_nan_and_inf_never_pass_whatever_the_tolerance(bad: float, side: str) -> None:
    broken = GOLDEN.copy()
    broken[1] = bad
    board, golden = broken if side != "golden" else GOLDEN, broken if side != "board" else GOLDEN
    verdict, reasons = verdict_of(board, float("inf"), golden)
    assert verdict == "fail"
    assert "NaN or Inf in 1 of 3 vectors" in reasons[0]
    assert f"first {np.float32(bad)} at vector 1, element [0]" in reasons[0]
    assert ("board's" in reasons[0], "golden" in reasons[0]) == (side != "golden", side != "board")


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 11), st.booleans())
def test_one_broken_value_anywhere_fails(bad: float, where: int, on_board: bool) -> None:
    good = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    broken = good.copy()
    broken.flat[where] = bad
    board, golden = (broken, good) if on_board else (good, broken)
    assert verdict_of(board, 1e30, golden).verdict == "fail"


def test_every_failed_check_has_its_reason() -> None:
    verdict, reasons = verdict_of(GOLDEN, vectors_expected=4)
    assert (verdict, reasons) == ("fail", ["3 of 4 vectors were answered"])
    assert judge_device(leakage="vector 0 differs when sent last", arena_guard_intact=False) == [
        "state leaks from one vector into the next: vector 0 differs when sent last",
        "the engine wrote outside its arena: the guard bytes around it have changed",
    ]
    assert judge_device(leakage=None, arena_guard_intact=None) == []


def test_argmax_agreement_is_judged_where_asked_for() -> None:
    board, golden = np.array([[0.5, 0.49], [0, 1]]), np.array([[0.49, 0.5], [0, 1]])
    metrics = compute_metrics(board, golden, task="classification")
    assert judge(board, golden, metrics, tolerance_max_abs=0.02).verdict == "pass"
    verdict, reasons = judge(board, golden, metrics, tolerance_max_abs=0.02, min_acc_percent=99)
    assert verdict == "fail"
    assert reasons == ["argmax agrees on 50.00 % of vectors, 99 % are needed"]


def test_tolerance_is_a_share_of_the_golden_range() -> None:
    assert tolerance_max_abs(np.array([[-1.0], [3.0]]), 0.01) == pytest.approx(0.04)


def test_tolerance_of_a_constant_falls_back_to_its_size_then_to_one() -> None:
    assert tolerance_max_abs(np.array([[-5.0]]), 0.01) == pytest.approx(0.05)
    assert tolerance_max_abs(np.zeros((2, 1)), 0.01) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("golden", "share"), [(np.array([np.nan]), 0.1), (np.zeros(0), 0.1), (np.ones(2), -1), (np.ones(2), np.nan)]
)
def test_a_tolerance_without_meaning_is_refused(golden: np.ndarray, share: float) -> None:
    with pytest.raises(ValueError, match=r"tolerance|golden"):
        tolerance_max_abs(golden, share)


@pytest.mark.parametrize(
    ("golden", "blind"),
    [
        ([[3.0, -1.0]], True),  # one vector
        ([[3.0, -1.0]] * 5, True),
        ([[3.0, -1.0], [3.0, -1.2]], True),  # half of 0.2 is within the tolerance
        ([[3.0, -1.0], [3.0, -1.3]], False),
        ([[3.0, -1.0], [4.0, -1.0]], False),
    ],
)
def test_vectors_that_any_constant_would_pass_are_known(golden: list[list[float]], blind: bool) -> None:
    assert is_blind(np.array(golden), 0.11) is blind
