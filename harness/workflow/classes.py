"""Which class the board says for each vector, held against Keras and against the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.compare.classification import (
    Interval,
    accuracy_interval,
    auc_interval,
    class_scores,
    confusion_matrix,
    roc_auc_macro,
)
from harness.compare.metrics import Array, predicted_classes
from harness.model.bundle import Bundle
from harness.report.record import (
    ClassDifference,
    ClassesRecord,
    ClassRecord,
    IntervalRecord,
    LabelledRecord,
)

DIFFERENCES_SHOWN = 10


def classes_record(bundle: Bundle, board: Array) -> ClassesRecord | None:
    """None where the model doesn't give one class a vector.

    Args:
        board: the board's outputs, of the golden output's shape: (vectors, scores).
    """
    if bundle.task != "classification" or len(bundle.golden) != 1 or bundle.golden[0].ndim != 2:
        return None
    golden = bundle.golden[0]
    known = np.asarray(np.isfinite(board).all(axis=1), np.bool_)
    guesses, wanted = predicted_classes(board), predicted_classes(golden)
    differs = ~known | (guesses != wanted)
    labels = bundle.labels
    count = max(golden.shape[1], 2)  # one score tells two classes apart
    return ClassesRecord(
        count=count,
        no_class=int((~known).sum()),
        same_as_keras=int((~differs).sum()),
        differences=[
            ClassDifference(
                vector=int(i),
                board=int(guesses[i]) if known[i] else None,
                keras=int(wanted[i]),
                label=None if labels is None else int(labels[i]),
            )
            for i in np.flatnonzero(differs)[:DIFFERENCES_SHOWN]
        ],
        labelled=None if labels is None else _labelled(labels.astype(np.int64), board, known, guesses, wanted, count),
    )


def _labelled(
    labels: NDArray[np.int64],
    board: Array,
    known: NDArray[np.bool_],
    guesses: NDArray[np.intp],
    wanted: NDArray[np.intp],
    count: int,
) -> LabelledRecord:
    matrix = confusion_matrix(labels[known], guesses[known], count)
    # A vector without a class counts as missed, for no class as found.
    totals = np.bincount(labels, minlength=count)
    right = int(np.trace(matrix))
    return LabelledRecord(
        right=right,
        keras_right=int((wanted == labels).sum()),
        accuracy=_interval(accuracy_interval(right, len(labels))),
        auc=_auc(labels, board) if known.all() else None,
        confusion=[[int(n) for n in row] for row in matrix],
        classes=[
            ClassRecord(labels=int(total), recall=score.recall, precision=score.precision, f1=score.f1)
            for total, score in zip(totals, class_scores(matrix, totals), strict=True)
        ],
    )


def _auc(labels: NDArray[np.int64], board: Array) -> IntervalRecord | None:
    try:
        if board.shape[1] <= 2:
            return _interval(auc_interval(labels, board[:, -1]))
        return IntervalRecord(roc_auc_macro(labels, board), None, None)
    except ValueError:
        return None  # a class without a vector has no curve


def _interval(interval: Interval) -> IntervalRecord:
    return IntervalRecord(interval.value, interval.low, interval.high)
