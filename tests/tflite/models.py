"""Random models as graphs, and what they compute, in float64 and by the book (not by the code under test)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import LayerSpec, ModelGraph

F64 = NDArray[np.float64]


def lstm(name: str, source: str, features: int, units: int, timesteps: int, **config: object) -> LayerSpec:
    """An LSTM layer; weights are set by `model`."""
    sequences = bool(config.get("return_sequences", False))
    return LayerSpec(
        name,
        "LSTM",
        {"units": units, "activation": "tanh", "recurrent_activation": "sigmoid", **config},
        {
            "kernel": np.zeros((features, 4 * units), np.float32),
            "recurrent_kernel": np.zeros((units, 4 * units), np.float32),
            "bias": np.zeros(4 * units, np.float32),
        },
        (source,),
        (timesteps, units) if sequences else (units,),
    )


def dense(name: str, source: str, shape: tuple[int, ...], units: int, activation: str = "linear") -> LayerSpec:
    """A Dense layer on inputs of `shape` (without batch)."""
    weights = {"kernel": np.zeros((shape[-1], units), np.float32), "bias": np.zeros(units, np.float32)}
    return LayerSpec(
        name, "Dense", {"units": units, "activation": activation}, weights, (source,), (*shape[:-1], units)
    )


def plain(name: str, kind: str, source: str, shape: tuple[int, ...], **config: object) -> LayerSpec:
    """A layer without weights."""
    return LayerSpec(name, kind, config, {}, (source,), shape)


def model(seed: int, shape: tuple[int, ...], *layers: LayerSpec) -> ModelGraph:
    """A chain of layers on one input "x" of `shape`, its weights drawn from the seed."""
    random = np.random.default_rng(seed)
    drawn = []
    for layer in layers:
        weights: Mapping[str, NDArray[np.float32]] = {
            name: random.normal(0, 0.6, value.shape).astype(np.float32) for name, value in layer.weights.items()
        }
        drawn.append(LayerSpec(layer.name, layer.kind, layer.config, weights, layer.inputs, layer.output_shape))
    return ModelGraph(bytes(32), "test", {"x": shape}, tuple(drawn), (layers[-1].name,))


def inputs_for(graph: ModelGraph, seed: int, count: int = 16) -> NDArray[np.float32]:
    """Vectors for a chain."""
    return np.random.default_rng(seed).normal(0, 1, (count, *graph.inputs["x"])).astype(np.float32)


def expected(graph: ModelGraph, x: NDArray[np.float32]) -> F64:
    """What a chain computes."""
    value: F64 = x.astype(np.float64)
    for layer in graph.layers:
        weights = {name: array.astype(np.float64) for name, array in layer.weights.items()}
        match layer.kind:
            case "LSTM":
                value = _lstm(layer, weights, value)
            case "Dense":
                value = _activate(str(layer.config["activation"]), value @ weights["kernel"] + weights["bias"])
            case "Activation":
                value = _activate(str(layer.config["activation"]), value)
            case "ReLU":
                value = _activate("relu", value)
            case "Softmax":
                value = _activate("softmax", value)
            case "Flatten" | "Reshape":
                value = value.reshape(len(value), *layer.output_shape)
    return value


def _sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


def _activate(name: str, x: F64) -> F64:
    match name:
        case "relu":
            return np.maximum(x, 0)
        case "relu6":
            return np.clip(x, 0, 6)
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return _sigmoid(x)
        case "softmax":
            powers = np.exp(x - x.max(-1, keepdims=True))
            return powers / powers.sum(-1, keepdims=True)
        case _:
            return x


def _lstm(layer: LayerSpec, weights: Mapping[str, F64], x: F64) -> F64:
    units = weights["recurrent_kernel"].shape[0]
    h = c = np.zeros((len(x), units))
    steps = range(x.shape[1])[::-1] if layer.config.get("go_backwards") else range(x.shape[1])
    rows = []
    for t in steps:
        z = x[:, t] @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
        i, f, g, o = np.split(z, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        rows.append(h)
    return np.stack(rows, axis=1) if layer.config.get("return_sequences") else h
