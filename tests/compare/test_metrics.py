"""Figures against hand-computed values, against scikit-learn where it is installed, and by properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.compare.metrics import (
    Metrics,
    compute_metrics,
    lsb_histogram,
    predicted_classes,
    stack_outputs,
    vector_errors,
    worst_vectors,
)

FIGURES = [name for name in Metrics.__dataclass_fields__ if name not in ("n", "finite")]

numbers = st.floats(-1e6, 1e6, width=32)
pairs = hnp.array_shapes(min_dims=1, max_dims=3, max_side=6).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=numbers), hnp.arrays(np.float32, shape, elements=numbers)
    )
)


def metrics(p: object, r: object, task: str = "regression") -> Metrics:
    return compute_metrics(np.asarray(p, np.float32), np.asarray(r, np.float32), task=task)  # type: ignore[arg-type]


def test_figures_of_a_small_example_worked_out_by_hand() -> None:
    # e = [0, 0, -2, 2]; sum e^2 = 8; ||p||^2 = 1+4+9+36 = 50; ||r||^2 = 1+4+25+16 = 46; <r,p> = 1+4+15+24 = 44
    # mean r = 3, sum (r - 3)^2 = 4+1+4+1 = 10
    m = metrics([[1], [2], [3], [6]], [[1], [2], [5], [4]])
    assert (m.n, m.finite, m.max_abs, m.max_abs_vector) == (4, True, 2.0, 2)
    assert m.mae == 1.0
    assert m.mean == 0.0
    assert m.rmse == pytest.approx(math.sqrt(2))
    assert m.std == pytest.approx(math.sqrt(8 / 3))  # ddof=1
    assert m.l2r == pytest.approx(math.sqrt(8 / 50))  # by the norm of p, not of r
    assert m.nse == pytest.approx(1 - 2 / (10 / 3))
    assert m.cos == pytest.approx(44 / math.sqrt(50 * 46))
    assert m.r2 == pytest.approx(1 - 8 / 10)
    assert m.acc is None


def test_equal_outputs_are_perfect() -> None:
    m = metrics([[1, 2], [3, 4]], [[1, 2], [3, 4]], "classification")
    assert (m.max_abs, m.rmse, m.mae, m.mean, m.std, m.l2r, m.max_ulp) == (0, 0, 0, 0, 0, 0, 0)
    assert (m.nse, m.cos, m.r2, m.acc) == (1, 1, 1, 100)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["p", "r", "both"])
def test_a_value_that_is_not_finite_leaves_no_figure(bad: float, side: str) -> None:
    good, broken = [[1.0], [2.0]], [[1.0], [bad]]
    m = metrics(broken if side != "r" else good, broken if side != "p" else good, "classification")
    assert not m.finite
    assert m.n == 2
    assert [getattr(m, name) for name in FIGURES] == [None] * len(FIGURES)


def test_figures_without_a_value_are_none() -> None:
    zero = metrics([[0.0], [0.0]], [[0.0], [0.0]])
    assert (zero.l2r, zero.nse, zero.cos, zero.r2) == (None, None, None, None)
    one = metrics([[2.0]], [[1.0]])
    assert (one.std, one.nse, one.r2, one.max_abs) == (0.0, None, None, 1.0)


def test_sums_are_kept_in_float64() -> None:
    # In float32, 1e8 + 1 is 1e8: the ones would vanish.
    p, r = np.ones((100_001, 1), np.float32), np.zeros((100_001, 1), np.float32)
    p[0] = 1e8
    assert compute_metrics(p, r, task="regression").mean == pytest.approx((1e8 + 100_000) / 100_001, rel=1e-15)


def test_the_largest_float32_values_do_not_overflow() -> None:
    big = float(np.finfo(np.float32).max)
    m = metrics([[big], [-big]], [[-big], [big]])
    assert m.max_abs == 2 * big
    assert all(math.isfinite(value) for name in FIGURES if (value := getattr(m, name)) is not None)


def test_ulp_counts_floats_between_across_zero() -> None:
    one, tiny = np.float32(1), np.float32(1e-45)
    assert metrics([[np.nextafter(one, np.float32(2))]], [[one]]).max_ulp == 1
    assert metrics([[tiny]], [[-tiny]]).max_ulp == 2
    assert metrics([[0.0]], [[-0.0]]).max_ulp == 0


def test_ulp_is_of_float32_only() -> None:
    assert compute_metrics(np.ones((1, 1)), np.ones((1, 1), np.float32), task="regression").max_ulp is None


def test_accuracy_is_argmax_agreement_in_percent() -> None:
    m = metrics([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]], [[1, 0], [0, 1], [1, 0], [1, 0]], "classification")
    assert m.acc == 75.0


def test_a_single_score_is_a_class_at_one_half() -> None:
    assert predicted_classes(np.array([[0.2], [0.7]])).tolist() == [0, 1]


@pytest.mark.parametrize("shapes", [((2, 1), (2, 2)), ((2,), (2, 1)), ((0, 1), (0, 1)), ((), ())])
def test_what_can_not_be_compared_is_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="compare"):
        compute_metrics(np.zeros(shapes[0]), np.zeros(shapes[1]), task="regression")


def test_worst_vectors_come_first_and_broken_ones_before_all() -> None:
    p = np.array([[0.0, 0.1], [0.0, 0.3], [np.nan, 0.0], [0.3, 0.0]], np.float32)
    r = np.zeros_like(p)
    assert worst_vectors(p, r, 3) == [2, 1, 3]
    assert vector_errors(p, r).tolist() == pytest.approx([0.1, 0.3, math.inf, 0.3])


def test_inf_on_both_sides_is_no_agreement() -> None:
    inf = np.full((1, 1), np.inf, np.float32)
    assert vector_errors(inf, inf).tolist() == [math.inf]


def test_outputs_of_a_model_side_by_side() -> None:
    both = stack_outputs([np.zeros((2, 3)), np.ones((2, 2, 2))])
    assert both.shape == (2, 7)
    only = np.zeros((2, 3, 4))
    assert stack_outputs([only]) is only


def test_lsb_histogram_of_int8_does_not_wrap() -> None:
    p, r = np.array([[-128], [127], [3], [4]], np.int8), np.array([[127], [-128], [3], [3]], np.int8)
    assert lsb_histogram(p, r) == {-255: 1, 0: 1, 1: 1, 255: 1}
    with pytest.raises(ValueError, match="LSB"):
        lsb_histogram(p, r.astype(np.float32))


@given(pairs)
def test_every_figure_is_none_or_finite_and_within_its_bounds(pair: tuple[np.ndarray, np.ndarray]) -> None:
    p, r = pair
    m = compute_metrics(p, r, task="regression")
    for name in FIGURES:
        value = getattr(m, name)
        assert value is None or math.isfinite(value), name
    assert m.max_abs is not None and m.rmse is not None and m.mae is not None and m.mean is not None
    slack = 1 + 1e-12
    assert abs(m.mean) <= m.mae * slack + 1e-300
    assert m.mae <= m.rmse * slack
    assert m.rmse <= m.max_abs * slack
    assert m.cos is None or -1 <= m.cos <= 1
    assert m.nse is None or m.nse <= 1
    assert m.max_abs_vector is not None
    assert vector_errors(p, r)[m.max_abs_vector] == m.max_abs == vector_errors(p, r).max()


@given(pairs)
def test_swapping_sides_flips_the_bias_and_keeps_the_errors(pair: tuple[np.ndarray, np.ndarray]) -> None:
    there, back = compute_metrics(*pair, task="regression"), compute_metrics(*pair[::-1], task="regression")
    assert (there.max_abs, there.rmse, there.mae, there.max_ulp) == (back.max_abs, back.rmse, back.mae, back.max_ulp)
    assert there.mean == -(back.mean or 0.0)


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 30)), elements=st.floats(-100, 100)), st.integers(0, 2**32 - 1))
def test_r2_is_scikit_learns(r: np.ndarray, seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    p = r + np.random.default_rng(seed).normal(size=r.shape)
    m = compute_metrics(p, r, task="regression")
    if m.r2 is not None and np.ptp(r) > 1e-3:
        assert m.r2 == pytest.approx(sklearn.r2_score(r, p), rel=1e-6, abs=1e-6)
        assert m.mae == pytest.approx(sklearn.mean_absolute_error(r, p))
