"""The main job from Python: a Keras model or PyTorch module and arrays that are in memory, no files of one's own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import UsageError
from harness.model.torch_module import TorchModule, save_module
from harness.workflow.run import RunOptions, RunOutcome, run

Vectors = Mapping[str, ArrayLike] | ArrayLike


@runtime_checkable
class Savable(Protocol):
    """What this needs of a Keras model; the model itself is given to Keras again in a process of its own."""

    name: str

    def save(self, filepath: str) -> object:
        """Write the model to a `.keras` file."""


def run_model(
    model: Savable | TorchModule | str | Path,
    vectors: Vectors | Path | None = None,
    *,
    board: str = "netduino2plus",
    labels: ArrayLike | Path | None = None,
    port: str | None = None,
    engine: str | None = None,
    arena_bytes: int | None = None,
) -> RunOutcome:
    """Build, flash, stream and compare, as `hil run`.

    Args:
        model: a Keras model, a PyTorch module (run in evaluation mode), a bundle's name or folder, or the path of a
            model file.
        vectors: (vectors, *shape) for a model of one input, else input name -> such an array, maybe with "lengths"
            (time steps that count of each vector; Keras); or a file of them. None: the bundle's own. Inputs of a
            PyTorch module are named as the arguments of its forward.
        board: catalogue id.
        labels: what the outputs should ideally be; see `load_bundle`.

    Returns:
        The record with its verdict, and the board's outputs. A file made of a model in memory is gone by then: the
        outcome's `bundle.model_path` is where it was.

    Raises:
        HilError: as `harness.workflow.run.run`.
    """
    with tempfile.TemporaryDirectory(prefix="hil-run-") as name:
        folder = Path(name)
        if isinstance(model, TorchModule):
            saved = folder / f"{type(model).__name__}.pt2"
            save_module(model, _shapes(vectors), saved)
            model = saved
        elif isinstance(model, Savable):
            saved = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', model.name) or 'model'}.keras"
            model.save(str(saved))
            model = saved
        return run(
            RunOptions(
                model=str(model),
                board=board,
                port=port,
                engine=engine,
                arena_bytes=arena_bytes,
                vectors=_vector_file(vectors, folder),
                labels=labels if labels is None or isinstance(labels, Path) else _array_file(labels, folder),
            )
        )


def _shapes(vectors: Vectors | Path | None) -> dict[str, tuple[int, ...]]:
    if vectors is None or isinstance(vectors, Path):
        raise UsageError(
            "a PyTorch module needs its vectors as arrays", hint="vectors=array, or {argument of forward: array}"
        )
    arrays = vectors if isinstance(vectors, Mapping) else {"vectors": vectors}
    return {name: np.shape(array)[1:] for name, array in arrays.items()}


def _vector_file(vectors: Vectors | Path | None, folder: Path) -> Path | None:
    if vectors is None or isinstance(vectors, Path):
        return vectors
    arrays = vectors if isinstance(vectors, Mapping) else {"vectors": vectors}
    path = folder / "vectors.npz"
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return path


def _array_file(array: ArrayLike, folder: Path) -> Path:
    path = folder / "labels.npy"
    np.save(path, np.asarray(array), allow_pickle=False)
    return path
