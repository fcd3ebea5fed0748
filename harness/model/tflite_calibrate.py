"""Ranges of every value of a model over calibration vectors, by running its steps in numpy (float32)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UsageError
from harness.model.graph import FloatArray
from harness.model.tflite_steps import Step, StepModel


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest number seen."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ranges by value name, and of each LSTM's cell state by the name of its result."""

    values: Mapping[str, Range]
    cells: Mapping[str, Range]


def calibrate(model: StepModel, inputs: Sequence[FloatArray]) -> Calibration:
    """Runs the vectors through the model.

    Args:
        model: the lowered model.
        inputs: per model input, float32 (N, *shape without batch).

    Raises:
        UsageError: arrays of another number, shape or length, no vectors, or NaN/Inf in them or in a result.
    """
    values = _check(model, inputs)
    ranges = {name: _range(name, value) for name, value in values.items()}
    cells: dict[str, Range] = {}
    for step in model.steps:
        source = values[step.source]
        if step.kind == "LSTM":
            result, low, high = _lstm(step, source)
            cells[step.result] = Range(low, high)
        else:
            result = run_step(step, source)
        values[step.result] = result
        ranges[step.result] = _range(step.result, result)
    return Calibration(ranges, cells)


def _check(model: StepModel, inputs: Sequence[FloatArray]) -> dict[str, FloatArray]:
    if len(inputs) != len(model.inputs):
        raise UsageError(f"calibration has {len(inputs)} arrays, the model has {len(model.inputs)} inputs")
    counts = {len(array) for array in inputs}
    if len(counts) != 1 or counts == {0}:
        raise UsageError("calibration needs at least one vector, and as many for each input")
    values: dict[str, FloatArray] = {}
    for (name, shape), array in zip(model.inputs.items(), inputs, strict=True):
        if array.shape[1:] != shape[1:]:
            raise UsageError(f"calibration vectors have shape {array.shape[1:]}, input {name!r} needs {shape[1:]}")
        values[name] = np.asarray(array, np.float32)
    return values


def _range(name: str, value: FloatArray) -> Range:
    if not np.isfinite(value).all():
        raise UsageError(f"NaN or Inf in {name!r} during calibration", hint="check the calibration vectors")
    return Range(float(value.min()), float(value.max()))


def run_step(step: Step, source: FloatArray) -> FloatArray:
    """One step without state on a whole batch: (N, *source shape) -> (N, *result shape)."""
    with np.errstate(over="ignore"):
        match step.kind:
            case "FULLY_CONNECTED":
                result = source @ step.weights["kernel"] + step.weights["bias"]
                if step.fused != "NONE":
                    result = np.clip(result, 0.0, 6.0 if step.fused == "RELU6" else None)
            case "STRIDED_SLICE":
                result = source[:, -1]
            case "REVERSE_V2":
                result = source[:, ::-1]
            case "RESHAPE":
                result = source.reshape(len(source), *step.shape[1:])
            case "RELU":
                result = np.maximum(source, 0.0)
            case "TANH":
                result = np.tanh(source)
            case "LOGISTIC":
                result = _sigmoid(source)
            case "SOFTMAX":
                powers = np.exp(source - source.max(axis=-1, keepdims=True))
                result = powers / powers.sum(axis=-1, keepdims=True)
            case "LSTM":
                result = _lstm(step, source)[0]
    return np.asarray(result, np.float32)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), np.float32)


def _lstm(step: Step, source: FloatArray) -> tuple[FloatArray, float, float]:
    """Output sequence (N, T, U), smallest and largest cell state."""
    kernel, recurrent, bias = (step.weights[name] for name in ("kernel", "recurrent_kernel", "bias"))
    units = recurrent.shape[0]
    hidden = np.zeros((len(source), units), np.float32)
    cell = np.zeros_like(hidden)
    low = high = 0.0
    outputs = []
    with np.errstate(over="ignore"):
        for t in range(source.shape[1]):
            gates = source[:, t] @ kernel + hidden @ recurrent + bias
            i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
            cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
            hidden = np.asarray(_sigmoid(o) * np.tanh(cell), np.float32)
            low, high = min(low, float(cell.min())), max(high, float(cell.max()))
            outputs.append(hidden)
    return np.stack(outputs, axis=1), low, high
