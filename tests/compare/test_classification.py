"""Class figures against scikit-learn, published values and hand-computed ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.classification import (
    accuracy_interval,
    auc_interval,
    confusion_matrix,
    one_hot,
    roc_auc,
    roc_auc_macro,
)

answers = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def test_auc_by_hand_with_a_tie() -> None:
    # Pairs (positive, negative): 0.8>0.1, 0.8>0.4, 0.4>0.1, 0.4=0.4 -> 3.5 of 4
    assert roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8])) == 3.5 / 4


@given(answers)
def test_auc_is_scikit_learns(rows: list[tuple[int, int]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    assert roc_auc(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores))


def test_auc_of_several_classes_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    labels, scores = random.integers(0, 3, 50), random.dirichlet([1, 1, 1], 50)
    assert roc_auc_macro(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores, multi_class="ovr"))


@given(answers)
def test_auc_lies_within_its_interval(rows: list[tuple[int, int]]) -> None:
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    value, low, high = auc_interval(labels, scores)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([1, 1], [0.1, 0.2], "both classes"),
        ([0, 1], [0.1, np.nan], "finite"),
        ([0, 1], [0.1], "scores of shape"),
        ([0, 2], [0.1, 0.2], "label 1 is 2"),
    ],
)
def test_auc_refuses_what_has_none(labels: list[int], scores: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        roc_auc(np.array(labels), np.array(scores))


def test_confusion_matrix_has_labels_in_rows() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 2]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


@given(st.integers(1, 300).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_interval_is_scipys(case: tuple[int, int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    correct, total = case
    value, low, high = accuracy_interval(correct, total)
    reference = stats.binomtest(correct, total).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert low <= value <= high


def test_ten_of_ten_does_not_prove_perfection() -> None:
    interval = accuracy_interval(10, 10)
    assert interval.low == pytest.approx(0.7225, abs=1e-4)
    assert interval.high == 1.0


def test_one_hot_labels_serve_as_reference() -> None:
    assert one_hot(np.array([1, 0]), 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert one_hot(np.array([1, 0]), 1).tolist() == [[1], [0]]
    with pytest.raises(ValueError, match=r"label 1 is 3, not a class in 0\.\.2"):
        one_hot(np.array([0, 3]), 3)
    with pytest.raises(ValueError, match="not a class"):
        one_hot(np.array([0.5]), 3)
