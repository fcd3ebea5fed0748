"""LSTM and Dense by Keras's equations in float64, written apart from the packer, and graphs to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import LayerSpec, ModelGraph

F64 = NDArray[np.float64]


def activate(name: str, x: F64) -> F64:
    match name:
        case "linear":
            return x
        case "relu":
            return np.where(x < 0, 0.0, x)
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
        case "hard_sigmoid":
            return np.clip(x + 3.0, 0.0, 6.0) / 6.0
        case "softmax":
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            return e / e.sum(axis=-1, keepdims=True)
    raise ValueError(name)


@dataclass(slots=True)
class Scale:
    """The largest sum of magnitudes, sum |w||x| + |b|, that went into any one pre-activation; at least 1.

    float32 rounds such a sum in proportion to it, not to the result, which may have cancelled or been squashed.
    """

    value: float = 1.0

    def note(self, magnitudes: F64) -> None:
        self.value = max(self.value, float(magnitudes.max()))


def _bias(layer: LayerSpec, size: int) -> F64:
    return layer.weights["bias"].astype(np.float64) if layer.config.get("use_bias", True) else np.zeros(size)


def lstm(layer: LayerSpec, x: F64, scale: Scale) -> F64:
    units = int(str(layer.config["units"]))
    kernel, recurrent = (layer.weights[name].astype(np.float64) for name in ("kernel", "recurrent_kernel"))
    gate, cell = str(layer.config["recurrent_activation"]), str(layer.config["activation"])
    h, c = np.zeros(units), np.zeros(units)
    rows = []
    for step in x:
        scale.note(np.abs(step) @ np.abs(kernel) + np.abs(h) @ np.abs(recurrent) + np.abs(_bias(layer, 4 * units)))
        i, f, new, o = np.split(step @ kernel + h @ recurrent + _bias(layer, 4 * units), 4)
        c = activate(gate, f) * c + activate(gate, i) * activate(cell, new)
        scale.note(np.abs(c))
        h = activate(gate, o) * activate(cell, c)
        rows.append(h)
    return np.array(rows) if layer.config.get("return_sequences") else h


def run(graph: ModelGraph, inputs: Mapping[str, NDArray[np.float32]]) -> list[F64]:
    """Outputs of a graph, in order."""
    return run_scaled(graph, inputs)[0]


def run_scaled(graph: ModelGraph, inputs: Mapping[str, NDArray[np.float32]]) -> tuple[list[F64], float]:
    """Outputs of a graph, in order, and the scale of float32's error in them (see `Scale`)."""
    scale = Scale()
    values: dict[str, F64] = {name: x.astype(np.float64) for name, x in inputs.items()}
    for layer in graph.layers:
        x = values[layer.inputs[0]]
        match layer.kind:
            case "LSTM":
                y = lstm(layer, x, scale)
            case "Dense":
                kernel = layer.weights["kernel"].astype(np.float64)
                bias = _bias(layer, kernel.shape[1])
                scale.note(np.abs(x) @ np.abs(kernel) + np.abs(bias))
                y = activate(str(layer.config["activation"]), x @ kernel + bias)
            case "Activation":
                y = activate(str(layer.config["activation"]), x)
            case "Flatten":
                y = x.reshape(-1)
            case "Reshape":
                y = x.reshape(layer.output_shape)
            case "Dropout":
                y = x
            case _:
                raise ValueError(layer.kind)
        values[layer.name] = y
        scale.note(np.abs(y))
    return [values[name] for name in graph.outputs], scale.value


def weights(rng: np.random.Generator, *shape: int, spread: float = 1.0) -> NDArray[np.float32]:
    """Uniform weights as a trained layer has them: larger where fewer are summed."""
    limit = spread * np.sqrt(3.0 / max(1, shape[0]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def lstm_layer(
    rng: np.random.Generator,
    name: str,
    source: str,
    shape: tuple[int, ...],
    units: int,
    *,
    sequences: bool = False,
    bias: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    **config: object,
) -> LayerSpec:
    arrays = {"kernel": weights(rng, shape[1], 4 * units), "recurrent_kernel": weights(rng, units, 4 * units)}
    if bias:
        arrays["bias"] = weights(rng, 4 * units)
    settings = {
        "units": units,
        "return_sequences": sequences,
        "use_bias": bias,
        "activation": activation,
        "recurrent_activation": recurrent_activation,
        **config,
    }
    return LayerSpec(name, "LSTM", settings, arrays, (source,), (shape[0], units) if sequences else (units,))


def dense_layer(
    rng: np.random.Generator,
    name: str,
    source: str,
    shape: tuple[int, ...],
    units: int,
    *,
    bias: bool = True,
    activation: str = "linear",
) -> LayerSpec:
    arrays = {"kernel": weights(rng, shape[-1], units)}
    if bias:
        arrays["bias"] = weights(rng, units)
    settings = {"units": units, "use_bias": bias, "activation": activation}
    return LayerSpec(name, "Dense", settings, arrays, (source,), (*shape[:-1], units))


def graph(inputs: Mapping[str, tuple[int, ...]], layers: list[LayerSpec], outputs: tuple[str, ...] = ()) -> ModelGraph:
    return ModelGraph(bytes(32), "test", dict(inputs), tuple(layers), outputs or (layers[-1].name,))


def tutorial(seed: int = 0) -> ModelGraph:
    """The tutorial's model: 2,321 parameters."""
    rng = np.random.default_rng(seed)
    return graph(
        {"x": (3, 1)},
        [
            lstm_layer(rng, "lstm", "x", (3, 1), 12, sequences=True),
            lstm_layer(rng, "lstm_1", "lstm", (3, 12), 12),
            dense_layer(rng, "dense", "lstm_1", (12,), 32, activation="relu"),
            dense_layer(rng, "dense_1", "dense", (32,), 1),
        ],
    )
