"""Does a sketch clear recurrent state between predictions? The classic mistake, told from what it prints.

TFLM keeps h and c of a fused LSTM from one Invoke() to the next until MicroInterpreter::Reset(). The predictions of a
sketch that never calls it are those of the same model with `stateful=True`. They are computed here by the real TFLM,
without resets, and held against what was printed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import UsageError
from harness.model.graph import FloatArray
from harness.model.tflm_host import run_tflm_on_host
from harness.report.watch_record import PredictionRecord, StateRecord
from harness.workflow.sketch_reference import Reference

# The watch may have begun in the middle: that many rounds through the vectors may lie before the first line seen.
ROUNDS_BEFORE = 50
MAX_COMPARED = 2000

LEAKS = "the sketch does not clear the LSTM's state between predictions"
STATEFUL = "what it prints is what the model gives when state is never cleared (Keras: stateful=True)"
CONVERSION = "TFLM gives the same wrong values on this computer, state cleared: the conversion is at fault (hil lint)"
MEND = (
    "call interpreter->Reset() before each prediction (EloquentTinyML: tf.interpreter->Reset(); its begin() clears it "
    "too, but leaks an interpreter each time)"
)


def judge_state(predictions: Sequence[PredictionRecord], starts: Sequence[int], reference: Reference) -> StateRecord:
    """Compares what was printed with the model whose state is never cleared.

    Args:
        predictions: in the order they came.
        starts: indices of predictions before which the board was seen to start, and with it the state.
        reference: the right answers.
    """
    run = _longest_run(predictions, starts)
    if len(run) < 2:
        return StateRecord("unknown", "it takes two predictions in a row that belong to vectors")
    order = [prediction.vector for prediction in run if prediction.vector is not None]
    period = _period(order)
    before = ROUNDS_BEFORE if period is not None else 0
    cycle = order[: period or 0]
    try:
        tflite = reference.tflite()
        kept = _tflm(tflite, reference, cycle * before + order, reset_each=False)
        cleared = _tflm(tflite, reference, order, reset_each=True)
    except UsageError as error:
        return StateRecord("unknown", f"the model without resets can't be computed here: {error.what}")
    right = reference.outputs[order]
    fits = [_fits(run, kept[len(cycle) * k : len(cycle) * k + len(run)]) for k in range(before + 1)]
    if not all(prediction.passed for prediction in run):
        if _fits(run, cleared):
            return StateRecord("unknown", CONVERSION)
        if any(fits):
            return StateRecord("leaks", f"{LEAKS}: {STATEFUL}; {MEND}")
        return StateRecord("unknown", "the wrong predictions are not those of a model whose state is never cleared")
    if any(fits):
        same = bool(np.array_equal(kept[: len(run)], right))
        why = "the model has no state to keep" if same else "kept state would not show in the printed digits"
        return StateRecord("unknown", why)
    return StateRecord("cleared", "a model whose state is never cleared would have printed other values")


def _longest_run(predictions: Sequence[PredictionRecord], starts: Sequence[int]) -> Sequence[PredictionRecord]:
    """The longest stretch without a restart, up to MAX_COMPARED long, in which all predictions belong to vectors."""
    best: Sequence[PredictionRecord] = ()
    run: list[PredictionRecord] = []
    for index, prediction in enumerate(predictions):
        if index in starts or prediction.vector is None:
            run = []
        if prediction.vector is not None and len(run) < MAX_COMPARED:
            run.append(prediction)
        if len(run) > len(best):
            best = list(run)
    return best


def _period(order: Sequence[int]) -> int | None:
    """Length of the round the sketch goes through the vectors in; None where it goes through none twice, or jumps."""
    if order[0] not in order[1:]:
        return None
    period = order.index(order[0], 1)
    return period if all(order[k] == order[k % period] for k in range(len(order))) else None


def _tflm(tflite: bytes, reference: Reference, order: Sequence[int], *, reset_each: bool) -> FloatArray:
    inputs = [array[list(order)] for array in reference.inputs]
    outputs = run_tflm_on_host(tflite, inputs, reset_each=reset_each)
    return np.concatenate([array.reshape(len(array), -1) for array in outputs], axis=1)


def _fits(run: Sequence[PredictionRecord], values: FloatArray) -> bool:
    for prediction, row in zip(run, values, strict=True):
        if prediction.error is None or None in prediction.predicted:
            return False
        # The tolerance is of the right answers' size, and so are these.
        printed = np.array(prediction.predicted, np.float64)
        if float(np.max(np.abs(printed - row))) > prediction.tolerance + 1e-6 * float(np.max(np.abs(row))):
            return False
    return True
