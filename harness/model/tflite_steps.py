"""A ModelGraph lowered to the few steps that have an operator in TensorFlow Lite for Microcontrollers.

The float writer, the int8 writer and the calibration all read these steps, so they can't disagree about the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

import numpy as np

from harness.errors import UsageError
from harness.model.graph import FloatArray, LayerSpec, ModelGraph

StepKind = Literal[
    "LSTM", "FULLY_CONNECTED", "STRIDED_SLICE", "REVERSE_V2", "RESHAPE", "RELU", "TANH", "LOGISTIC", "SOFTMAX"
]
Fused = Literal["NONE", "RELU", "RELU6"]

SUPPORTED = "LSTM (tanh, sigmoid), Dense, Activation, ReLU, Softmax, Flatten, Reshape, Dropout"


@dataclass(frozen=True, slots=True)
class Step:
    """One operator.

    Attributes:
        kind: what is computed. STRIDED_SLICE takes the last time step, REVERSE_V2 turns the time axis round.
        source: name of the value read.
        result: name of the value made; unique.
        shape: of the result, with the batch dimension (always 1).
        weights: for LSTM "kernel" (F, 4U), "recurrent_kernel" (U, 4U), "bias" (4U,), gates in Keras's order i, f, c, o;
            for FULLY_CONNECTED "kernel" (in, out) and "bias" (out,).
        fused: activation that FULLY_CONNECTED applies itself.
    """

    kind: StepKind
    source: str
    result: str
    shape: tuple[int, ...]
    weights: Mapping[str, FloatArray] = field(default_factory=dict)
    fused: Fused = "NONE"


@dataclass(frozen=True, slots=True)
class StepModel:
    """Inputs (name -> shape with batch 1), steps in the order of computation, and the names of the values returned."""

    inputs: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference (matrix products only)."""
        total = 0
        for step in self.steps:
            if step.kind == "LSTM":
                total += step.shape[1] * (step.weights["kernel"].size + step.weights["recurrent_kernel"].size)
            elif step.kind == "FULLY_CONNECTED":
                total += math.prod(step.shape[:-1]) * step.weights["kernel"].size
        return total


def lower(graph: ModelGraph) -> StepModel:
    """Lowers a model.

    Raises:
        UsageError: a layer or one of its settings has no operator here; names the layer and what is supported.
    """
    lowering = _Lowering({name: (1, *shape) for name, shape in graph.inputs.items()})
    for layer in graph.layers:
        if layer.kind != "InputLayer":
            lowering.add(layer)
    outputs = tuple(lowering.value_of.get(name, name) for name in graph.outputs)
    for name in outputs:
        if name in graph.inputs:
            raise UsageError(f"the model returns its input {name!r} unchanged", hint="return the output of a layer")
    if len(set(outputs)) != len(outputs):
        raise UsageError("the model returns one value twice", hint="return each output once")
    return StepModel(dict(lowering.inputs), tuple(lowering.steps), outputs)


class _Lowering:
    def __init__(self, inputs: Mapping[str, tuple[int, ...]]) -> None:
        self.inputs = dict(inputs)
        self.steps: list[Step] = []
        self.shapes: dict[str, tuple[int, ...]] = dict(inputs)
        self.value_of: dict[str, str] = {}  # layer name -> the value its last step makes
        self._layers: Mapping[str, Callable[[LayerSpec, str], str]] = {
            "LSTM": self._lstm,
            "Dense": self._dense,
            "Activation": lambda layer, source: self._activation(layer, source, _text(layer, "activation", "linear")),
            "ReLU": self._relu,
            "Softmax": self._softmax,
            "Flatten": lambda layer, source: self._reshape(layer, source, (1, math.prod(self.shapes[source]))),
            "Reshape": lambda layer, source: self._reshape(layer, source, (1, *layer.output_shape)),
            "Dropout": lambda _layer, source: source,
        }

    def add(self, layer: LayerSpec) -> None:
        lower_layer = self._layers.get(layer.kind)
        if lower_layer is None:
            raise UsageError(
                f"layer {layer.name!r} ({layer.kind}) has no fused operator in TensorFlow Lite for Microcontrollers",
                hint=f"supported: {SUPPORTED}; or run the model with --engine rnn, which has GRU, SimpleRNN and more",
            )
        if len(layer.inputs) != 1:
            raise _unsupported(layer, f"has {len(layer.inputs)} inputs", "one input per layer")
        name = layer.inputs[0]
        source = self.value_of.get(name, name)
        if source not in self.shapes:
            raise _unsupported(layer, f"reads {name!r}, which no layer before it makes", "a model without loops")
        self.value_of[layer.name] = lower_layer(layer, source)

    def _step(
        self,
        kind: StepKind,
        source: str,
        result: str,
        shape: tuple[int, ...],
        weights: Mapping[str, FloatArray] | None = None,
        fused: Fused = "NONE",
    ) -> str:
        self.steps.append(Step(kind, source, result, shape, weights or {}, fused))
        self.shapes[result] = shape
        return result

    def _lstm(self, layer: LayerSpec, source: str) -> str:
        _require(layer, "activation", "tanh", "tanh")
        _require(layer, "recurrent_activation", "sigmoid", "sigmoid")
        _require(layer, "return_state", False, False)
        _require(layer, "time_major", False, False)
        shape = self.shapes[source]
        if len(shape) != 3:
            raise _unsupported(layer, f"reads shape {shape}", "inputs of (batch, timesteps, features)")
        kernel, recurrent = _weight(layer, "kernel"), _weight(layer, "recurrent_kernel")
        units = recurrent.shape[0]
        if kernel.shape != (shape[2], 4 * units) or recurrent.shape != (units, 4 * units):
            raise _unsupported(layer, f"has weights {kernel.shape} and {recurrent.shape}", "the four gates i, f, c, o")
        bias = layer.weights.get("bias")
        weights = {
            "kernel": kernel,
            "recurrent_kernel": recurrent,
            "bias": np.zeros(4 * units, np.float32) if bias is None else bias,
        }
        if layer.config.get("go_backwards"):
            source = self._step("REVERSE_V2", source, f"{layer.name}/reversed", shape)
        if layer.config.get("return_sequences"):
            return self._step("LSTM", source, layer.name, (1, shape[1], units), weights)
        sequence = self._step("LSTM", source, f"{layer.name}/sequence", (1, shape[1], units), weights)
        return self._step("STRIDED_SLICE", sequence, layer.name, (1, units))

    def _dense(self, layer: LayerSpec, source: str) -> str:
        kernel = _weight(layer, "kernel")
        shape = self.shapes[source]
        if kernel.ndim != 2 or kernel.shape[0] != shape[-1]:
            raise _unsupported(layer, f"has a kernel {kernel.shape} for inputs {shape}", "a kernel (inputs, units)")
        bias = layer.weights.get("bias")
        weights = {"kernel": kernel, "bias": np.zeros(kernel.shape[1], np.float32) if bias is None else bias}
        activation = _text(layer, "activation", "linear")
        fusible: Mapping[str, Fused] = {"linear": "NONE", "relu": "RELU", "relu6": "RELU6"}
        result_shape = (*shape[:-1], kernel.shape[1])
        if activation in fusible:
            return self._step("FULLY_CONNECTED", source, layer.name, result_shape, weights, fusible[activation])
        linear = self._step("FULLY_CONNECTED", source, f"{layer.name}/linear", result_shape, weights)
        return self._activation(layer, linear, activation)

    def _activation(self, layer: LayerSpec, source: str, activation: str) -> str:
        kinds: Mapping[str, StepKind] = {"relu": "RELU", "tanh": "TANH", "sigmoid": "LOGISTIC", "softmax": "SOFTMAX"}
        if activation == "linear":
            return source
        if activation not in kinds:
            raise _unsupported(layer, f"has activation {activation!r}", "linear, relu, relu6, tanh, sigmoid, softmax")
        return self._step(kinds[activation], source, layer.name, self.shapes[source])

    def _relu(self, layer: LayerSpec, source: str) -> str:
        _require(layer, "max_value", None, None)
        _require(layer, "negative_slope", 0.0, 0.0)
        _require(layer, "threshold", 0.0, 0.0)
        return self._activation(layer, source, "relu")

    def _softmax(self, layer: LayerSpec, source: str) -> str:
        last = len(self.shapes[source]) - 1
        if layer.config.get("axis", -1) not in (-1, last):
            raise _unsupported(layer, f"has axis {layer.config.get('axis')}", "the last axis")
        return self._activation(layer, source, "softmax")

    def _reshape(self, layer: LayerSpec, source: str, shape: tuple[int, ...]) -> str:
        if math.prod(shape) != math.prod(self.shapes[source]):
            raise _unsupported(layer, f"turns {self.shapes[source]} into {shape}", "shapes of the same size")
        return self._step("RESHAPE", source, layer.name, shape)


def _require(layer: LayerSpec, setting: str, value: object, default: object) -> None:
    actual = layer.config.get(setting, default)
    if actual != value:
        raise _unsupported(layer, f"has {setting} = {actual!r}", f"{setting} = {value!r}")


def _text(layer: LayerSpec, setting: str, default: str) -> str:
    value = layer.config.get(setting, default)
    return value if _is_text(value) else default if value is None else repr(value)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _weight(layer: LayerSpec, name: str) -> FloatArray:
    if name not in layer.weights:
        raise _unsupported(layer, f"has no weight {name!r}", "layers that were built")
    return layer.weights[name]


def _unsupported(layer: LayerSpec, what: str, supported: str) -> UsageError:
    return UsageError(f"layer {layer.name!r} ({layer.kind}) {what}", hint=f"supported by engine tflm: {supported}")
