"""Recurrent cells called step by step (nn.LSTMCell and its like, or an LSTM written out), and the chains they form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.model.graph import FloatArray
from harness.model.torch_ops import SAME
from harness.model.torch_program import Node, Ref
from harness.model.torch_recurrent import GRU, LSTM, RNN_RELU, RNN_TANH, Kind, keras_weights, refs
from harness.model.torch_values import Graph, Value, reference

CELL_TARGETS: Mapping[str, Kind] = {
    "aten.lstm_cell.default": LSTM,
    "aten.gru_cell.default": GRU,
    "aten.rnn_tanh_cell.default": RNN_TANH,
    "aten.rnn_relu_cell.default": RNN_RELU,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One step of one cell.

    Attributes:
        name: of its module, or of its operator.
        source: the tensor it reads.
        states: h, and c where it has one, as it is given them.
        outputs: the same after the step.
        weights: in Keras's order.
        nodes: names of the operators it is made of.
        swappable: source and h may be taken for each other, as both fit and this is the first step.
    """

    kind: Kind
    name: str
    source: str
    states: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, FloatArray]
    nodes: frozenset[str]
    swappable: bool = False

    def swapped(self) -> Call:
        """The same step with source and h taken for each other."""
        weights = dict(self.weights)
        weights["kernel"], weights["recurrent_kernel"] = weights["recurrent_kernel"], weights["kernel"]
        return replace(self, source=self.states[0], states=(self.source, *self.states[1:]), weights=weights)

    def has_weights_of(self, other: Call) -> bool:
        """It is the same cell."""
        return (self.kind, set(self.weights)) == (other.kind, set(other.weights)) and all(
            np.array_equal(array, other.weights[name]) for name, array in self.weights.items()
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps of one cell, each fed the states of the one before."""

    calls: tuple[Call, ...]

    def is_read_outside(self, graph: Graph, step: int, which: int) -> bool:
        """Somebody but the next step reads a state after this step (`which`: 0 is h)."""
        name = self.calls[step].outputs[which]
        inside = self.calls[step].nodes | (self.calls[step + 1].nodes if step + 1 < len(self.calls) else frozenset())
        readers = graph.readers.get(name, [])
        return name in graph.program.outputs or any(node.name not in inside for node in readers)


def origin(graph: Graph, name: str) -> str:
    """The tensor a name stands for, looking through what changes nothing."""
    while name in graph.producers and graph.producers[name][0].target in SAME:
        node = graph.producers[name][0]
        if node.get("train") and node.get("p"):
            break
        name = node.reads()[0]
    return name


def cell_call(graph: Graph, node: Node, value: Callable[[str], Value | None]) -> Call:
    """One of CELL_TARGETS as a call; `value`: of a parameter by its name."""
    kind = CELL_TARGETS[node.target]
    arrays: list[FloatArray | None] = []
    for argument in ("w_ih", "w_hh", "b_ih", "b_hh"):
        given = node.get(argument)
        arrays.append(graph.constant(node, argument, value(given.name)) if isinstance(given, Ref) else None)
    weight_ih, weight_hh, bias_ih, bias_hh = arrays
    assert weight_ih is not None and weight_hh is not None, "the operator's own arguments"
    return Call(
        kind=kind,
        name=node.module or node.name,
        source=origin(graph, reference(node, "input")),
        states=tuple(origin(graph, name) for name in refs(node, "hx")),
        outputs=node.outputs,
        weights=keras_weights(kind, weight_ih, weight_hh, bias_ih, bias_hh),
        nodes=frozenset([node.name]),
    )


def chains(calls: list[Call]) -> list[Chain]:
    """Calls, in order of computation, put together to chains of one cell each."""
    rows: list[list[Call]] = []
    at: dict[str, list[Call]] = {}  # h after the last step of a chain -> the chain
    for call in calls:
        row = at.get(call.states[0])
        last = row[-1] if row else None
        if last is not None and row is not None and last.swappable and not call.has_weights_of(last):
            last = last.swapped()
        if last is not None and row is not None and call.states == last.outputs and call.has_weights_of(last):
            del at[call.states[0]]
            row[-1] = last
            row.append(call)
        else:
            row = [call]
            rows.append(row)
        at[call.outputs[0]] = row
    return [Chain(tuple(row)) for row in rows]
