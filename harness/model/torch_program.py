"""A PyTorch program as plain records: what `torch_file` reads, `torch_graph` understands and `torch_worker` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[np.generic]


class TorchError(Exception):
    """The program can't be used: what is wrong, and what to try."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is a tensor, by its name in the program."""

    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """An argument that says how a tensor is stored: dtype, layout, device or memory format."""

    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call.

    Attributes:
        value: Ref, tuple of Ref or None, number, text, truth value, Setting, None, or tuple of numbers.
        keyword: given by name.
    """

    name: str
    value: object
    keyword: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One call of an operator.

    Attributes:
        name: unique in the program.
        target: operator with its overload, e.g. "aten.lstm.input".
        arguments: in the operator's order; those at their defaults are left out.
        outputs: names of the tensors it gives, in order.
        listed: they come as one list.
        module: path of the module it belongs to ("encoder.lstm"), empty at the top.
    """

    name: str
    target: str
    arguments: tuple[Argument, ...]
    outputs: tuple[str, ...]
    listed: bool
    module: str

    def get(self, name: str, default: object = None) -> object:
        """The value of an argument."""
        return next((argument.value for argument in self.arguments if argument.name == name), default)

    def reads(self) -> list[str]:
        """Names of the tensors it is given, in order."""
        names = []
        for argument in self.arguments:
            values = argument.value if isinstance(argument.value, tuple) else (argument.value,)
            names += [value.name for value in values if isinstance(value, Ref)]
        return names


@dataclass(frozen=True, slots=True)
class Program:
    """A whole program, of fixed shapes.

    Attributes:
        sha256: of the file, 32 bytes.
        version: of the PyTorch that saved it.
        inputs: name -> shape as exported, batch dimension included, in the order of forward's arguments.
        constants: name -> parameters, buffers and constants.
        shapes: of every tensor in it, batch dimension included.
        nodes: in order of computation.
        outputs: names of the tensors it returns, in order.
    """

    sha256: bytes
    version: str
    inputs: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, AnyArray]
    shapes: Mapping[str, tuple[int, ...]]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
