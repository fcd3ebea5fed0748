"""The process in which PyTorch computes a program: `python -m harness.model.torch_worker OPTIONS`; `golden` starts it.

The file is read by `torch_file`, not by PyTorch; of PyTorch only the operators are called that `torch_graph` knows,
with the arguments that stand in the program. All else is as in `worker`.

Each vector is computed by itself, as a board does it. A program exported with a larger batch is given the vector that
many times.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn  # PyTorch is optional: mypy may not see it.

import numpy as np

from harness.errors import UsageError
from harness.model import golden_file
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray
from harness.model.torch_file import read_torch_file
from harness.model.torch_graph import Description, describe, needed
from harness.model.torch_program import Node, Program, Ref, Setting, TorchError
from harness.model.worker import RefusedError, checked_digest, reason_of, serve, vectors_of

# Numbers of torch/_export/serde/schema.py.
_DTYPES = {4: "int32", 5: "int64", 7: "float32", 12: "bool"}
_LAYOUTS = {7: "strided"}
_MEMORY_FORMATS = {1: "contiguous_format", 4: "preserve_format"}


def main(arguments: list[str]) -> NoReturn:
    """Answer one request and end."""
    serve(arguments[0], _answer)


def _answer(options: Mapping[str, Any], request: bytes) -> bytes:
    checked_digest(options)
    try:
        program = read_torch_file(Path(options["model"]))
        description = describe(program)
    except UsageError as error:
        raise RefusedError(error.what.removeprefix(f"{options['model']}: "), error.hint) from None
    except TorchError as error:
        raise RefusedError(error.what, error.hint) from None
    if options["stateful"]:
        raise RefusedError(
            "a PyTorch program keeps no state between calls",
            "make the states inputs and outputs of forward, and set stateful = false",
        )

    import torch

    torch.set_num_threads(1)
    # Its kernels are chosen by CPU.
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment,unused-ignore]
    torch.use_deterministic_algorithms(True)
    inputs = vectors_of(options, request)
    run = Runner(torch, program, description)
    try:
        with torch.inference_mode():
            rows = [run([array[i] for array in inputs.values()]) for i in range(len(next(iter(inputs.values()))))]
            if options.get("layers"):
                return _layers(run, description)
    except Exception as error:
        raise RefusedError(f"PyTorch can't run the model: {reason_of(error)}") from None
    graph = replace(
        description.graph,
        framework=f"torch {torch.__version__.partition('+')[0]}",
        notes=(f"golden outputs by torch {torch.__version__}, one vector at a time; saved by torch {program.version}",),
    )
    outputs = tuple(np.stack(column) for column in zip(*rows, strict=True))
    return golden_file.encode(Golden(outputs, graph, bytes.fromhex(options["vectors_sha256"]), stateful=False))


class Runner:
    """Runs a program, operator by operator.

    `values` has every tensor of the last run by its name, as PyTorch's arrays.
    """

    def __init__(self, torch: Any, program: Program, description: Description) -> None:
        self._torch = torch
        self._program = program
        self._description = description
        self._nodes = [(node, self._operator(node)) for node in needed(program)]
        self._constants = {name: torch.from_numpy(array.copy()) for name, array in program.constants.items()}
        self.values: dict[str, Any] = {}

    def __call__(self, vector: list[FloatArray]) -> list[FloatArray]:
        """Outputs for one vector: one array an input, and one an output, without the batch dimension."""
        torch, batch = self._torch, self._description.batch
        values = dict(self._constants)
        for name, array, axis in zip(self._program.inputs, vector, self._description.input_axes, strict=True):
            whole = array if axis is None else np.repeat(np.expand_dims(array, axis), batch, axis)
            values[name] = torch.from_numpy(np.ascontiguousarray(whole))
        for node, operator in self._nodes:
            positional = [self._value(a.value, values) for a in node.arguments if not a.keyword]
            named = {a.name: self._value(a.value, values) for a in node.arguments if a.keyword}
            result = operator(*positional, **named)
            results = result if node.listed or len(node.outputs) > 1 else [result]
            values.update(zip(node.outputs, results, strict=True))
        self.values = values
        axes = self._description.output_axes
        return [self.without_batch(name, axis) for name, axis in zip(self._program.outputs, axes, strict=True)]

    def without_batch(self, name: str, axis: int | None) -> FloatArray:
        """A tensor of the last run."""
        array = self.values[name].numpy()
        return np.array(array if axis is None else np.take(array, 0, axis), np.float32)

    def _operator(self, node: Node) -> Callable[..., Any]:
        # `describe` went through: the name is one of SUPPORTED_TARGETS.
        namespace, name, overload = node.target.split(".")
        found: Callable[..., Any] = getattr(getattr(getattr(self._torch.ops, namespace), name), overload)
        return found

    def _value(self, value: object, values: Mapping[str, Any]) -> Any:
        if isinstance(value, Ref):
            return values[value.name]
        if isinstance(value, tuple):
            return [self._value(item, values) for item in value]
        if isinstance(value, Setting):
            return self._setting(value)
        return value

    def _setting(self, setting: Setting) -> Any:
        names = {"dtype": _DTYPES, "layout": _LAYOUTS, "memory_format": _MEMORY_FORMATS}
        if setting.kind == "device":
            return self._torch.device("cpu")
        return getattr(self._torch, names[setting.kind][setting.number])


def _layers(run: Runner, description: Description) -> bytes:
    """npz with the first output of every layer that PyTorch has a tensor of, for the last vector run."""
    arrays: dict[str, FloatArray] = {}
    for layer in description.graph.layers:
        names, axis = description.tensors.get(layer.name, ((), None))
        if names and all(name in run.values for name in names):
            rows = [run.without_batch(name, axis) for name in names]
            array = rows[0] if len(rows) == 1 else np.stack(rows)
            if array.size == math.prod(layer.output_shape):
                arrays[f"layer/{layer.name}"] = array.reshape(layer.output_shape)
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
