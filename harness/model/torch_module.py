"""A PyTorch module in memory as a `.pt2` file. PyTorch is imported here, by those who have a module of it in memory."""

from __future__ import annotations

import copy
import inspect
import io
import itertools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.errors import UsageError
from harness.model.torch_file import read_torch_file
from harness.model.torch_graph import describe
from harness.model.torch_program import TorchError
from harness.model.worker import reason_of

_MAX_TRIALS = 16


@runtime_checkable
class TorchModule(Protocol):
    """What tells an nn.Module from a Keras model."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Parameters and buffers by name."""


def save_module(module: TorchModule, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Export a module for vectors of these shapes, with a batch of one, in evaluation mode.

    The module itself is left as it is. Where the batch stands in each input is found by trying: first at the front.

    Args:
        shapes: argument of forward -> shape without the batch dimension; of a module with one argument under any name.

    Raises:
        UsageError: an argument of that name is not there, PyTorch can't export the module, or it holds what is not
            supported (by name).
    """
    import torch

    names = _arguments(module, shapes)
    still = copy.deepcopy(module).eval()  # type: ignore[attr-defined]
    refused: UsageError | None = None
    choices = [(0, 1) if len(shape) > 1 else (0,) for shape in names.values()]
    for axes in itertools.islice(itertools.product(*choices), _MAX_TRIALS):
        example = {
            name: torch.zeros(*shape[:axis], 1, *shape[axis:])
            for (name, shape), axis in zip(names.items(), axes, strict=True)
        }
        try:
            path.write_bytes(program_file(_export(torch, still, example)))
            if describe(read_torch_file(path)).input_axes == axes:
                return
        except TorchError as error:
            refused = refused or UsageError(f"the module can't be used: {error.what}", hint=error.hint)
        except UsageError as error:
            refused = refused or error
    raise refused or UsageError(
        f"the batch dimension of {', '.join(names)} can't be told",
        hint="export the module yourself with torch.export.save and give the .pt2 file",
    )


def program_file(program: Any) -> bytes:
    """A torch.export.ExportedProgram as a `.pt2` archive whose bytes don't depend on where the source code lies."""
    import torch

    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, stream)
    return stream.getvalue()


def _export(torch: Any, module: Any, example: Mapping[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of nn.LSTM's own weights
            return torch.export.export(module, (), dict(example))
    except Exception as error:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in example.items())
        raise UsageError(f"PyTorch can't export the module for {shapes}: {reason_of(error)}") from None


def _arguments(module: TorchModule, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes by forward's own names, in its order."""
    known = list(inspect.signature(module.forward).parameters)
    if len(shapes) == 1 and known and not set(shapes) <= set(known):
        return {known[0]: next(iter(shapes.values()))}
    unknown = [name for name in shapes if name not in known]
    if unknown:
        raise UsageError(
            f"forward has no argument {unknown[0]!r}; it has {', '.join(known)}",
            hint="name the arrays of vectors as the arguments, all of them tensors",
        )
    return {name: shapes[name] for name in known if name in shapes}
