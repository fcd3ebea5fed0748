"""Does a sketch clear recurrent state between predictions? The classic mistake, told from what it prints.

TFLM keeps h and c of a fused LSTM from one Invoke() to the next until MicroInterpreter::Reset(). The predictions of a
sketch that never calls it are those of the same model with `stateful=True`. They are computed here by the real TFLM,
without resets, and held against what was printed.

A watch that begins in mid-stream does not know the state the first line seen was computed from. Two things can be told
all the same. A sketch that goes round and round through its vectors has done so since its start, from zeros: so the
candidates are all prefixes of that round. And an LSTM forgets: from the prediction on where two different pasts give
the same digits, the past does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UsageError
from harness.model.graph import FloatArray
from harness.model.tflm_host import run_tflm_on_host
from harness.report.watch_record import PredictionRecord, StateRecord
from harness.workflow.sketch_reference import Reference

MAX_COMPARED = 2000
# Inferences computed for pasts of a sketch that goes round and round, shared among the vectors it may have begun with.
_MAX_BEFORE = 10_000
_MAX_FIRST_VECTORS = 8
_MAX_ROUNDS_BEFORE = 500

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
    try:
        model = _Model(reference, reference.tflite())
        if not all(prediction.passed for prediction in run):
            return _judge_wrong(run, order, model)
        if not any(_fits(part, values) for part, values in _kept(run, order, model)):
            return StateRecord("cleared", "a model whose state is never cleared would have printed other values")
        stateless = bool(np.array_equal(model.run(order, reset_each=False), reference.outputs[order]))
    except UsageError as error:
        return StateRecord("unknown", f"the model without resets can't be computed here: {error.what}")
    why = "the model has no state to keep" if stateless else "kept state would not show in the printed digits"
    return StateRecord("unknown", why)


@dataclass(frozen=True, slots=True)
class _Model:
    """The reference's model in TFLM."""

    reference: Reference
    tflite: bytes

    def run(self, order: Sequence[int], *, reset_each: bool) -> FloatArray:
        """Outputs of the vectors in that order, (len(order), elements); state is zeros before the first."""
        inputs = [array[list(order)] for array in self.reference.inputs]
        outputs = run_tflm_on_host(self.tflite, inputs, reset_each=reset_each)
        return np.concatenate([array.reshape(len(array), -1) for array in outputs], axis=1)


def _judge_wrong(run: Sequence[PredictionRecord], order: Sequence[int], model: _Model) -> StateRecord:
    if _fits(run, model.run(order, reset_each=True)):
        return StateRecord("unknown", CONVERSION)
    for part, values in _kept(run, order, model):
        # A part in which all is right would prove nothing.
        if _fits(part, values) and not all(prediction.passed for prediction in part):
            return StateRecord("leaks", f"{LEAKS}: {STATEFUL}; {MEND}")
    return StateRecord("unknown", "the wrong predictions are not those of a model whose state is never cleared")


def _kept(
    run: Sequence[PredictionRecord], order: Sequence[int], model: _Model
) -> Iterator[tuple[Sequence[PredictionRecord], FloatArray]]:
    """What a sketch that never clears its state may have printed: pairs of predictions and their values."""
    from_zeros = model.run(order, reset_each=False)
    yield run, from_zeros
    past = range(len(model.reference.outputs))
    other = model.run([*past, *order], reset_each=False)[len(past) :]
    differs = [
        float(np.max(np.abs(a - b))) > prediction.tolerance / 10
        for prediction, a, b in zip(run, from_zeros, other, strict=True)
    ]
    forgotten = len(run) - differs[::-1].index(True) if True in differs else 0
    if len(run) - forgotten >= 2:
        yield run[forgotten:], from_zeros[forgotten:]
    period = _period(order)
    if period is None:
        return
    cycle = list(order[:period])
    for begin in _first_vectors(cycle):
        # Predictions from the sketch's start to the first line seen: so many, or so many and some rounds.
        least = (period - begin) % period
        rounds = max(1, min(_MAX_ROUNDS_BEFORE, _MAX_BEFORE // (_MAX_FIRST_VECTORS * period)))
        values = model.run(cycle[begin:] * (begin > 0) + cycle * rounds + list(order), reset_each=False)
        for before in range(least, least + rounds * period + 1, period):
            yield run, values[before : before + len(run)]


def _first_vectors(cycle: Sequence[int]) -> list[int]:
    """Places in the round where the sketch may have begun: each; in a long round the vector of lowest index."""
    if len(cycle) <= _MAX_FIRST_VECTORS:
        return list(range(len(cycle)))
    return sorted({0, cycle.index(min(cycle))})


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


def _fits(run: Sequence[PredictionRecord], values: FloatArray) -> bool:
    for prediction, row in zip(run, values, strict=True):
        if prediction.error is None or None in prediction.predicted:
            return False
        # The tolerance is of the right answers' size, and so are these.
        printed = np.array(prediction.predicted, np.float64)
        if float(np.max(np.abs(printed - row))) > prediction.tolerance + 1e-6 * float(np.max(np.abs(row))):
            return False
    return True
