"""From the outputs of a PyTorch program back to its inputs: what each tensor is, and the layers that make it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from harness.model.torch_cells import CELL_TARGETS, Chain, cell_call, chains, origin
from harness.model.torch_ops import (
    ACTIVATIONS,
    MERGES,
    ZEROS,
    activation_settings,
    add_activation,
    add_linear,
    add_merge,
    add_rescaling,
    apply,
    as_tensor,
    is_with_number,
    is_zero,
    linear_weights,
)
from harness.model.torch_program import AnyArray, Node, Ref, TorchError
from harness.model.torch_recurrent import KINDS, add_cell_layer, add_recurrent, refs
from harness.model.torch_values import Graph, Last, Tensor, Value, Zeros, number, reference, unsupported
from harness.model.torch_written_out import find_cells

LINEAR = ("aten.linear.default", "aten.matmul.default", "aten.mm.default", "aten.addmm.default")


@dataclass(slots=True)
class Reader:
    """Values on demand, from the outputs back: what nobody needs makes no layer."""

    graph: Graph
    chains: dict[str, tuple[Chain, int, int]] = field(default_factory=dict)  # state -> its chain, step, which state
    sequences: dict[tuple[str, ...], Tensor] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        graph = self.graph
        calls = [cell_call(graph, node, self.fixed) for node in graph.program.nodes if node.target in CELL_TARGETS]
        calls += find_cells(graph, self.fixed, {})
        order = {node.name: at for at, node in enumerate(graph.program.nodes)}
        calls.sort(key=lambda call: max(order[name] for name in call.nodes))
        for chain in chains(calls):
            for step, call in enumerate(chain.calls):
                for which, name in enumerate(call.outputs):
                    self.chains[name] = (chain, step, which)

    def fixed(self, name: str) -> AnyArray | Zeros | None:
        """A parameter, a constant, or zeros; None: it is computed."""
        if name in self.graph.program.constants:
            return self.graph.program.constants[name]
        node, _ = self.graph.producers.get(name, (None, 0))
        if node is None:
            return None
        if node.target in ZEROS:
            return Zeros()
        if node.target in ("aten.t.default", "aten.transpose.int", "aten.permute.default"):
            below = self.fixed(node.reads()[0])
            return below.T if isinstance(below, np.ndarray) and below.ndim == 2 else None
        if node.target == "aten.expand.default" and is_zero(self.fixed(node.reads()[0])):
            return Zeros()
        root = origin(self.graph, name)
        return self.fixed(root) if root != name else None

    def output(self, name: str) -> Tensor:
        value = self.value(name)
        node = self.graph.producers.get(name, (None, 0))[0]
        if node is None or isinstance(value, Zeros | Last | np.ndarray):
            raise TorchError(f"its output {name!r} is an input or a constant", "return what the model computes")
        tensor = as_tensor(self.graph, node, value)
        if tensor.name in self.graph.program.inputs:
            raise TorchError(f"its output {name!r} is an input", "return what the model computes")
        return tensor

    def tensors(self) -> dict[str, tuple[tuple[str, ...], int | None]]:
        """Layer -> the program's tensor that holds its output, or one a step, and its batch dimension."""
        found: dict[str, tuple[tuple[str, ...], int | None]] = {}
        for names, steps in self.sequences.items():
            found.setdefault(steps.name, (names, 0))
        for name, value in self.graph.values.items():
            if isinstance(value, Tensor):
                found[value.name] = ((name,), value.batch)
        return found

    def value(self, name: str) -> Value:
        """What a tensor is, by its name."""
        graph = self.graph
        if name in graph.program.constants:
            return graph.program.constants[name]
        if name not in graph.values:
            if name in self.chains:
                self._state(name)
            else:
                node, _ = graph.producers[name]
                with self._once(f"node {node.name}", node.name):
                    results = self._results(node)
                graph.values.update(zip(node.outputs, results, strict=True))
        return graph.values[name]

    def tensor(self, node: Node, argument: str) -> Tensor:
        return as_tensor(self.graph, node, self.value(reference(node, argument)))

    @contextmanager
    def _once(self, key: str, name: str) -> Iterator[None]:
        if key in self._open:
            raise TorchError(
                f"its cell {name!r} reads at each step what was computed from its own step before, "
                "which the rnn engine does not support",
            )
        self._open.add(key)
        yield
        self._open.discard(key)

    def _state(self, name: str) -> None:
        """Give a state of a chain its value."""
        chain, step, which = self.chains[name]
        self._run(chain)
        if name in self.graph.values:
            return
        if which > 0:
            raise TorchError(
                f"it uses the cell state of {chain.calls[0].name!r} after step {step + 1} of {len(chain.calls)}",
                "use the output h, or the last cell state",
            )
        steps = self.sequences[tuple(call.outputs[0] for call in chain.calls)]
        self.graph.values[name] = self.graph.row(steps, step, 0)

    def _results(self, node: Node) -> list[Value]:
        graph = self.graph
        if node.target in KINDS:
            source = self.value(reference(node, "input"))
            states = [self.value(name) for name in refs(node, "hx")]
            return add_recurrent(graph, node, source, states, [self.value(name) for name in refs(node, "params")])
        if node.target in LINEAR:
            return [self._linear(node, "linear")]
        if node.target == "aten.stack.default":
            return [self._stack(node)]
        if node.target in ACTIVATIONS:
            below = graph.producers.get(origin(graph, reference(node, "self")))
            fused = below[0] if below is not None and below[0].target in LINEAR else None
            if fused is not None and self._is_private(node, fused):
                settings = activation_settings(node, len(graph.program.shapes[node.outputs[0]]))
                return [self._linear(fused, str(settings["activation"]))]
        if node.target == "aten.cat.default":
            whole = self._cat_of_steps(node)
            if whole is not None:
                return [whole]
        return apply(
            graph,
            node,
            lambda argument: self.value(reference(node, argument)),
            lambda argument: [as_tensor(graph, node, self.value(name)) for name in refs(node, argument)],
        )

    def _is_private(self, node: Node, linear: Node) -> bool:
        """Nobody sees what is between a Linear and its activation."""
        graph, name = self.graph, linear.outputs[0]
        return (
            reference(node, "self") == name
            and name not in graph.program.outputs
            and name not in graph.values
            and len(graph.readers[name]) == 1
        )

    def _linear(self, node: Node, activation: str) -> Tensor:
        names = {
            "aten.linear.default": ("input", "weight", "bias"),
            "aten.matmul.default": ("self", "other", ""),
            "aten.mm.default": ("self", "mat2", ""),
            "aten.addmm.default": ("mat1", "mat2", "self"),
        }
        source, weight, bias = names[node.target]
        array = self.value(reference(node, weight))
        if node.target != "aten.linear.default" and isinstance(array, np.ndarray):
            array = array.T
        weights = linear_weights(
            self.graph, node, array, None if node.get(bias) is None else self.value(reference(node, bias))
        )
        return add_linear(self.graph, node, self.tensor(node, source), weights, activation)

    def _stack(self, node: Node) -> Tensor:
        names = refs(node, "tensors")
        tensor = as_tensor(self.graph, node, self.sequence(tuple(names)))
        rank = len(self.graph.program.shapes[names[0]]) + 1
        dim = number(node, "dim", 0) % rank
        if len(tensor.shape) != 2:
            raise unsupported(node, "of tensors with several rows each")
        if rank == 2:  # steps without a batch
            return Tensor(tensor.name, tensor.shape, None) if dim == 0 else self._refuse_columns(node)
        return Tensor(tensor.name, tensor.shape, 1 - dim) if dim < 2 else self._refuse_columns(node)

    def _refuse_columns(self, node: Node) -> Tensor:
        raise unsupported(node, "along the features")

    def _cat_of_steps(self, node: Node) -> Tensor | None:
        """cat of tensors that are one step each, made by unsqueeze: a stack by another name."""
        graph, names = self.graph, refs(node, "tensors")
        makers = [graph.producers.get(name, (None, 0))[0] for name in names]
        dim = number(node, "dim", 0) % len(graph.program.shapes[names[0]])
        rows = []
        for maker in makers:
            if maker is None or maker.target != "aten.unsqueeze.default" or number(maker, "dim") % 3 != dim or dim > 1:
                return None
            rows.append(maker.reads()[0])
        if any(len(graph.program.shapes[row]) != 2 for row in rows):
            return None
        return Tensor((made := self.sequence(tuple(rows))).name, made.shape, 1 - dim)

    def sequence(self, names: tuple[str, ...]) -> Tensor:
        """Tensors (batch, features), one a step, as one (steps, features)."""
        names = tuple(origin(self.graph, name) for name in names)
        if names not in self.sequences:
            with self._once(f"steps {names}", names[0]):
                self.sequences[names] = self._sequence(names)
        return self.sequences[names]

    def _sequence(self, names: tuple[str, ...]) -> Tensor:
        graph = self.graph
        if names[0] in self.chains:
            chain = self.chains[names[0]][0]
            if tuple(call.outputs[0] for call in chain.calls) == names:
                self._run(chain)
                if names in self.sequences:
                    return self.sequences[names]
        produced = [graph.producers.get(name) for name in names]
        made = [each for each in produced if each is not None]
        if len(made) == len(names) and len(names) > 1 and not any(name in self.chains for name in names):
            whole = self._steps_of(made) or self._alike([node for node, _ in made])
            if whole is not None:
                return whole
        tensors = []
        for name in names:
            value = self.value(name)
            if not isinstance(value, Tensor) or len(value.shape) != 1:
                raise TorchError(f"it puts {name!r} together with other steps, which is not supported")
            tensors.append(value)
        width = tensors[0].shape[0]
        if len(set(names)) == 1 and len(names) > 1:
            shape = (len(names), width)
            return Tensor(graph.add("RepeatVector", "repeat", {"n": len(names)}, (tensors[0].name,), shape), shape, 0)
        return graph.joined(tensors, (len(names), width), 0)

    def _steps_of(self, made: list[tuple[Node, int]]) -> Tensor | None:
        """The sequence these are successive steps of."""
        graph = self.graph
        first = made[0][0]
        if first.target not in ("aten.select.int", "aten.unbind.int"):
            return None
        dim, source = first.get("dim", 0), reference(first, "self")
        indices = []
        for node, at in made:
            if (node.target, node.get("dim", 0)) != (first.target, dim) or reference(node, "self") != source:
                return None
            indices.append(at if node.target == "aten.unbind.int" else number(node, "index"))
        whole = self.value(source)
        if not isinstance(whole, Tensor) or len(whole.shape) != 2 or whole.batch is None:
            return None
        if int(str(dim)) % 3 != 1 - whole.batch:
            return None
        steps = [index % whole.shape[0] for index in indices]
        if steps != list(range(steps[0], steps[0] + len(steps))):
            return None
        return graph.rows(whole, steps[0], steps[-1] + 1)

    def _alike(self, nodes: list[Node]) -> Tensor | None:
        """One layer over all steps, where each step has the same operator with the same settings and parameters."""
        first = nodes[0]
        per_step = {"input"} if first.target == "aten.linear.default" else {"self", "other"}
        known = first.target == "aten.linear.default" or first.target in {*ACTIVATIONS, *MERGES, "aten.div.Tensor"}

        def fixed(node: Node) -> list[tuple[str, object]]:
            return [(a.name, a.value) for a in node.arguments if a.name not in per_step or not isinstance(a.value, Ref)]

        if not known or any(node.target != first.target or fixed(node) != fixed(first) for node in nodes):
            return None
        if len({node.name for node in nodes}) != len(nodes):
            return None
        if first.target == "aten.linear.default":
            source = self.sequence(tuple(reference(node, "input") for node in nodes))
            bias = None if first.get("bias") is None else self.value(reference(first, "bias"))
            weights = linear_weights(self.graph, first, self.value(reference(first, "weight")), bias)
            return add_linear(self.graph, first, source, weights, "linear")
        one = self.sequence(tuple(reference(node, "self") for node in nodes))
        if is_with_number(first):
            return add_rescaling(self.graph, first, one)
        if first.target in MERGES:
            return add_merge(self.graph, first, one, self.sequence(tuple(reference(node, "other") for node in nodes)))
        if first.target == "aten.softmax.int" and number(first, "dim") % 2 != 1:
            raise unsupported(first, "over the batch")
        return add_activation(self.graph, first, one)

    def _run(self, chain: Chain) -> None:
        """Adds the layer of a chain and names its states and, if anybody sees them, its steps."""
        graph, calls = self.graph, chain.calls
        first, last = calls[0], calls[-1]
        if last.outputs[0] in graph.values:
            return
        steps = len(calls)
        sequences = any(chain.is_read_outside(graph, step, 0) for step in range(steps - 1))
        keep = sequences or any(chain.is_read_outside(graph, steps - 1, which) for which in range(1, len(last.outputs)))
        with self._once(f"chain {last.outputs[0]}", first.name):
            source = self.sequence(tuple(call.source for call in calls))
            initial = self._initial(first.name, first.states)
            made, finals = add_cell_layer(
                graph, first.kind, first.name, source, [first.weights], [initial], sequences=sequences, keep_states=keep
            )
        for name, states in zip(last.outputs, finals, strict=True):
            graph.values[name] = states[0]
        if sequences:
            self.sequences[tuple(call.outputs[0] for call in calls)] = made
        else:
            graph.values[last.outputs[0]] = made

    def _initial(self, cell: str, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        states = [self.value(name) for name in names]
        zero = [is_zero(state) for state in states]
        if all(zero):
            return ()
        tensors = [state for state in states if isinstance(state, Tensor) and len(state.shape) == 1]
        if any(zero) or len(tensors) != len(states):
            raise TorchError(
                f"its cell {cell!r} starts from states that are neither all zeros nor all tensors",
                "give all initial states as inputs, or none",
            )
        return tuple(tensors)
