"""ModelGraph -> .tflite, written directly, without tensorflow's converter.

Keras 3 through TFLiteConverter makes a WHILE loop. TensorFlow Lite for Microcontrollers runs it without an error and,
where a tensor in it changes its shape, wrong (https://github.com/tensorflow/tflite-micro/issues/3674). Here each LSTM
layer becomes one UNIDIRECTIONAL_SEQUENCE_LSTM with static shapes and batch 1, which it runs right.

int8: activations asymmetric, weights symmetric per tensor, biases int32, cell state int16 with a power-of-two scale
(https://www.tensorflow.org/lite/performance/quantization_spec).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import FloatArray, ModelGraph
from harness.model.tflite_calibrate import Calibration, Range, calibrate
from harness.model.tflite_steps import Step, StepModel, lower
from harness.model.tflite_write import OptionsTable, Quantisation, TfliteWriter

_DESCRIPTION = "hil-harness"
_LSTM_INTERMEDIATES = 5
_LSTM_INPUTS = 24  # the operator's fixed number of inputs; most are left out
_STATE_INPUTS = (18, 19)  # hidden state, cell state
_NARROW_RANGE = 127  # symmetric int8 weights leave out -128
_ACTIVATION = {"NONE": 0, "RELU": 1, "RELU6": 3, "TANH": 4}  # enum ActivationFunctionType
_KEEPS_QUANTISATION = ("STRIDED_SLICE", "REVERSE_V2", "RESHAPE")
# Output quantisation that the kernels demand for int8.
_FIXED_QUANTISATION = {
    "LOGISTIC": Quantisation(1 / 256, -128),
    "SOFTMAX": Quantisation(1 / 256, -128),
    "TANH": Quantisation(1 / 128, 0),
}


def convert_to_tflite(graph: ModelGraph, *, calibration: Sequence[FloatArray] | None = None) -> bytes:
    """Converts a model; the same arguments always give the same bytes.

    Args:
        graph: the model.
        calibration: per model input, representative float32 vectors (N, *shape). With it the model becomes int8
            throughout, inputs and outputs too; without it float32.

    Raises:
        UsageError: a layer has no supported form, the calibration does not fit, or tflite-micro is not installed.
    """
    model = lower(graph)
    quantiser = None if calibration is None else _Quantiser(model, calibrate(model, calibration))
    return _Emitter(model, quantiser).emit()


class _Quantiser:
    """Quantisation of every value."""

    def __init__(self, model: StepModel, calibration: Calibration) -> None:
        self.values: dict[str, Quantisation] = {name: _asymmetric(calibration.values[name]) for name in model.inputs}
        for step in model.steps:
            if step.kind in _KEEPS_QUANTISATION:
                self.values[step.result] = self.values[step.source]
            elif step.kind in _FIXED_QUANTISATION:
                self.values[step.result] = _FIXED_QUANTISATION[step.kind]
            else:
                self.values[step.result] = _asymmetric(calibration.values[step.result])
        self.cells = {name: _power_of_two(cell) for name, cell in calibration.cells.items()}


def _asymmetric(values: Range) -> Quantisation:
    """int8 with an exact zero."""
    low, high = min(values.low, 0.0), max(values.high, 0.0)
    if low == high:
        return Quantisation(1.0, 0)
    scale = float(np.float32((high - low) / 255))
    return Quantisation(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def _power_of_two(cell: Range) -> Quantisation:
    """int16, symmetric; the integer kernel shifts instead of multiplying."""
    largest = max(abs(cell.low), abs(cell.high), 1.0)
    return Quantisation(2.0 ** math.ceil(math.log2(largest)) / 32768, 0)


class _Emitter:
    def __init__(self, model: StepModel, quantiser: _Quantiser | None) -> None:
        self.model = model
        self.quantiser = quantiser
        self.writer = TfliteWriter()
        self.tensors: dict[str, int] = {}

    def emit(self) -> bytes:
        for name, shape in self.model.inputs.items():
            self._value(name, shape)
        for step in self.model.steps:
            self._value(step.result, step.shape)
            if step.kind == "LSTM":
                self._lstm(step)
            elif step.kind == "FULLY_CONNECTED":
                self._fully_connected(step)
            else:
                self._plain(step)
        inputs = [self.tensors[name] for name in self.model.inputs]
        outputs = [self.tensors[name] for name in self.model.outputs]
        return self.writer.finish(inputs, outputs, description=_DESCRIPTION)

    def _value(self, name: str, shape: tuple[int, ...]) -> None:
        if self.quantiser is None:
            self.tensors[name] = self.writer.tensor(name, "FLOAT32", shape)
        else:
            self.tensors[name] = self.writer.tensor(name, "INT8", shape, self.quantiser.values[name])

    def _options(self, name: str, **settings: object) -> OptionsTable:
        options: OptionsTable = getattr(self.writer.schema, f"{name}T")()
        for key, value in settings.items():
            setattr(options, key, value)
        return options

    def _weights(self, name: str, values: FloatArray) -> tuple[int, float]:
        """Adds a weight matrix; gives its tensor and its scale (1.0 where not quantised)."""
        if self.quantiser is None:
            return self.writer.constant(name, np.asarray(values, np.float32)), 1.0
        largest = float(np.abs(values).max(initial=0.0))
        scale = float(np.float32(largest / _NARROW_RANGE)) if largest else 1.0
        stored = np.clip(np.rint(values / scale), -_NARROW_RANGE, _NARROW_RANGE).astype(np.int8)
        return self.writer.constant(name, stored, Quantisation(scale)), scale

    def _bias(self, name: str, values: FloatArray, source: str, weight_scale: float) -> int:
        if self.quantiser is None:
            return self.writer.constant(name, np.asarray(values, np.float32))
        scale = self.quantiser.values[source].scale * weight_scale
        limits = np.iinfo(np.int32)
        stored: NDArray[np.int32] = np.clip(np.rint(values.astype(np.float64) / scale), limits.min, limits.max).astype(
            np.int32
        )
        return self.writer.constant(name, stored, Quantisation(scale))

    def _fully_connected(self, step: Step) -> None:
        weights, scale = self._weights(f"{step.result}/kernel", step.weights["kernel"].T)
        bias = self._bias(f"{step.result}/bias", step.weights["bias"], step.source, scale)
        options = self._options(
            "FullyConnectedOptions",
            fusedActivationFunction=_ACTIVATION[step.fused],
            keepNumDims=len(step.shape) > 2,
        )
        version = 4 if self.quantiser else 1
        if len(step.shape) > 2:
            version = max(version, 5)
        self._operator("FULLY_CONNECTED", version, (step.source,), (weights, bias), step, options)

    def _lstm(self, step: Step) -> None:
        units = step.shape[-1]
        inputs = [-1] * _LSTM_INPUTS
        inputs[0] = self.tensors[step.source]
        for gate, letter in enumerate("ifco"):
            columns = slice(gate * units, (gate + 1) * units)
            name = f"{step.result}/{letter}"
            kernel, scale = self._weights(f"{name}/kernel", step.weights["kernel"][:, columns].T)
            inputs[1 + gate] = kernel
            inputs[5 + gate] = self._weights(f"{name}/recurrent", step.weights["recurrent_kernel"][:, columns].T)[0]
            inputs[12 + gate] = self._bias(f"{name}/bias", step.weights["bias"][columns], step.source, scale)
        hidden, cell = _STATE_INPUTS
        kind, values, cells = (
            ("INT8", self.quantiser.values, self.quantiser.cells) if self.quantiser else (None, {}, {})
        )
        for position, label, dtype, quantisation in (
            (hidden, "hidden", kind or "FLOAT32", values.get(step.result)),
            (cell, "cell", "INT16" if kind else "FLOAT32", cells.get(step.result)),
        ):
            inputs[position] = self.writer.tensor(
                f"{step.result}/{label}", dtype, (1, units), quantisation, is_variable=True
            )
        intermediates: list[int] = []
        if self.quantiser is not None:
            # Full TensorFlow Lite refuses an int8 LSTM without them, though it reads the fifth alone; TFLM reads
            # none and refuses one that has a size.
            inner = self.writer.tensor(f"{step.result}/inner", "INT8", (0,), values[step.result])
            intermediates = [inner] * _LSTM_INTERMEDIATES
        options = self._options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=_ACTIVATION["TANH"])
        self.writer.operator(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            3 if self.quantiser else 1,
            inputs,
            [self.tensors[step.result]],
            options,
            "UnidirectionalSequenceLSTMOptions",
            intermediates,
        )

    def _plain(self, step: Step) -> None:
        int8 = self.quantiser is not None

        def ints(name: str, *values: int) -> int:
            return self.writer.constant(f"{step.result}/{name}", np.asarray(values, np.int32))

        match step.kind:
            case "STRIDED_SLICE":  # [:, -1, :] with the time axis dropped
                extra = (ints("begin", 0, -1, 0), ints("end", 0, 0, 0), ints("strides", 1, 1, 1))
                options = self._options("StridedSliceOptions", beginMask=0b101, endMask=0b101, shrinkAxisMask=0b010)
                self._operator("STRIDED_SLICE", 2 if int8 else 1, (step.source,), extra, step, options)
            case "REVERSE_V2":
                self._operator(
                    "REVERSE_V2", 1, (step.source,), (ints("axis", 1),), step, self._options("ReverseV2Options")
                )
            case "RESHAPE":
                options = self._options("ReshapeOptions", newShape=np.asarray(step.shape, np.int32))
                self._operator("RESHAPE", 1, (step.source,), (ints("shape", *step.shape),), step, options)
            case "SOFTMAX":
                options = self._options("SoftmaxOptions", beta=1.0)
                self._operator("SOFTMAX", 2 if int8 else 1, (step.source,), (), step, options)
            case "RELU" | "TANH" | "LOGISTIC":
                self._operator(step.kind, 2 if int8 else 1, (step.source,), (), step, None)
            case _:
                raise AssertionError(step.kind)

    def _operator(
        self,
        name: str,
        version: int,
        values: tuple[str, ...],
        constants: tuple[int, ...],
        step: Step,
        options: OptionsTable | None,
    ) -> None:
        kind = "NONE" if options is None else type(options).__name__.removesuffix("T")
        inputs = [*(self.tensors[value] for value in values), *constants]
        self.writer.operator(name, version, inputs, [self.tensors[step.result]], options, kind)
