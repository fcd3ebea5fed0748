"""Operators without recurrent state: each becomes a layer, or nothing where only PyTorch's shapes change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from harness.model.torch_program import Node, Ref, Setting, TorchError
from harness.model.torch_values import Graph, Last, Stack, Tensor, Value, Zeros, number, reference, unsupported

# Operator -> Keras's activation of the same equation.
ACTIVATIONS: Mapping[str, str] = {
    "aten.elu.default": "elu",
    "aten.gelu.default": "gelu",
    "aten.hardsigmoid.default": "hard_sigmoid",
    "aten.hardswish.default": "hard_silu",
    "aten.relu.default": "relu",
    "aten.relu6.default": "relu6",
    "aten.selu.default": "selu",
    "aten.sigmoid.default": "sigmoid",
    "aten.silu.default": "silu",
    "aten.softmax.int": "softmax",
    "aten.tanh.default": "tanh",
}
MERGES: Mapping[str, str] = {
    "aten.add.Tensor": "Add",
    "aten.maximum.default": "Maximum",
    "aten.minimum.default": "Minimum",
    "aten.mul.Tensor": "Multiply",
    "aten.sub.Tensor": "Subtract",
}
# They give what they are given, at inference.
SAME = (
    "aten.alias.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.detach_.default",
    "aten.dropout.default",
    "aten.lift_fresh_copy.default",
    "aten.to.dtype",
    "aten.to.dtype_layout",
    "aten.to.device",
    "aten._to_copy.default",
)
ZEROS = ("aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default")
_FLOAT = 7


def activation_settings(node: Node, rank: int) -> dict[str, object]:
    """Settings of the Activation layer an operator is.

    Raises:
        TorchError: it has settings of its own that the layer doesn't have.
    """
    for name in ("alpha", "scale", "input_scale"):
        if node.get(name, 1.0) not in (1, 1.0):
            raise unsupported(node, f"with {name} {node.get(name)}")
    if node.get("approximate", "none") != "none":
        raise unsupported(node, "with an approximation")
    if node.target == "aten.softmax.int" and number(node, "dim") % rank != rank - 1:
        raise unsupported(node, "over another dimension than the last")
    check_dtype(node)
    return {"activation": ACTIVATIONS[node.target]}


def check_dtype(node: Node) -> None:
    """Raises:
    TorchError: it changes the type of its numbers.
    """
    dtype = node.get("dtype")
    if isinstance(dtype, Setting) and dtype.number != _FLOAT:
        raise unsupported(node, "to another type than float32")


def same(graph: Graph, node: Node, value: Value) -> Value:
    if node.target == "aten.dropout.default" and node.get("train") and node.get("p"):
        raise TorchError(
            f"its module {node.module or node.name!r} is a dropout in training mode",
            "call model.eval() before torch.export.export",
        )
    check_dtype(node)
    return value


def linear_weights(graph: Graph, node: Node, weight: Value, bias: Value | None) -> dict[str, np.ndarray]:
    weights = {"kernel": graph.constant(node, "weight", weight).T.copy()}
    if bias is not None:
        weights["bias"] = graph.constant(node, "bias", bias)
    return weights


def add_linear(graph: Graph, node: Node, source: Tensor, weights: Mapping[str, np.ndarray], activation: str) -> Tensor:
    if source.batch is not None and source.batch == source.rank - 1:
        raise unsupported(node, "over the batch")
    units = weights["kernel"].shape[1]
    config = {"units": units, "activation": activation, "use_bias": "bias" in weights}
    shape = (*source.shape[:-1], units)
    return Tensor(
        graph.add("Dense", node.module or node.name, config, (source.name,), shape, weights), shape, source.batch
    )


def add_activation(graph: Graph, node: Node, source: Tensor) -> Tensor:
    config = activation_settings(node, source.rank)
    name = graph.add("Activation", node.module or node.name, config, (source.name,), source.shape)
    return Tensor(name, source.shape, source.batch)


def add_leaky_relu(graph: Graph, node: Node, source: Tensor) -> Tensor:
    config = {"negative_slope": node.get("negative_slope", 0.01)}
    name = graph.add("LeakyReLU", node.module or node.name, config, (source.name,), source.shape)
    return Tensor(name, source.shape, source.batch)


def is_zero(value: object) -> bool:
    """Zeros, as initial states are."""
    return isinstance(value, Zeros) or (isinstance(value, np.ndarray) and not value.any())


def add_merge(graph: Graph, node: Node, one: Value, other: Value) -> Tensor:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor) or one.shape != other.shape:
        raise unsupported(node, "of anything but two computed tensors of one shape")
    if node.get("alpha", 1) not in (1, 1.0):
        raise unsupported(node, f"with alpha {node.get('alpha')}")
    kind = MERGES[node.target]
    name = graph.add(kind, node.name, {}, (one.name, other.name), one.shape)
    return Tensor(name, one.shape, one.batch)


def add_rescaling(graph: Graph, node: Node, source: Tensor) -> Tensor:
    """A product, quotient, sum or difference with a number."""
    value, alpha = (_plain_number(node, name, default) for name, default in (("other", None), ("alpha", 1.0)))
    scale, offset = {
        "aten.add.Tensor": (1.0, value * alpha),
        "aten.sub.Tensor": (1.0, -value * alpha),
        "aten.mul.Tensor": (value, 0.0),
        "aten.div.Tensor": (1.0 / value if value else math.nan, 0.0),
    }.get(node.target, (math.nan, 0.0))
    if not (math.isfinite(scale) and math.isfinite(offset)):
        raise unsupported(node, f"with {value}")
    config = {"scale": scale, "offset": offset}
    name = graph.add("Rescaling", node.name, config, (source.name,), source.shape)
    return Tensor(name, source.shape, source.batch)


def _plain_number(node: Node, argument: str, default: float | None) -> float:
    value = node.get(argument, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unsupported(node, f"with {argument} {value!r}")
    return float(value)


def is_with_number(node: Node) -> bool:
    """One of its two operands is a number."""
    return node.target in (*MERGES, "aten.div.Tensor") and not isinstance(node.get("other"), Ref)


def add_cat(graph: Graph, node: Node, tensors: list[Tensor]) -> Tensor:
    first = tensors[0]
    axis = logical_axis(node, first, number(node, "dim", 0))
    if any(tensor.batch != first.batch or len(tensor.shape) != len(first.shape) for tensor in tensors):
        raise unsupported(node, "of tensors of several ranks")
    size = sum(tensor.shape[axis] for tensor in tensors)
    shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
    if axis == 0:
        return graph.joined(tensors, shape, first.batch)
    if axis != len(first.shape) - 1:
        raise unsupported(node, "along this dimension")
    name = graph.add("Concatenate", node.name, {"axis": -1}, tuple(tensor.name for tensor in tensors), shape)
    return Tensor(name, shape, first.batch)


def logical_axis(node: Node, tensor: Tensor, dim: int) -> int:
    """PyTorch's dimension without counting the batch."""
    dim %= tensor.rank
    if dim == tensor.batch:
        raise unsupported(node, "over the batch")
    return dim - (tensor.batch is not None and dim > tensor.batch)


def select(graph: Graph, node: Node, value: Value, index: int) -> Value:
    """One index of a dimension, which goes away."""
    if isinstance(value, Zeros):
        return value
    dim = number(node, "dim", 0)
    if isinstance(value, Last):
        return value.step
    if isinstance(value, Stack):
        if dim % 3 == 0:
            return value.parts[index]
        value = as_tensor(graph, node, value)
    if not isinstance(value, Tensor):
        raise unsupported(node, "on a parameter")
    dim %= value.rank
    if dim == value.batch:
        if graph.batch != 1:
            raise unsupported(node, "over the batch")
        return Tensor(value.name, value.shape, None)
    if logical_axis(node, value, dim) != 0:
        raise unsupported(node, "out of the last dimension")
    return graph.row(value, index % value.shape[0], None if value.batch is None else value.batch - (value.batch > dim))


def cut(graph: Graph, node: Node, tensor: Tensor, dim: int, start: int, stop: int) -> Tensor:
    """start <= index < stop of a dimension."""
    dim %= tensor.rank
    if dim == tensor.batch:
        if (start, stop) == (0, graph.batch):
            return tensor
        raise unsupported(node, "over the batch")
    axis = logical_axis(node, tensor, dim)
    if (start, stop) == (0, tensor.shape[axis]):
        return tensor
    if len(tensor.shape) == 1:
        column = graph.rows(graph.reshaped(tensor, (tensor.shape[0], 1), tensor.batch), start, stop)
        return graph.reshaped(column, (stop - start,), tensor.batch)
    if axis != 0:
        raise unsupported(node, "of the features of each step")
    return graph.rows(tensor, start, stop)


def add_slice(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    dim = number(node, "dim", 0) % tensor.rank
    size = graph.batch if dim == tensor.batch else tensor.shape[logical_axis(node, tensor, dim)]
    start, stop, step = slice(node.get("start"), node.get("end"), node.get("step", 1)).indices(size)
    if step != 1:
        raise unsupported(node, f"with step {step}")
    return cut(graph, node, tensor, dim, start, stop)


def add_split(graph: Graph, node: Node, tensor: Tensor) -> list[Tensor]:
    """chunk, split and split_with_sizes: the sizes are those of the outputs."""
    dim = number(node, "dim", 0) % tensor.rank
    pieces, at = [], 0
    for name in node.outputs:
        size = graph.program.shapes[name][dim]
        pieces.append(cut(graph, node, tensor, dim, at, at + size))
        at += size
    return pieces


def add_transpose(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    """transpose and permute: the batch may go elsewhere, and so may what has one entry; numbers stay where they are."""
    rank = tensor.rank
    order = list(range(rank))
    if node.target == "aten.permute.default":
        dims = node.get("dims")
        order = [int(dim) % rank for dim in dims] if isinstance(dims, tuple) else order
    else:
        one, other = number(node, "dim0", 0) % rank, number(node, "dim1", 1) % rank
        order[one], order[other] = order[other], order[one]
    sizes = list(tensor.shape)
    if tensor.batch is not None:
        sizes.insert(tensor.batch, graph.batch)
    moved = [dim for dim in order if dim != tensor.batch and sizes[dim] > 1]
    if moved != sorted(moved):
        raise unsupported(node, "of steps and features")
    batch = None if tensor.batch is None else order.index(tensor.batch)
    return graph.reshaped(tensor, tuple(sizes[dim] for dim in order if dim != tensor.batch), batch)


def add_shape(graph: Graph, node: Node, tensor: Tensor) -> Tensor:
    """unsqueeze, squeeze, view, reshape and flatten: the same numbers; the batch must stay a dimension of its own."""
    target = graph.program.shapes[node.outputs[0]]
    if node.target == "aten.unsqueeze.default" and tensor.batch is None:
        return Tensor(tensor.name, tensor.shape, number(node, "dim") % (tensor.rank + 1))
    if tensor.batch is None:
        return graph.reshaped(tensor, target, None)
    before = math.prod(tensor.shape[: tensor.batch])
    if node.target == "aten.unsqueeze.default":
        place = number(node, "dim") % (tensor.rank + 1)
        batch: int | None = tensor.batch + (place <= tensor.batch)
    elif node.target.startswith("aten.squeeze"):
        dims = node.get("dim", tuple(range(tensor.rank)))
        gone = {int(dim) % tensor.rank for dim in (dims if isinstance(dims, tuple) else (int(str(dims)),))}
        sizes = graph.program.shapes[reference(node, "self")]
        gone = {dim for dim in gone if sizes[dim] == 1}
        batch = None if tensor.batch in gone else tensor.batch - sum(dim < tensor.batch for dim in gone)
    else:
        fits = (k for k, size in enumerate(target) if size == graph.batch and math.prod(target[:k]) == before)
        batch = next(fits, None)
        if batch is None and graph.batch != 1:
            raise unsupported(node, "that mixes the batch with the rest")
    return graph.reshaped(tensor, tuple(size for k, size in enumerate(target) if k != batch), batch)


def as_tensor(graph: Graph, node: Node, value: Value) -> Tensor:
    """A value as a tensor that a layer can read."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Stack):
        shape = (len(value.parts), *value.parts[0].shape)
        return graph.joined(list(value.parts), shape, 1)
    raise unsupported(node, "on zeros, parameters or constants")


_SHAPES = (
    "aten._unsafe_view.default",
    "aten.flatten.using_ints",
    "aten.reshape.default",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.unsqueeze.default",
    "aten.view.default",
)
_ON_TENSOR: Mapping[str, Callable[[Graph, Node, Tensor], Tensor | list[Tensor]]] = {
    **dict.fromkeys(ACTIVATIONS, add_activation),
    **dict.fromkeys(_SHAPES, add_shape),
    "aten.chunk.default": add_split,
    "aten.leaky_relu.default": add_leaky_relu,
    "aten.permute.default": add_transpose,
    "aten.slice.Tensor": add_slice,
    "aten.split.Tensor": add_split,
    "aten.split.sizes": add_split,
    "aten.split_with_sizes.default": add_split,
    "aten.transpose.int": add_transpose,
}
"""Operators of one tensor."""

TARGETS = (
    *_ON_TENSOR,
    *ZEROS,
    *SAME,
    *MERGES,
    "aten.select.int",
    "aten.unbind.int",
    "aten.cat.default",
    "aten.t.default",
    "aten.div.Tensor",
    "aten.expand.default",
)


def apply(
    graph: Graph, node: Node, values: Callable[[str], Value], tensors: Callable[[str], list[Tensor]]
) -> list[Value]:
    """What an operator of TARGETS gives.

    Args:
        values: (argument) -> its value.
        tensors: (argument) -> the tensors of a list.
    """
    if node.target in ZEROS:
        return [Zeros()]
    if is_with_number(node):
        return [add_rescaling(graph, node, as_tensor(graph, node, values("self")))]
    if node.target in MERGES:
        return [add_merge(graph, node, values("self"), values("other"))]
    if node.target == "aten.cat.default":
        return [add_cat(graph, node, tensors("tensors"))]
    value = values("input" if node.target == "aten.dropout.default" else "self")
    if node.target in SAME:
        return [same(graph, node, value)]
    if node.target == "aten.select.int":
        return [select(graph, node, value, number(node, "index"))]
    if node.target == "aten.unbind.int":
        return [select(graph, node, value, index) for index in range(len(node.outputs))]
    if isinstance(value, np.ndarray) and node.target in ("aten.t.default", "aten.transpose.int"):
        return [value.T] if value.ndim == 2 else [value]
    if isinstance(value, Zeros) or (node.target == "aten.expand.default" and is_zero(value)):
        return [Zeros() for _ in node.outputs]
    if node.target not in _ON_TENSOR:
        raise unsupported(node, "on parameters" if isinstance(value, np.ndarray) else "on a computed tensor")
    made = _ON_TENSOR[node.target](graph, node, as_tensor(graph, node, value))
    return list(made) if isinstance(made, list) else [made]
