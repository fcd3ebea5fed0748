"""LSTM cells written out in Linear layers, products and activations: found by their equations, in any order of gates.

    c' = sigmoid(f) * c + sigmoid(i) * tanh(g)        h' = sigmoid(o) * tanh(c')

where f, i, g and o are each W x + U h + b, from one Linear layer over both, one for each, one a gate, or products with
parameters, in one piece or as parts of a larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.model.graph import FloatArray
from harness.model.torch_cells import Call, origin
from harness.model.torch_ops import is_zero
from harness.model.torch_program import Node, Ref
from harness.model.torch_recurrent import LSTM
from harness.model.torch_values import Graph, Value

Values = Callable[[str], Value | None]


@dataclass(frozen=True, slots=True)
class Affine:
    """A sum of products with weights.

    Attributes:
        terms: tensor -> its weights (outputs, inputs).
        bias: (outputs,) or None.
        nodes: names of the operators it is made of.
    """

    terms: dict[str, FloatArray]
    bias: FloatArray | None
    nodes: frozenset[str]

    @property
    def outputs(self) -> int:
        return int(next(iter(self.terms.values())).shape[0])

    def part(self, start: int, stop: int, node: Node) -> Affine:
        terms = {name: weight[start:stop] for name, weight in self.terms.items()}
        return Affine(terms, None if self.bias is None else self.bias[start:stop], self.nodes | {node.name})


def find_cells(graph: Graph, values: Values, given: dict[str, str]) -> Iterator[Call]:
    """Cells, in order of computation.

    Args:
        values: of parameters by their names.
        given: filled with h after each cell found, so that the next one knows its h.
    """
    for node in graph.program.nodes:
        if node.target == "aten.mul.Tensor":
            call = _cell(graph, node, values, given)
            if call is not None:
                given[call.outputs[0]] = call.outputs[1]
                yield call


def _cell(graph: Graph, node: Node, values: Values, given: dict[str, str]) -> Call | None:
    for gate, squashed in _both_ways(graph, node, "aten.sigmoid.default", "aten.tanh.default"):
        cell = _made_by(graph, squashed.reads()[0], "aten.add.Tensor")
        if cell is None or len(cell.reads()) != 2 or cell.get("alpha", 1) != 1:
            continue
        products = [_made_by(graph, name, "aten.mul.Tensor") for name in cell.reads()]
        for kept, new in (products, products[::-1]):
            call = (
                None
                if kept is None or new is None
                else _with(graph, node, gate, squashed, cell, kept, new, values, given)
            )
            if call is not None:
                return call
    return None


def _with(
    graph: Graph,
    node: Node,
    out_gate: Node,
    squashed: Node,
    cell: Node,
    kept: Node,
    new: Node,
    values: Values,
    given: dict[str, str],
) -> Call | None:
    for in_gate, candidate in _both_ways(graph, new, "aten.sigmoid.default", "aten.tanh.default"):
        for position, name in enumerate(kept.reads()):
            forget = _made_by(graph, name, "aten.sigmoid.default")
            if forget is None or len(kept.reads()) != 2:
                continue
            gates = [_affine(graph, gate.reads()[0], values) for gate in (in_gate, forget, candidate, out_gate)]
            known = [gate for gate in gates if gate is not None]
            if len(known) != 4 or any(set(gate.terms) != set(known[0].terms) for gate in known):
                continue
            state = origin(graph, kept.reads()[1 - position])
            nodes = [node, out_gate, squashed, cell, kept, new, in_gate, candidate, forget]
            names = frozenset(each.name for each in nodes).union(*(gate.nodes for gate in known))
            call = _call(node, known, state, (node.outputs[0], cell.outputs[0]), names, values, given)
            if call is not None:
                return call
    return None


def _call(
    node: Node,
    gates: list[Affine],
    state: str,
    outputs: tuple[str, str],
    nodes: frozenset[str],
    values: Values,
    given: dict[str, str],
) -> Call | None:
    units = gates[0].outputs
    terms = list(gates[0].terms)
    fitting = [name for name in terms if gates[0].terms[name].shape[1] == units]
    if len(terms) != 2 or not fitting or any(gate.outputs != units for gate in gates):
        return None
    sure = [name for name in fitting if given.get(name) == state or is_zero(values(name))]
    hidden = sure[0] if sure else fitting[-1]
    source = next(name for name in terms if name != hidden)
    weights = {
        "kernel": np.concatenate([gate.terms[source] for gate in gates]).T.copy(),
        "recurrent_kernel": np.concatenate([gate.terms[hidden] for gate in gates]).T.copy(),
    }
    if any(gate.bias is not None for gate in gates):
        weights["bias"] = np.concatenate([np.zeros(units, np.float32) if g.bias is None else g.bias for g in gates])
    return Call(
        kind=LSTM,
        name=node.module or node.name,
        source=source,
        states=(hidden, state),
        outputs=outputs,
        weights=weights,
        nodes=nodes,
        swappable=len(fitting) == 2 and not sure,
    )


def _made_by(graph: Graph, name: str, target: str) -> Node | None:
    produced = graph.producers.get(origin(graph, name))
    return produced[0] if produced is not None and produced[0].target == target else None


def _both_ways(graph: Graph, node: Node, one: str, other: str) -> Iterator[tuple[Node, Node]]:
    """Makers of a product's factors, where they are these two."""
    factors = node.reads()
    if len(factors) == 2:
        for first, second in (factors, factors[::-1]):
            left, right = _made_by(graph, first, one), _made_by(graph, second, other)
            if left is not None and right is not None:
                yield left, right


def _affine(graph: Graph, name: str, values: Values) -> Affine | None:
    """A tensor (batch, features) as a sum of products with weights; None: it is none."""
    produced = graph.producers.get(origin(graph, name))
    if produced is None or len(graph.program.shapes[name]) != 2:
        return None
    node, index = produced
    if node.target == "aten.linear.default":
        return _product(graph, node, node.get("input"), _array(node, "weight", values), _array(node, "bias", values))
    if node.target in ("aten.matmul.default", "aten.mm.default"):
        weight = _array(node, "other" if node.target == "aten.matmul.default" else "mat2", values)
        return _product(graph, node, node.get("self"), None if weight is None else weight.T, None)
    if node.target == "aten.addmm.default":
        weight = _array(node, "mat2", values)
        return _product(
            graph, node, node.get("mat1"), None if weight is None else weight.T, _array(node, "self", values)
        )
    if node.target == "aten.add.Tensor" and node.get("alpha", 1) == 1:
        return _sum(graph, node, values)
    if node.target in ("aten.chunk.default", "aten.split.Tensor", "aten.split.sizes", "aten.split_with_sizes.default"):
        whole = _affine(graph, node.reads()[0], values)
        if whole is None or int(str(node.get("dim", 0))) % 2 != 1:
            return None
        sizes = [graph.program.shapes[output][1] for output in node.outputs]
        return whole.part(sum(sizes[:index]), sum(sizes[: index + 1]), node)
    if node.target == "aten.slice.Tensor":
        whole = _affine(graph, node.reads()[0], values)
        if whole is None or node.get("step", 1) != 1:
            return None
        if int(str(node.get("dim", 0))) % 2 == 0:  # x[:, a:b] may cut the whole batch first
            return whole if graph.program.shapes[node.reads()[0]] == graph.program.shapes[node.outputs[0]] else None
        start, stop, _ = slice(node.get("start"), node.get("end")).indices(whole.outputs)
        return whole.part(start, stop, node)
    return None


def _array(node: Node, argument: str, values: Values) -> FloatArray | None:
    given = node.get(argument)
    value = values(given.name) if isinstance(given, Ref) else None
    return value.astype(np.float32) if isinstance(value, np.ndarray) and np.isfinite(value).all() else None


def _product(
    graph: Graph, node: Node, source: object, weight: FloatArray | None, bias: FloatArray | None
) -> Affine | None:
    if weight is None or weight.ndim != 2 or not isinstance(source, Ref):
        return None
    name = origin(graph, source.name)
    joined = _made_by(graph, name, "aten.cat.default")
    if joined is None:
        return Affine({name: weight}, bias, frozenset([node.name]))
    parts = [origin(graph, part) for part in joined.reads()]
    if len(set(parts)) != len(parts) or int(str(joined.get("dim", 0))) % 2 != 1:
        return None
    ends = np.cumsum([graph.program.shapes[part][1] for part in parts])[:-1]
    terms = dict(zip(parts, np.split(weight, ends, axis=1), strict=True))
    return Affine(terms, bias, frozenset([node.name, joined.name]))


def _sum(graph: Graph, node: Node, values: Values) -> Affine | None:
    summands = node.reads()
    if len(summands) != 2:
        return None
    parts = [_affine(graph, name, values) for name in summands]
    for part, other in zip(parts, summands[::-1], strict=True):
        if part is not None and other not in graph.producers and other in graph.program.constants:
            value = values(other)
            if isinstance(value, np.ndarray) and value.size == part.outputs and np.isfinite(value).all():
                flat = value.reshape(-1).astype(np.float32)
                return Affine(part.terms, flat if part.bias is None else part.bias + flat, part.nodes | {node.name})
    one, two = parts
    if one is None or two is None or one.outputs != two.outputs or set(one.terms) & set(two.terms):
        return None
    biases = [part.bias for part in (one, two) if part.bias is not None]
    bias = sum(biases[1:], biases[0]) if biases else None
    return Affine(one.terms | two.terms, bias, one.nodes | two.nodes | {node.name})
