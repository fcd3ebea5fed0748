"""nn.LSTM, nn.GRU and nn.RNN in Keras's terms: one layer for each of theirs, weights in Keras's order.

PyTorch stacks gates as rows of weight_ih (gates x units, inputs) and weight_hh: i, f, g, o for the LSTM, which is
Keras's order too, and r, z, n for the GRU, where Keras has z, r, n. Its GRU applies r after the recurrent product
(Keras's reset_after), for which Keras keeps both biases as well; the two biases of the others only ever occur as a sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.graph import FloatArray
from harness.model.torch_program import Node, Ref, TorchError
from harness.model.torch_values import Graph, Last, Stack, Tensor, Value, Zeros, reference, unsupported


@dataclass(frozen=True, slots=True)
class Kind:
    """A recurrent operator: its layer in Keras, the setting that goes with it, gates, and states."""

    layer: str
    settings: Mapping[str, object]
    gates: int
    states: int


_TANH = {"activation": "tanh"}
_GATED = _TANH | {"recurrent_activation": "sigmoid"}
LSTM = Kind("LSTM", _GATED, 4, 2)
GRU = Kind("GRU", _GATED | {"reset_after": True}, 3, 1)
RNN_TANH = Kind("SimpleRNN", _TANH, 1, 1)
RNN_RELU = Kind("SimpleRNN", {"activation": "relu"}, 1, 1)
KINDS: Mapping[str, Kind] = {
    "aten.lstm.input": LSTM,
    "aten.gru.input": GRU,
    "aten.rnn_tanh.input": RNN_TANH,
    "aten.rnn_relu.input": RNN_RELU,
}


def keras_weights(
    kind: Kind, weight_ih: FloatArray, weight_hh: FloatArray, bias_ih: FloatArray | None, bias_hh: FloatArray | None
) -> dict[str, FloatArray]:
    """Weights of one cell, from PyTorch's (gates x units, inputs), (gates x units, units), 2 (gates x units,)."""
    units = weight_hh.shape[1]
    rows = np.arange(kind.gates * units)
    if kind is GRU:
        rows = rows.reshape(3, units)[[1, 0, 2]].reshape(-1)
    weights = {"kernel": weight_ih[rows].T.copy(), "recurrent_kernel": weight_hh[rows].T.copy()}
    if bias_ih is not None and bias_hh is not None:
        weights["bias"] = np.stack([bias_ih[rows], bias_hh[rows]]) if kind is GRU else bias_ih + bias_hh
    return weights


def add_recurrent(
    graph: Graph, node: Node, source: Value, states: Sequence[Value], params: Sequence[Value]
) -> list[Value]:
    """One of KINDS: adds its layers; returns the sequence and the final states, as PyTorch does."""
    kind = KINDS[node.target]
    batch_first, both = bool(node.get("batch_first")), bool(node.get("bidirectional"))
    layers = int(str(node.get("num_layers")))
    per_cell = 4 if node.get("has_biases") else 2
    if node.get("train") and node.get("dropout") and layers > 1:
        raise TorchError(
            f"its module {node.module or node.name!r} was exported in training mode, with dropout",
            "call model.eval() before torch.export.export",
        )
    if not isinstance(source, Tensor) or len(source.shape) != 2 or source.batch != (0 if batch_first else 1):
        raise unsupported(node, "on a tensor whose batch dimension is not where batch_first says")
    cells = layers * (1 + both)
    if len(params) != cells * per_cell:
        raise unsupported(node, "with proj_size")
    weights = [graph.constant(node, "weight", param) for param in params]
    initial = initial_states(graph, node, states, cells)
    sequence, *finals = node.outputs
    keep_states = any(graph.is_used(name) for name in finals)
    last = not both and _only_last_step(graph, sequence, 1 if batch_first else 0, source.shape[0])
    parts: list[list[Tensor]] = [[] for _ in range(kind.states)]
    for level in range(layers):
        first, step = level * (1 + both) * per_cell, per_cell
        name = node.module or node.name
        mine = [
            keras_weights(kind, *_padded(weights[first + k * step : first + (k + 1) * step])) for k in range(1 + both)
        ]
        states_in = [initial[level * (1 + both) + k] for k in range(1 + both)]
        source, final = add_cell_layer(
            graph,
            kind,
            f"{name}.l{level}" if layers > 1 else name,
            source,
            mine,
            states_in,
            sequences=level < layers - 1 or not last,
            keep_states=keep_states,
        )
        for part, state in zip(parts, final, strict=True):
            part += state
    result: Value = (
        source
        if not last
        else Last(source, graph.program.shapes[sequence][1 if batch_first else 0], 1 if batch_first else 0)
    )
    return [result, *(Stack(tuple(part)) for part in parts)]


def add_cell_layer(
    graph: Graph,
    kind: Kind,
    name: str,
    source: Tensor,
    weights: Sequence[Mapping[str, FloatArray]],
    initial: Sequence[tuple[Tensor, ...]],
    *,
    sequences: bool,
    keep_states: bool,
) -> tuple[Tensor, list[list[Tensor]]]:
    """One layer, of one direction or two.

    Args:
        weights, initial: one a direction; no initial states: zeros.

    Returns:
        Its output, (steps, units) or (units,), and for each kind of state its final values, one a direction.
    """
    units = weights[0]["recurrent_kernel"].shape[0]
    steps, both = source.shape[0], len(weights) == 2
    returns = {"return_sequences": sequences, "return_state": keep_states}
    config = {"units": units, "use_bias": "bias" in weights[0], **kind.settings, **returns}
    given: dict[str, FloatArray] = dict(weights[0])
    if both:
        there = {f"layer.{key}": value for key, value in config.items()}
        back = {f"backward_layer.{key}": value for key, value in config.items()}
        kinds = {"layer.kind": kind.layer, "backward_layer.kind": kind.layer, "backward_layer.go_backwards": True}
        config = {"merge_mode": "concat", "return_state": keep_states, **there, **back, **kinds}
        given = {
            f"{way}/{key}": array
            for way, cell in zip(("forward", "backward"), weights, strict=True)
            for key, array in cell.items()
        }
    if any(bool(states) != bool(initial[0]) for states in initial):
        raise TorchError(f"module {name!r} is given initial states in one direction only")
    width = units * len(weights)
    shape = (steps, width) if sequences else (width,)
    inputs = (source.name, *(state.name for states in initial for state in states))
    made = graph.add("Bidirectional" if both else kind.layer, name, config, inputs, shape, given)
    numbers = itertools.count(1)
    by_direction = [[Tensor(f"{made}:{next(numbers)}", (units,), 0) for _ in range(kind.states)] for _ in weights]
    finals = [[states[which] for states in by_direction] for which in range(kind.states)]
    return Tensor(made, shape, source.batch if sequences else 0), finals


def initial_states(graph: Graph, node: Node, states: Sequence[Value], cells: int) -> list[tuple[Tensor, ...]]:
    """For each cell its initial states, none for zeros."""
    tables: list[list[Tensor]] = []
    for value in states:
        if isinstance(value, Zeros) or (isinstance(value, np.ndarray) and not value.any()):
            continue
        if isinstance(value, Stack):
            parts = list(value.parts)
        elif isinstance(value, Tensor) and len(value.shape) == 2 and value.batch == 1:
            parts = [graph.row(value, index, 0) for index in range(value.shape[0])]
        else:
            raise unsupported(node, "with an initial state that is neither zeros nor an input or a final state")
        if len(parts) != cells:
            raise unsupported(node, f"with initial states for {len(parts)} layers of {cells}")
        tables.append(parts)
    if tables and len(tables) != len(states):
        raise unsupported(node, "with only one of its two initial states given")
    return list(zip(*tables, strict=True)) if tables else [()] * cells


def _padded(weights: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]:
    weight_ih, weight_hh, *biases = weights
    return (weight_ih, weight_hh, biases[0], biases[1]) if biases else (weight_ih, weight_hh, None, None)


def _only_last_step(graph: Graph, name: str, time_axis: int, steps: int) -> bool:
    """Nobody looks at a step of the sequence but the last."""

    def takes_last(node: Node) -> bool:
        return (
            node.target == "aten.select.int"
            and reference(node, "self") == name
            and int(str(node.get("dim"))) % 3 == time_axis
            and int(str(node.get("index"))) % steps == steps - 1
        )

    return name not in graph.program.outputs and all(takes_last(node) for node in graph.readers.get(name, []))


def refs(node: Node, argument: str) -> list[str]:
    """Names of a list of tensors among the arguments."""
    value = node.get(argument)
    values = value if isinstance(value, tuple) else (value,)
    names = [item.name for item in values if isinstance(item, Ref)]
    if len(names) != len(values):
        raise unsupported(node, f"with such {argument}")
    return names
