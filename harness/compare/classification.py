"""Class labels: confusion matrix, accuracy with its confidence interval, area under the ROC curve."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.compare.metrics import Array, Float64Array

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """An estimate with the two ends of its 95 % confidence interval; all within 0..1."""

    value: float
    low: float
    high: float


def one_hot(labels: Array, classes: int) -> NDArray[np.float32]:
    """Class labels as a reference for `compute_metrics`: (n,) integers -> (n, classes) float32.

    With `classes` 1 (a single sigmoid output) the labels 0 and 1 become (n, 1).

    Raises:
        ValueError: a label is not an integer in 0..classes-1 (0..1 for a single output).
    """
    whole = _whole(labels, max(classes, 2))
    if classes == 1:
        return whole.astype(np.float32)[:, None]
    return np.eye(classes, dtype=np.float32)[whole]


def confusion_matrix(labels: Array, predicted: Array, classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts; row = label, column = predicted class.

    Raises:
        ValueError: lengths differ, or an entry is not an integer in 0..classes-1.
    """
    rows, columns = _whole(labels, classes), _whole(predicted, classes)
    if rows.shape != columns.shape:
        raise ValueError(f"{rows.size} labels but {columns.size} predictions")
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (rows, columns), 1)
    return matrix


class ClassScore(NamedTuple):
    """Of one class, each within 0..1; None where it would be 0 / 0."""

    recall: float | None
    precision: float | None
    f1: float | None


def class_scores(matrix: NDArray[np.int64], totals: NDArray[np.int64]) -> list[ClassScore]:
    """Recall, precision and F1 (their harmonic mean) of each class.

    Args:
        matrix: (classes, classes) as `confusion_matrix` gives it.
        totals: (classes,) labels of each class, those that got no prediction at all included.
    """
    found = []
    for hits, labels, said in zip(np.diag(matrix), totals, matrix.sum(axis=0), strict=True):
        wrong = int(labels) + int(said)
        found.append(
            ClassScore(
                recall=float(hits / labels) if labels else None,
                precision=float(hits / said) if said else None,
                f1=float(2 * hits / wrong) if wrong else None,
            )
        )
    return found


def accuracy_interval(correct: int, total: int, z: float = Z_95) -> Interval:
    """Share of correct answers with its Wilson score interval, which holds for small counts and for 0 % and 100 %.

    Raises:
        ValueError: not 0 <= correct <= total, or total is 0.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} correct of {total}")
    share = correct / total
    square = z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def roc_auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve, as scikit-learn's `roc_auc_score`.

    The probability that a random positive scores above a random negative, ties counting half (Mann-Whitney U by ranks).

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), larger means more positive. For more than two classes see `roc_auc_macro`.

    Raises:
        ValueError: only one class occurs, lengths differ, or a score is not finite.
    """
    truth = _whole(labels, 2)
    score = np.asarray(scores, np.float64)
    if score.shape != truth.shape:
        raise ValueError(f"{truth.size} labels but scores of shape {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    positives = int(truth.sum())
    negatives = truth.size - positives
    if positives == 0 or negatives == 0:
        raise ValueError("AUC needs both classes among the labels")
    rank_sum = float(_average_ranks(score)[truth == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def roc_auc_macro(labels: Array, scores: Array) -> float:
    """Mean over classes of one-against-rest AUC, as `roc_auc_score(..., multi_class="ovr")`.

    Args:
        labels: (n,) classes; scores: (n, classes).

    Raises:
        ValueError: as `roc_auc`.
    """
    table = np.asarray(scores)
    whole = _whole(labels, table.shape[1])
    return float(np.mean([roc_auc(whole == k, table[:, k]) for k in range(table.shape[1])]))


def auc_interval(labels: Array, scores: Array, z: float = Z_95) -> Interval:
    """AUC with the interval of Hanley and McNeil, Radiology 143 (1982): needs the counts of both classes alone.

    Raises:
        ValueError: as `roc_auc`.
    """
    auc = roc_auc(labels, scores)
    positives = int(np.asarray(labels).astype(np.int64).sum())
    negatives = int(np.asarray(labels).size) - positives
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)) / (
        positives * negatives
    )
    half = z * math.sqrt(max(0.0, variance))
    return Interval(auc, max(0.0, auc - half), min(1.0, auc + half))


def _average_ranks(values: Float64Array) -> Float64Array:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def _whole(labels: Array, classes: int) -> NDArray[np.int64]:
    values = np.asarray(labels)
    if values.ndim != 1:
        raise ValueError(f"class labels are one number a vector, not of shape {values.shape}")
    number = values.astype(np.float64)
    bad = ~((number >= 0) & (number < classes) & (number == np.floor(number)))
    if bad.any():
        index = int(np.argmax(bad))
        raise ValueError(f"label {index} is {values[index]}, not a class in 0..{classes - 1}")
    return number.astype(np.int64)
