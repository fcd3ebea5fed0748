"""What a tensor of a PyTorch program is in the model graph, and the graph in the making."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.model.graph import FloatArray, LayerSpec
from harness.model.torch_program import AnyArray, Node, Program, Ref, TorchError


@dataclass(frozen=True, slots=True)
class Tensor:
    """The output of a layer, or an input.

    Attributes:
        name: in the graph.
        shape: without the batch dimension.
        batch: which dimension of PyTorch's tensor is the batch; None: it has none.
    """

    name: str
    shape: tuple[int, ...]
    batch: int | None

    @property
    def rank(self) -> int:
        """Number of dimensions of PyTorch's tensor."""
        return len(self.shape) + (self.batch is not None)


@dataclass(frozen=True, slots=True)
class Zeros:
    """Zeros of any shape: an initial state."""


@dataclass(frozen=True, slots=True)
class Stack:
    """States of a recurrent module, PyTorch's (layers, batch, units): one tensor (units,) a layer and direction."""

    parts: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Last:
    """A sequence of which only the last step is looked at: that step."""

    step: Tensor
    steps: int
    time_axis: int


Value = Tensor | Zeros | Stack | Last | AnyArray


@dataclass(slots=True)
class Graph:
    """Layers in Keras's terms, as they are added; each comes after those it reads."""

    program: Program
    batch: int
    layers: list[LayerSpec] = field(default_factory=list)
    producers: dict[str, tuple[Node, int]] = field(default_factory=dict)
    readers: dict[str, list[Node]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in self.program.nodes:
            for index, name in enumerate(node.outputs):
                self.producers[name] = (node, index)
            for name in node.reads():
                self.readers.setdefault(name, []).append(node)
        self._names = set(self.program.inputs)

    def add(
        self,
        kind: str,
        name: str,
        config: Mapping[str, object],
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        weights: Mapping[str, FloatArray] | None = None,
    ) -> str:
        """Adds a layer; returns its name, which is `name` or, where that is taken, one like it."""
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        self.layers.append(LayerSpec(unique, kind, dict(config), dict(weights or {}), inputs, shape))
        return unique

    def reshaped(self, tensor: Tensor, shape: tuple[int, ...], batch: int | None) -> Tensor:
        """The same numbers in another shape."""
        if math.prod(shape) != math.prod(tensor.shape) or not shape:
            raise TorchError(f"it turns shape {tensor.shape} into {shape}, which is not supported")
        if shape == tensor.shape:
            return Tensor(tensor.name, shape, batch)
        name = self.add("Reshape", "reshape", {"target_shape": shape}, (tensor.name,), shape)
        return Tensor(name, shape, batch)

    def rows(self, tensor: Tensor, start: int, stop: int) -> Tensor:
        """Part of the first dimension that is not the batch."""
        count, *rest = tensor.shape
        if (start, stop) == (0, count):
            return tensor
        if not 0 <= start < stop <= count:
            raise TorchError(f"it takes rows {start} to {stop} of {count}")
        table = self.reshaped(tensor, (count, math.prod(rest)), 0)
        crop = {"cropping": (start, count - stop)}
        shape = (stop - start, table.shape[1])
        cropped = Tensor(self.add("Cropping1D", "rows", crop, (table.name,), shape), shape, 0)
        return self.reshaped(cropped, (stop - start, *rest), tensor.batch)

    def row(self, tensor: Tensor, index: int, batch: int | None) -> Tensor:
        """One of the first dimension that is not the batch; `batch`: of what comes out."""
        if len(tensor.shape) < 2:
            raise TorchError("it takes single numbers out of a tensor, which is not supported")
        return self.reshaped(self.rows(tensor, index, index + 1), tensor.shape[1:], batch)

    def joined(self, tensors: list[Tensor], shape: tuple[int, ...], batch: int | None) -> Tensor:
        """Tensors one after the other."""
        flat = [self.reshaped(tensor, (math.prod(tensor.shape),), 0) for tensor in tensors]
        if len(flat) == 1:
            return self.reshaped(flat[0], shape, batch)
        width = (sum(tensor.shape[0] for tensor in flat),)
        name = self.add("Concatenate", "concatenate", {"axis": -1}, tuple(tensor.name for tensor in flat), width)
        return self.reshaped(Tensor(name, width, 0), shape, batch)

    def is_used(self, name: str) -> bool:
        """Somebody reads it, or the program returns it."""
        return bool(self.readers.get(name)) or name in self.program.outputs

    def constant(self, node: Node, argument: str, value: object) -> FloatArray:
        """A weight, as float32.

        Raises:
            TorchError: it is computed, not float32, or holds NaN or Inf.
        """
        if not isinstance(value, np.ndarray):
            raise TorchError(
                f"its operator {node.target}{_where(node)} has a computed {argument}, where it needs a parameter"
            )
        if value.dtype != np.float32:
            raise TorchError(f"its operator {node.target}{_where(node)} has a {argument} of {value.dtype}")
        if not np.isfinite(value).all():
            raise TorchError(f"the {argument} of {node.module or node.name} holds NaN or Inf", "train the model again")
        return value.astype(np.float32)


def reference(node: Node, argument: str) -> str:
    """Name of the tensor that is an argument.

    Raises:
        TorchError: it is a number.
    """
    value = node.get(argument)
    if not isinstance(value, Ref):
        raise unsupported(node, f"with {argument} {value!r}")
    return value.name


def number(node: Node, argument: str, default: int | None = None) -> int:
    """A whole number among the arguments."""
    value = node.get(argument, default)
    if not isinstance(value, int):
        raise unsupported(node, f"with {argument} {value!r}")
    return value


def unsupported(node: Node, how: str) -> TorchError:
    """An operator that is known, used in a way that is not."""
    return TorchError(f"its operator {node.target}{_where(node)} {how} is not supported")


def _where(node: Node) -> str:
    return f" of module {node.module!r}" if node.module else ""
