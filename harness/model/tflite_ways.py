"""How a model becomes a .tflite that TFLM runs right: in fused operators where there are such, else unrolled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.model import lengths
from harness.model.graph import FloatArray, ModelGraph
from harness.model.reference import KERAS, reference_of
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_read import read_tflite
from harness.model.tflite_steps import lower
from harness.model.tflite_unrolled import unrolled_tflite

Way = Literal["fused", "unrolled"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A converted model.

    Attributes:
        tflite: the file.
        way: "fused": each LSTM is one operator, written here; "unrolled": every time step by TFLiteConverter.
        why: what has no fused form; empty where all has.
        macs: multiply-accumulate operations of one inference (matrix products only).
    """

    tflite: bytes
    way: Way
    why: str
    macs: int

    @property
    def operators(self) -> int:
        """How many operators one inference runs."""
        return len(read_tflite(self.tflite).main.operators)


def convert_graph(
    graph: ModelGraph,
    *,
    model: Path | None = None,
    calibration: Sequence[FloatArray] | None = None,
    stateful: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> Conversion:
    """Converts a model; the same arguments and versions of Keras and TensorFlow give the same bytes.

    Args:
        graph: the model.
        model: the file it was read from. Without one, or with one of another framework than Keras, layers that have no
            fused form are refused.
        calibration: per model input, representative float32 vectors (N, *shape): int8 throughout; None: float32.
        stateful: state is to be kept from each vector to the next, which an unrolled model can't do.
        on_note: told when something slow begins.

    Raises:
        UsageError: a layer has no form that TFLM runs right, named; the calibration does not fit; or tflite-micro, or
            what unrolling needs, is not installed.
    """
    try:
        steps = lower(graph)
    except UsageError as refused:
        if model is None or reference_of(model, converted=False) is not KERAS:
            raise
        if lengths.NAME in graph.inputs:
            raise UsageError(
                f"vectors with lengths of their own mask steps, and {refused.what}", hint="--engine rnn has masks"
            ) from None
        if stateful:
            raise UsageError(
                f"{refused.what}; unrolled it could run, but would not keep its state from vector to vector",
                hint="--engine rnn, or a bundle without stateful = true",
            ) from None
        data = unrolled_tflite(model, graph, calibration=calibration, on_note=on_note)
        return Conversion(data, "unrolled", refused.what, _macs(data))
    return Conversion(convert_to_tflite(graph, calibration=calibration), "fused", "", steps.macs)


def _macs(data: bytes) -> int:
    graph = read_tflite(data).main
    total = 0
    for op in graph.operators:
        if op.name == "FULLY_CONNECTED":
            # (units, depth) weights, once for each row of the result
            rows = graph.tensors[op.outputs[0]].shape[:-1]
            total += math.prod(rows) * math.prod(graph.tensors[op.inputs[1]].shape)
    return total
