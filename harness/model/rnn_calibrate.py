"""Ranges of every number of a model over calibration vectors, and the int8 scales they give: for engine rnn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.graph import FloatArray, LayerSpec, ModelGraph
from harness.model.rnn_builder import Integers
from harness.model.rnn_settings import bias_of, weight_of

#: What the engine computes in integers, or passes on, or computes in float between two integer layers.
INT8_LAYERS = ("LSTM", "Dense")
ALIASES = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "InputLayer",
    "Reshape",
    "SpatialDropout1D",
)
FLOAT_LAYERS = ("Activation", "ReLU", "Softmax")
#: An input is kept in 16 bits where rounding it to 8 would alone move an output by more than this share of its range
#: (root mean square).
INPUT_ROUNDING_SHARE = 0.01
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "hard_sigmoid", "softmax")


_Wide = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranges:
    """What calibration found.

    Attributes:
        values: how each value (by its name in the graph) is stored; of a Dense layer with another activation than relu
            its sums, as `<name>:sums`.
        cells: largest magnitude of each LSTM's cell state, by layer name.
    """

    values: Mapping[str, Integers]
    cells: Mapping[str, float]


def calibrate(graph: ModelGraph, inputs: Sequence[FloatArray]) -> Ranges:
    """Run the vectors through the model in float64.

    Inputs are int8, all of -128 to 127 for their range. One scale covers every time step and feature of an input, so
    where these differ widely (litres beside grams per kilometre) 8 bits leave nothing of the small ones: inputs that
    only LSTM layers read are then int16, symmetric. `INPUT_ROUNDING_SHARE` decides.

    Args:
        inputs: (N, *shape) of each input, finite.

    Raises:
        UsageError: no vectors, another shape, or a layer or setting that has no integer form (named).
    """
    if len(inputs) != len(graph.inputs) or any(len(array) == 0 for array in inputs):
        raise UsageError(f"calibration needs vectors for {len(graph.inputs)} inputs")
    values: dict[str, _Wide] = {}
    for (name, shape), array in zip(graph.inputs.items(), inputs, strict=True):
        if array.shape[1:] != shape:
            raise UsageError(f"calibration vectors have shape {array.shape[1:]}, input {name!r} needs {shape}")
        values[name] = array.astype(np.float64)
    for layer in graph.layers:
        check_int8(layer)
    found, cells, exact = _run(graph, values, {name: asymmetric(array) for name, array in values.items()})
    for name in graph.inputs:
        if not _read_by_lstm_alone(graph, name):
            continue
        rounded = {**values, name: _rounded(values[name], found[name])}
        _, _, moved = _run(graph, rounded, found)
        if any(
            np.sqrt(np.mean((moved[output] - exact[output]) ** 2)) > INPUT_ROUNDING_SHARE * np.ptp(exact[output])
            for output in graph.outputs
        ):
            wide = Integers(float(np.float32(np.abs(values[name]).max() / 32767.0)) or 1.0, 0, bits=16)
            found, cells, _ = _run(graph, values, {**found, name: wide})
    return Ranges(found, cells)


def _run(
    graph: ModelGraph, inputs: Mapping[str, _Wide], known: Mapping[str, Integers]
) -> tuple[dict[str, Integers], dict[str, float], dict[str, _Wide]]:
    """How each value is stored, each LSTM's largest cell state, and the values; `known`: how the inputs are stored."""
    values = dict(inputs)
    found = {name: known[name] for name in inputs}
    cells: dict[str, float] = {}
    for layer in graph.layers:
        source = values[layer.inputs[0]]
        match layer.kind:
            case "LSTM":
                every, cells[layer.name] = _lstm(layer, source)
                found[layer.name] = symmetric(every)  # of all steps: h is kept in it
                values[layer.name] = every if layer.config.get("return_sequences") else every[:, -1]
                continue
            case "Dense":
                sums = source @ weight_of(layer, "kernel", (source.shape[-1], _units(layer))) + bias_of(
                    layer, _units(layer)
                )
                name = str(layer.config.get("activation") or "linear")
                found[f"{layer.name}:sums"] = asymmetric(np.maximum(sums, 0) if name == "relu" else sums)
                values[layer.name] = _activate(name, sums)
            case "Activation":
                values[layer.name] = _activate(str(layer.config.get("activation") or "linear"), source)
            case "ReLU":
                values[layer.name] = _activate("relu", source)
            case "Softmax":
                values[layer.name] = _activate("softmax", source)
            case "Flatten":
                values[layer.name] = source.reshape(len(source), -1)
            case "Reshape":
                values[layer.name] = source.reshape(len(source), *layer.output_shape)
            case _:
                values[layer.name] = source
                found[layer.name] = found[layer.inputs[0]]
                continue
        found[layer.name] = (
            found[layer.inputs[0]] if layer.kind in ("Flatten", "Reshape") else asymmetric(values[layer.name])
        )
    return found, cells, values


def _read_by_lstm_alone(graph: ModelGraph, name: str) -> bool:
    names = {name}
    for layer in graph.layers:
        if names.isdisjoint(layer.inputs):
            continue
        if layer.kind in ALIASES:
            names.add(layer.name)
        elif layer.kind != "LSTM":
            return False
    return names.isdisjoint(graph.outputs)


def _rounded(values: _Wide, how: Integers) -> _Wide:
    stored = np.clip(np.rint(values / how.scale + how.zero_point), -128, 127)
    return np.asarray((stored - how.zero_point) * how.scale)


def check_int8(layer: LayerSpec) -> None:
    """Refuse what has no integer form.

    Raises:
        UsageError: the layer or setting by name.
    """
    hint = (
        f"int8 takes {', '.join((*INT8_LAYERS, *FLOAT_LAYERS, *ALIASES))}; "
        "--quantise int8-weights takes every layer of the engine"
    )
    kinds = (*INT8_LAYERS, *FLOAT_LAYERS, *ALIASES)
    if layer.kind not in kinds or len(layer.inputs) != 1:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) has no integer form in the rnn engine", hint=hint)
    wanted: dict[str, tuple[str, ...]] = (
        {"activation": ("tanh",), "recurrent_activation": ("sigmoid",)} if layer.kind == "LSTM" else {}
    )
    if layer.kind in ("Dense", "Activation"):
        wanted = {"activation": ACTIVATIONS}
    for setting, names in wanted.items():
        name = layer.config.get(setting) or ("linear" if layer.kind != "LSTM" else names[0])
        if name not in names:
            raise UsageError(
                f"layer {layer.name!r} ({layer.kind}) has {setting}={name!r}, which has no integer form", hint=hint
            )
    for setting in ("return_state", "max_value", "negative_slope", "threshold"):
        if layer.config.get(setting):
            raise UsageError(f"layer {layer.name!r} ({layer.kind}) has {setting}, which has no integer form", hint=hint)


def asymmetric(values: _Wide) -> Integers:
    """All of -128 to 127 for the range of the values, 0 included."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = float(np.float32((high - low) / 255.0)) or 1.0
    return Integers(scale, max(-128, min(127, round(-128 - low / scale))))


def symmetric(values: _Wide) -> Integers:
    """-127 to 127, 0 at 0."""
    return Integers(float(np.float32(np.abs(values).max() / 127.0)) or 1.0, 0)


def cell_bits(top: float) -> int:
    """Fraction bits of a 16-bit cell state of this largest magnitude, with room for twice as much."""
    return max(0, min(15, 15 - math.ceil(math.log2(max(2.0 * top, 1e-3)))))


def _units(layer: LayerSpec) -> int:
    return int(str(layer.config["units"]))


def _activate(name: str, x: _Wide) -> _Wide:
    match name:
        case "relu":
            return np.maximum(x, 0)
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return _sigmoid(x)
        case "hard_sigmoid":
            return np.clip(x + 3.0, 0.0, 6.0) / 6.0
        case "softmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    return x


def _sigmoid(x: _Wide) -> _Wide:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -80, 80))))


def _lstm(layer: LayerSpec, source: _Wide) -> tuple[_Wide, float]:
    """h after every step, and the largest magnitude of the cell state."""
    if source.ndim != 3:
        raise UsageError(f"layer {layer.name!r} (LSTM) reads shape {source.shape[1:]}, not (steps, features)")
    units = _units(layer)
    kernel = weight_of(layer, "kernel", (source.shape[-1], 4 * units))
    recurrent = weight_of(layer, "recurrent_kernel", (units, 4 * units))
    bias = bias_of(layer, 4 * units)
    h: _Wide = np.zeros((len(source), units))
    c: _Wide = np.zeros((len(source), units))
    top = 0.0
    rows = []
    steps = range(source.shape[1])
    for t in reversed(steps) if layer.config.get("go_backwards") else steps:
        i, f, g, o = np.split(source[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        top = max(top, float(np.abs(c).max()))
        rows.append(h)
    return np.stack(rows, axis=1), top
