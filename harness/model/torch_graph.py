"""A PyTorch program as a model graph in Keras's terms, which is what the packers read.

Loops over time were unrolled when the program was exported. Calls of one cell, each fed the states of the one before,
become one recurrent layer again, and what is done to each of its steps alike becomes one layer over all steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.graph import ModelGraph
from harness.model.torch_batch import batch_axes
from harness.model.torch_cells import CELL_TARGETS
from harness.model.torch_ops import TARGETS
from harness.model.torch_program import Node, Program, TorchError
from harness.model.torch_reader import LINEAR, Reader
from harness.model.torch_recurrent import KINDS
from harness.model.torch_values import Graph, Tensor

SUPPORTED_TARGETS = frozenset({*TARGETS, *KINDS, *CELL_TARGETS, *LINEAR, "aten.stack.default"})
SUPPORTED = (
    "nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell, LSTM cells written out, nn.Linear, nn.Dropout, "
    "relu, relu6, leaky_relu, elu, selu, silu, gelu, tanh, sigmoid, hardsigmoid, hardswish, softmax, + - * of tensors, "
    "+ - * / with a number, maximum, minimum, cat, stack, split, chunk, unbind, indexing of steps, and changes of shape"
)
_MAX_TRIALS = 16
_DAMAGED = (AssertionError, AttributeError, LookupError, TypeError, ValueError, ZeroDivisionError)


@dataclass(frozen=True, slots=True)
class Description:
    """A program understood.

    Attributes:
        graph: inputs and outputs without the batch dimension.
        input_axes, output_axes: which dimension of each of PyTorch's tensors is the batch; None: it has none.
        batch: size of the batch it was exported with.
        tensors: layer -> the program's tensor that holds its output, or one a step, and its batch dimension. Layers
            within nn.LSTM and its like have none.
    """

    graph: ModelGraph
    input_axes: tuple[int | None, ...]
    output_axes: tuple[int | None, ...]
    batch: int
    tensors: Mapping[str, tuple[tuple[str, ...], int | None]]


def describe(program: Program) -> Description:
    """Read a program.

    Raises:
        TorchError: what in it is not supported, by name.
    """
    refuse_unknown(needed(program))
    try:
        return _try_axes(program)
    except RecursionError:
        raise TorchError("its program is nested too deeply", "use nn.LSTM or nn.GRU in place of a loop") from None
    except _DAMAGED as error:
        # torch.export doesn't write such programs: shapes that don't fit, names of nothing, arguments left out.
        what = f"{type(error).__name__}: {str(error)[:100]!r}"
        raise TorchError(f"its program contradicts itself ({what})", "export and save the model again") from error


def _try_axes(program: Program) -> Description:
    """What no operator says of the batch is tried out: the wrong dimension does not go through."""
    readers = Graph(program, 1).readers
    choices = [batch_axes(program, readers, name) for name in program.inputs]
    refused: TorchError | None = None
    for axes in itertools.islice(itertools.product(*choices), _MAX_TRIALS):
        try:
            return _describe(program, dict(zip(program.inputs, axes, strict=True)))
        except TorchError as error:
            refused = refused or error
    raise refused or TorchError("it has no inputs")


def _describe(program: Program, axes: Mapping[str, int | None]) -> Description:
    sizes = {program.inputs[name][axis] for name, axis in axes.items() if axis is not None and program.inputs[name]}
    if len(sizes) > 1:
        raise TorchError(
            f"its inputs have batches of different sizes: {_shapes(program)}", "export it with one batch size, best 1"
        )
    graph = Graph(program, sizes.pop() if sizes else 1)
    shapes = {name: _without(shape, axes[name]) for name, shape in program.inputs.items()}
    if any(not shape or 0 in shape for shape in shapes.values()):
        raise TorchError(f"its inputs have no size besides the batch: {_shapes(program)}")
    for name, shape in shapes.items():
        graph.values[name] = Tensor(name, shape, axes[name])
    reader = Reader(graph)
    outputs = [reader.output(name) for name in program.outputs]
    model = ModelGraph(
        source_sha256=program.sha256,
        framework=f"torch {program.version}",
        inputs=shapes,
        layers=tuple(graph.layers),
        outputs=tuple(tensor.name for tensor in outputs),
    )
    return Description(
        model, tuple(axes.values()), tuple(tensor.batch for tensor in outputs), graph.batch, reader.tensors()
    )


def needed(program: Program) -> list[Node]:
    """Nodes that the outputs depend on, in order."""
    wanted = set(program.outputs)
    nodes = []
    for node in reversed(program.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.reads())
            nodes.append(node)
    return nodes[::-1]


def refuse_unknown(nodes: list[Node]) -> None:
    """Raises:
    TorchError: the first of these whose operator is not supported, by name.
    """
    for node in nodes:
        if node.target not in SUPPORTED_TARGETS:
            where = f" (module {node.module!r})" if node.module else ""
            raise TorchError(
                f"its operator {node.target}{where} is not supported", f"supported from PyTorch: {SUPPORTED}"
            )


def _without(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return shape if axis is None else (*shape[:axis], *shape[axis + 1 :])


def _shapes(program: Program) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in program.inputs.items())
