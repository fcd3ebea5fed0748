"""All layers by Keras's equations in float64, written apart from the packer, and graphs to try them on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        case "elu":
            return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)
        case "selu":
            return 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(np.minimum(x, 0)), x)
        case "softplus":
            return np.logaddexp(x, 0.0)
        case "softsign":
            return x / (1 + np.abs(x))
        case "silu":
            return x * activate("sigmoid", x)
        case "leaky_relu":
            return np.where(x < 0, 0.2 * x, x)
        case "exponential":
            return np.exp(x)
        case "relu6":
            return np.clip(x, 0, 6)
        case "hard_silu":
            return x * activate("hard_sigmoid", x)
        case "gelu":
            return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    raise ValueError(name)


@dataclass(slots=True)
class Scale:
    """The largest sum of magnitudes, sum |w||x| + |b|, that went into any one pre-activation; at least 1.

    float32 rounds such a sum in proportion to it, not to the result, which may have cancelled or been squashed.
    """

    value: float = 1.0

    def note(self, magnitudes: F64) -> None:
        self.value = max(self.value, float(magnitudes.max()))


class Cell:
    """One recurrent cell: settings and weights behind prefixes of a layer."""

    def __init__(self, layer: LayerSpec, kind: str, settings: str = "", weights: str = "") -> None:
        self.kind = kind.removesuffix("Cell")
        self.units = int(str(layer.config[f"{settings}units"]))
        self.activation = str(layer.config.get(f"{settings}activation", "tanh"))
        self.gate = str(layer.config.get(f"{settings}recurrent_activation", "sigmoid"))
        self.after = bool(layer.config.get(f"{settings}reset_after", True))
        bias = bool(layer.config.get(f"{settings}use_bias", True))
        take = {
            name.removeprefix(weights): w.astype(np.float64)
            for name, w in layer.weights.items()
            if name.startswith(weights)
        }
        self.w, self.u = take["kernel"], take["recurrent_kernel"]
        shape = (2, self.w.shape[1]) if self.kind == "GRU" and self.after else (self.w.shape[1],)
        self.b = take["bias"] if bias else np.zeros(shape)
        self.peep = take.get("peephole_kernel", np.zeros((3, self.units)))

    @property
    def states(self) -> int:
        return 1 if self.kind in ("GRU", "SimpleRNN") else 2

    def zero(self) -> list[F64]:
        return [np.zeros(self.units) for _ in range(self.states)]

    def step(self, x: F64, state: list[F64], scale: Scale) -> list[F64]:
        h, n = state[0], self.units
        scale.note(np.abs(x) @ np.abs(self.w) + np.abs(h) @ np.abs(self.u) + np.abs(self.b))
        act, gate = (lambda v: activate(self.activation, v)), (lambda v: activate(self.gate, v))
        if self.kind == "SimpleRNN":
            return [act(x @ self.w + h @ self.u + self.b)]
        if self.kind == "GRU":
            b, b2 = self.b if self.after else (self.b, np.zeros_like(self.b))
            wx, uh = x @ self.w + b, h @ self.u + b2
            z, r = gate(wx[:n] + uh[:n]), gate(wx[n : 2 * n] + uh[n : 2 * n])
            inner = r * uh[2 * n :] if self.after else (r * h) @ self.u[:, 2 * n :]
            return [z * h + (1 - z) * act(wx[2 * n :] + inner)]
        c = state[1]
        parts = x @ self.w + h @ self.u + self.b
        if self.kind == "CoupledLSTM":
            f, new, o = np.split(parts, 3)
            c = gate(f) * c + (1 - gate(f)) * act(new)
        else:
            i, f, new, o = np.split(parts, 4)
            c = gate(f + self.peep[1] * c) * c + gate(i + self.peep[0] * c) * act(new)
            o = o + self.peep[2] * c
        scale.note(np.abs(c))
        return [gate(o) * act(c), c]


def _cells(layer: LayerSpec, settings: str = "", weights: str = "") -> list[Cell]:
    kind = str(layer.config[f"{settings}kind"]) if settings else layer.kind
    if kind != "RNN":
        return [Cell(layer, kind, settings, weights)]
    if layer.config[f"{settings}cell.kind"] != "StackedRNNCells":
        return [Cell(layer, str(layer.config[f"{settings}cell.kind"]), f"{settings}cell.", weights)]
    count = len({key.split(".")[2] for key in layer.config if key.startswith("cell.cells.")})
    return [Cell(layer, str(layer.config[f"cell.cells.{k}.kind"]), f"cell.cells.{k}.", f"{k}/") for k in range(count)]


def _sequence(
    cells: list[Cell], x: F64, mask: Sequence[bool], initial: list[F64], scale: Scale, *, backwards: bool, zero: bool
) -> tuple[F64, list[F64]]:
    """Outputs of all steps in the order in which they are computed, and the states at the end."""
    states = [cell.zero() for cell in cells]
    if initial:
        flat = iter(initial)
        states = [[next(flat) for _ in state] for state in states]
    rows: list[F64] = []
    previous = np.zeros(cells[-1].units)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        if mask[t]:
            value = x[t]
            for level, cell in enumerate(cells):
                states[level] = cell.step(value, states[level], scale)
                value = states[level][0]
            previous = value
        rows.append(previous if mask[t] or not zero else np.zeros_like(previous))
    return np.array(rows), [state for level in states for state in level]


def recurrent(layer: LayerSpec, x: F64, mask: Sequence[bool], initial: list[F64], scale: Scale) -> list[F64]:
    """All outputs of LSTM, GRU, SimpleRNN, RNN and Bidirectional."""
    config = layer.config
    if layer.kind != "Bidirectional":
        zero, backwards = bool(config.get("zero_output_for_mask")), bool(config.get("go_backwards"))
        rows, states = _sequence(_cells(layer), x, mask, initial, scale, backwards=backwards, zero=zero)
        y = rows if config.get("return_sequences") else rows[-1]
        return [y, *(states if config.get("return_state") else [])]
    sequences = bool(config.get("layer.return_sequences"))
    halves, all_states = [], []
    for settings, weights, part in (
        ("layer.", "forward/", initial[: len(initial) // 2]),
        ("backward_layer.", "backward/", initial[len(initial) // 2 :]),
    ):
        backwards = bool(config.get(f"{settings}go_backwards"))
        rows, states = _sequence(
            _cells(layer, settings, weights), x, mask, part, scale, backwards=backwards, zero=sequences
        )
        halves.append((rows[::-1] if settings == "backward_layer." else rows) if sequences else rows[-1])
        all_states += states
    one, two = halves
    match config["merge_mode"]:
        case "concat":
            results = [np.concatenate([one, two], axis=-1)]
        case "sum":
            results = [one + two]
        case "ave":
            results = [(one + two) / 2]
        case "mul":
            results = [one * two]
        case _:
            results = [one, two]
    return results + (all_states if config.get("layer.return_state") else [])


def batch_norm(layer: LayerSpec, x: F64) -> F64:
    w = {name: value.astype(np.float64) for name, value in layer.weights.items()}
    y = (x - w["moving_mean"]) / np.sqrt(w["moving_variance"] + float(str(layer.config.get("epsilon", 1e-3))))
    return y * w.get("gamma", 1.0) + w.get("beta", 0.0)


def _dense(layer: LayerSpec, x: F64, scale: Scale, prefix: str = "") -> F64:
    kernel = layer.weights["kernel"].astype(np.float64)
    bias = layer.weights["bias"].astype(np.float64) if layer.config.get(f"{prefix}use_bias", True) else 0.0
    scale.note(np.abs(x) @ np.abs(kernel) + np.abs(bias))
    return activate(str(layer.config.get(f"{prefix}activation", "linear")), x @ kernel + bias)


def run(graph: ModelGraph, inputs: Mapping[str, NDArray[np.float32]]) -> list[F64]:
    """Outputs of a graph, in order."""
    return run_scaled(graph, inputs)[0]


def run_scaled(graph: ModelGraph, inputs: Mapping[str, NDArray[np.float32]]) -> tuple[list[F64], float]:
    """Outputs of a graph, in order, and the scale of float32's error in them (see `Scale`)."""
    scale = Scale()
    values: dict[str, F64] = {name: x.astype(np.float64) for name, x in inputs.items()}
    masks: dict[str, list[bool]] = {}
    for layer in graph.layers:
        given = [values[name] for name in layer.inputs]
        x, mask = given[0], masks.get(layer.inputs[0])
        kept = mask
        match layer.kind:
            case "LSTM" | "GRU" | "SimpleRNN" | "RNN" | "Bidirectional" | "PeepholeLSTM" | "CoupledLSTM":
                # Keras hands no mask on to a layer that is given initial states.
                used = mask if len(given) == 1 or "mask_of" in layer.config else None
                y, *others = recurrent(layer, x, used or [True] * len(x), given[1:], scale)
                values |= {f"{layer.name}:{k}": other for k, other in enumerate(others, 1)}
                if not (layer.config.get("return_sequences") or layer.config.get("layer.return_sequences")):
                    kept = None
            case "Dense":
                y = _dense(layer, x, scale)
            case "TimeDistributed":
                y = np.array([_dense(layer, row, scale, "layer.") for row in x])
            case "BatchNormalization":
                y = batch_norm(layer, x)
            case "LengthMask":
                y, kept = x, [bool(t < given[1][0]) for t in range(len(x))]
            case "Masking":
                kept = [bool(np.any(row != layer.config["mask_value"])) for row in x]
                y = np.where(np.array(kept)[:, np.newaxis], x, 0.0)
            case "Add" | "Average":
                y, kept = sum(given[1:], given[0]) / (len(given) if layer.kind == "Average" else 1), None
            case "Multiply":
                y, kept = np.prod(given, axis=0), None
            case "Subtract":
                y, kept = given[0] - given[1], None
            case "Maximum" | "Minimum":
                y, kept = (np.max if layer.kind == "Maximum" else np.min)(given, axis=0), None
            case "Concatenate":
                y, kept = np.concatenate(given, axis=-1), None
            case "RepeatVector":
                y = np.repeat(x[np.newaxis], int(str(layer.config["n"])), axis=0)
            case "Activation":
                y = activate(str(layer.config["activation"]), x)
            case "Rescaling":
                factor, shift = (np.asarray(layer.config[key], np.float64) for key in ("scale", "offset"))
                y = x * factor + shift
            case "Flatten":
                y, kept = x.reshape(-1), None
            case "Cropping1D":
                first, last = layer.config["cropping"]  # type: ignore[misc]
                y, kept = x[first : len(x) - last], None
            case "Reshape":
                y, kept = x.reshape(layer.output_shape), None
            case "Dropout" | "GaussianNoise" | "Identity":
                y = x
            case "ReLU":
                y = activate("relu6" if layer.config.get("max_value") else "relu", x)
            case "LeakyReLU":
                y = np.where(x < 0, float(str(layer.config["negative_slope"])) * x, x)
            case "ELU":
                y = np.where(x < 0, float(str(layer.config["alpha"])) * np.expm1(np.minimum(x, 0)), x)
            case _:
                raise ValueError(layer.kind)
        values[layer.name] = y
        if kept is not None:
            masks[layer.name] = kept
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


GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1, "PeepholeLSTM": 4, "CoupledLSTM": 3}


def cell_weights(
    rng: np.random.Generator, kind: str, inputs: int, units: int, *, bias: bool = True, reset_after: bool = True
) -> dict[str, NDArray[np.float32]]:
    """Random weights of one cell, by Keras's names."""
    width = GATES[kind] * units
    arrays = {"kernel": weights(rng, inputs, width), "recurrent_kernel": weights(rng, units, width)}
    if bias:
        both = kind == "GRU" and reset_after
        arrays["bias"] = (
            weights(rng, width).reshape(width) * 0.5 if not both else weights(rng, 2, width) * np.float32(0.5)
        )
    if kind == "PeepholeLSTM":
        arrays["peephole_kernel"] = weights(rng, 3, units)
    return arrays


def recurrent_layer(
    rng: np.random.Generator,
    kind: str,
    name: str,
    source: str | tuple[str, ...],
    shape: tuple[int, ...],
    units: int,
    **config: object,
) -> LayerSpec:
    """LSTM, GRU or SimpleRNN as layers, the others as an RNN over their cell; settings as Keras names them."""
    bias, after = bool(config.get("use_bias", True)), bool(config.get("reset_after", True))
    arrays = cell_weights(rng, kind, shape[1], units, bias=bias, reset_after=after)
    out = (shape[0], units) if config.get("return_sequences") else (units,)
    inputs = (source,) if isinstance(source, str) else source
    settings: dict[str, object] = {"units": units, **config}
    if kind in ("LSTM", "GRU", "SimpleRNN"):
        return LayerSpec(name, kind, settings, arrays, inputs, out)
    of_cell = ("units", "use_bias", "activation", "recurrent_activation")
    wrapped = {(f"cell.{key}" if key in of_cell else key): value for key, value in settings.items()}
    return LayerSpec(name, "RNN", {**wrapped, "cell.kind": f"{kind}Cell"}, arrays, inputs, out)


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
