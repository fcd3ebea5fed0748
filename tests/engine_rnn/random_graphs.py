"""Random models over every layer the rnn engine takes, as graphs with weights: cheap, as no framework makes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import LayerSpec, ModelGraph
from tests.engine_rnn.reference import cell_weights, dense_layer, graph, recurrent_layer, weights

BOUNDED = ["sigmoid", "hard_sigmoid", "tanh"]
# Outside of 0 to 1 a gate of a GRU or CIFG makes its state grow, and every rounding with it.
GATES = ["sigmoid", "hard_sigmoid"]
KINDS = ["LSTM", "GRU", "SimpleRNN", "PeepholeLSTM", "CoupledLSTM"]
ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "hard_sigmoid", "softmax", "elu", "selu", "softplus", "softsign"]
ACTIVATIONS += ["silu", "leaky_relu", "relu6", "hard_silu", "gelu"]
MASK_VALUE = 1.25


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.layers: list[LayerSpec] = []
        self.outputs: list[str] = []

    def flag(self, share: float = 0.5) -> bool:
        return bool(self.rng.random() < share)

    def one(self, items: list[str]) -> str:
        return items[int(self.rng.integers(len(items)))]

    def size(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))

    def input(self, *shape: int) -> str:
        name = f"in{len(self.inputs)}"
        self.inputs[name] = shape
        return name

    def settings(self, kind: str) -> dict[str, object]:
        settings: dict[str, object] = {"activation": self.one(BOUNDED), "use_bias": self.flag(0.8)}
        if kind != "SimpleRNN":
            settings["recurrent_activation"] = self.one(GATES)
        if kind == "GRU":
            settings["reset_after"] = self.flag()
        return settings

    def how(self) -> dict[str, object]:
        names = ("return_sequences", "go_backwards", "zero_output_for_mask", "return_state")
        return {name: self.flag(0.4) for name in names}

    def recurrent(self, name: str, source: str, shape: tuple[int, ...]) -> LayerSpec:
        kind, units, how = self.one(KINDS), self.size(13), self.how()
        sources: tuple[str, ...] = (source,)
        states = 1 if kind in ("GRU", "SimpleRNN") else 2
        if self.flag(0.25):
            sources += tuple(self.input(units) for _ in range(states))
        if how["return_state"]:
            self.outputs += [f"{name}:{k}" for k in range(1, states + 1)]
        return recurrent_layer(self.rng, kind, name, sources, shape, units, **self.settings(kind), **how)

    def stacked(self, name: str, source: str, shape: tuple[int, ...]) -> LayerSpec:
        config: dict[str, object] = {"cell.kind": "StackedRNNCells", **self.how()}
        arrays: dict[str, NDArray[np.float32]] = {}
        below, states = shape[1], 0
        for level in range(self.size(3)):
            kind, units = self.one(KINDS), self.size(9)
            settings = {"kind": f"{kind}Cell", "units": units, **self.settings(kind)}
            config |= {f"cell.cells.{level}.{key}": value for key, value in settings.items()}
            cell = cell_weights(
                self.rng,
                kind,
                below,
                units,
                bias=bool(settings["use_bias"]),
                reset_after=bool(settings.get("reset_after", True)),
            )
            arrays |= {f"{level}/{key}": value for key, value in cell.items()}
            below = units
            states += 1 if kind in ("GRU", "SimpleRNN") else 2
        if config["return_state"]:
            self.outputs += [f"{name}:{k}" for k in range(1, states + 1)]
        return LayerSpec(name, "RNN", config, arrays, (source,), self._shape(shape, below, config["return_sequences"]))

    def bidirectional(self, name: str, source: str, shape: tuple[int, ...]) -> LayerSpec:
        mode = [None, "concat", "sum", "mul", "ave"][int(self.rng.integers(5))]
        units = (self.size(9),) * 2 if mode in ("sum", "mul", "ave") else (self.size(9), self.size(9))
        sequences, returns = self.flag(), self.flag(0.3)
        config: dict[str, object] = {"merge_mode": mode}
        arrays: dict[str, NDArray[np.float32]] = {}
        states = 0
        for prefix, where, count in (("layer.", "forward/", units[0]), ("backward_layer.", "backward/", units[1])):
            kind = self.one(KINDS[:3])
            settings = self.settings(kind)
            settings |= {"kind": kind, "units": count, "return_sequences": sequences, "return_state": returns}
            settings["go_backwards"] = prefix == "backward_layer."
            after = bool(settings.get("reset_after", True))
            config |= {prefix + key: value for key, value in settings.items()}
            cell = cell_weights(self.rng, kind, shape[1], count, bias=bool(settings["use_bias"]), reset_after=after)
            arrays |= {where + key: value for key, value in cell.items()}
            states += 2 if kind == "LSTM" else 1
        more = (1 if mode is None else 0) + (states if returns else 0)
        self.outputs += [f"{name}:{k}" for k in range(1, more + 1)]
        width = sum(units) if mode == "concat" else units[0]
        return LayerSpec(name, "Bidirectional", config, arrays, (source,), self._shape(shape, width, sequences))

    @staticmethod
    def _shape(shape: tuple[int, ...], width: int, sequences: object) -> tuple[int, ...]:
        return (shape[0], width) if sequences else (width,)

    def layer(self, name: str, source: str, shape: tuple[int, ...]) -> LayerSpec:
        kinds = ["Dense", "Activation", "BatchNormalization", "Dropout", "Flatten"]
        kinds += (
            ["recurrent", "recurrent", "recurrent", "stacked", "bidirectional"] if len(shape) == 2 else ["RepeatVector"]
        )
        kind = self.one(kinds)
        match kind:
            case "recurrent":
                return self.recurrent(name, source, shape)
            case "stacked":
                return self.stacked(name, source, shape)
            case "bidirectional":
                return self.bidirectional(name, source, shape)
            case "Dense":
                bias, activation = self.flag(), self.one(ACTIVATIONS)
                return dense_layer(self.rng, name, source, shape, self.size(19), bias=bias, activation=activation)
            case "Activation":
                return LayerSpec(name, kind, {"activation": self.one(ACTIVATIONS)}, {}, (source,), shape)
            case "BatchNormalization":
                arrays = {key: weights(self.rng, shape[-1]) for key in ("gamma", "beta", "moving_mean")}
                arrays["moving_variance"] = np.abs(weights(self.rng, shape[-1])) + np.float32(0.3)
                return LayerSpec(name, kind, {"epsilon": 0.01}, arrays, (source,), shape)
            case "RepeatVector":
                times = self.size(4)
                return LayerSpec(name, kind, {"n": times}, {}, (source,), (times, *shape))
            case "Flatten":
                return LayerSpec(name, kind, {}, {}, (source,), (int(np.prod(shape)),))
        return LayerSpec(name, kind, {}, {}, (source,), shape)

    def make(self) -> ModelGraph:
        shape: tuple[int, ...] = (self.size(6), self.size(9))
        source = self.input(*shape)
        if self.flag(0.4):
            self.layers.append(LayerSpec("mask", "Masking", {"mask_value": MASK_VALUE}, {}, (source,), shape))
            source = "mask"
        for index in range(self.size(4)):
            layer = self.layer(f"layer{index}", source, shape)
            self.layers.append(layer)
            source, shape = layer.name, layer.output_shape
        others = [name for name in self.outputs if self.flag()]
        return graph(self.inputs, self.layers, (source, *others))


def random_graph(seed: int) -> ModelGraph:
    """The model of this number: always the same."""
    return _Maker(seed).make()


def random_inputs(model: ModelGraph, seed: int, spread: float) -> dict[str, NDArray[np.float32]]:
    """Inputs for it; where it masks, some steps of the first input are padding."""
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0, spread, shape).astype(np.float32) for name, shape in model.inputs.items()}
    if any(layer.kind == "Masking" for layer in model.layers):
        first = next(iter(arrays.values()))
        first[rng.random(len(first)) < 0.4] = MASK_VALUE
    return arrays
