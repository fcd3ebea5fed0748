"""A bundle: a model with its vectors, golden outputs and tolerance, ready for a run."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.compare.metrics import Array, Task
from harness.errors import UsageError
from harness.model import bundle_toml, lengths
from harness.model.bundle_toml import (
    DEFAULT_TOLERANCE,
    DEFAULT_TOLERANCE_INT8,
    DEFAULT_TOLERANCE_INT8_CONVERTED,
    Manifest,
    Quantise,
)
from harness.model.golden import golden_for, inputs_from_worker
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray, ModelGraph
from harness.model.model_file import ModelFile, read_model_file
from harness.model.reference import KERAS, reference_of
from harness.model.table import load_table
from harness.model.tflite_source import TfliteSource
from harness.model.vectors import load_labels, load_vectors, shape_text
from harness.resources import models_dir


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model with everything a comparison needs.

    Attributes:
        name: of the bundle, or the model file's name without its ending.
        model_path: the model file.
        model_sha256: its SHA-256, of a C header that of the .tflite in it; 32 bytes, the model's identity on the wire.
        inputs: one array an input of the model, in `graph.inputs` order: (vectors, *shape) float32, finite. Where the
            vectors have lengths (`harness.model.lengths`), these are the last one.
        labels: what the outputs should ideally be, if known: regression (vectors, ...) float32, classification
            (vectors,) int64 class indices.
        golden: one array an output of the model: (vectors, *shape) float32, finite.
        graph: the model as arrays.
        task: "regression" or "classification".
        tolerance_max_abs_of_range: allowed max|board - golden|, as a share of golden's max - min.
        stateful: the vectors are one continuing stream; recurrent state is kept between them.
        arena_bytes: "board/engine" -> arena known to be enough.
        description: one line for people.
        notes: what was done to the user's files on the way in ("int64 converted to float32").
        quantise: what the engine keeps numbers in unless told otherwise; None: float32.
        tolerance_int8_of_range: as `tolerance_max_abs_of_range`, for the model converted to int8.
        tflite: the model itself, where it came converted; `golden` is then full TensorFlow Lite's, and the graph has
            no weights.
    """

    name: str
    model_path: Path
    model_sha256: bytes
    inputs: tuple[FloatArray, ...]
    labels: Array | None
    golden: tuple[FloatArray, ...]
    graph: ModelGraph
    task: Task
    tolerance_max_abs_of_range: float
    stateful: bool
    arena_bytes: Mapping[str, int]
    description: str = ""
    notes: tuple[str, ...] = field(default=())
    tolerance_int8_of_range: float = DEFAULT_TOLERANCE_INT8
    tflite: TfliteSource | None = None
    quantise: Quantise | None = None

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.inputs[0])


def list_bundles() -> list[str]:
    """Names of the shipped bundles."""
    return sorted(path.parent.name for path in models_dir().glob(f"*/{bundle_toml.FILE_NAME}"))


def load_bundle(
    name_or_path: str | Path,
    *,
    vectors: Path | None = None,
    labels: Path | None = None,
    data: Path | None = None,
    task: Task | None = None,
    allow_h5: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> Bundle:
    """Load a shipped bundle by name, a bundle folder, or a model file.

    Args:
        name_or_path: "fuel_lstm", a folder with a bundle.toml, or a model file (which needs `vectors`): `.keras`,
            `.pt2`, `.tflite`, or a C header with a .tflite in it.
        vectors: file of vectors in place of the bundle's own; see `harness.model.vectors.load_vectors`.
        labels: file of labels for the vectors.
        data: csv table from which the columns in bundle.toml's [data] give vectors and labels.
        task: overrides the bundle's, or the guess made for a model file (a softmax at its end: classification).
        allow_h5: take legacy HDF5 models, which can run code when loaded.
        on_note: told when something slow begins.

    Raises:
        UsageError: nothing of that name, a file that can't be used (named, with the reason), or words that contradict.
    """
    if data is not None and (vectors is not None or labels is not None):
        raise UsageError("--data gives vectors and labels already; it can't go with --vectors or --labels")
    manifest, file = _find(name_or_path, task, allow_h5)
    if not file.inputs:  # HDF5
        file = dataclasses.replace(file, inputs=inputs_from_worker(manifest.model, file.sha256))
    if task is None:
        task = manifest.task

    notes: tuple[str, ...] = ()
    truth: Array | None = None
    if data is not None:
        inputs, truth = _from_table(manifest, file, data)
    else:
        source = vectors or manifest.vectors
        if source is None:
            raise UsageError(
                f"{manifest.model} needs vectors to be tested with",
                hint="--vectors FILE.npz or FILE.csv (pytest: --hil-vectors); real ones say most",
            )
        loaded = load_vectors(source, file.inputs)
        inputs, notes = dict(zip(file.inputs, loaded.arrays, strict=True)), loaded.notes
        if loaded.lengths is not None:
            if reference_of(manifest.model, converted=file.tflite is not None) is not KERAS:
                raise UsageError(
                    f"{source} has lengths, which only models of Keras take; {manifest.model} is another",
                    hint="pad the vectors and leave the lengths out",
                )
            inputs[lengths.NAME] = loaded.lengths
        # The bundle's labels belong to the bundle's vectors.
        label_file = labels or (manifest.labels if vectors is None else None)
        if label_file is not None:
            truth, label_notes = load_labels(label_file, task, len(loaded.arrays[0]))
            notes += label_notes

    golden = golden_for(
        manifest.model,
        file.sha256,
        inputs,
        stateful=manifest.stateful,
        tflite=None if file.tflite is None else file.tflite.data,
        shipped=manifest.golden,
        on_note=on_note,
    )
    _check_finite(manifest.model, golden)
    if truth is not None:
        _check_labels(truth, golden.outputs, task)
    return Bundle(
        name=manifest.name,
        model_path=manifest.model,
        model_sha256=file.sha256,
        inputs=tuple(inputs[name] for name in golden.graph.inputs),
        labels=truth,
        golden=golden.outputs,
        graph=golden.graph,
        task=task,
        tolerance_max_abs_of_range=manifest.tolerance_max_abs_of_range,
        stateful=manifest.stateful,
        arena_bytes=manifest.arena_bytes,
        description=manifest.description,
        notes=notes,
        tolerance_int8_of_range=_tolerance_int8(manifest, file),
        tflite=file.tflite,
        quantise=manifest.quantise,
    )


def _tolerance_int8(manifest: Manifest, file: ModelFile) -> float:
    if manifest.tolerance_int8_of_range is not None:
        return manifest.tolerance_int8_of_range
    return DEFAULT_TOLERANCE_INT8 if file.tflite is None else DEFAULT_TOLERANCE_INT8_CONVERTED


def _find(name_or_path: str | Path, task: Task | None, allow_h5: bool) -> tuple[Manifest, ModelFile]:
    path = Path(name_or_path)
    folder = models_dir() / path
    if len(path.parts) == 1 and (folder / bundle_toml.FILE_NAME).is_file():
        path = folder
    if path.is_dir():
        manifest = bundle_toml.load_manifest(path / bundle_toml.FILE_NAME)
        file = read_model_file(manifest.model, allow_h5=allow_h5)
        if manifest.model_sha256 not in (None, file.sha256):
            raise UsageError(
                f"{manifest.model} is not the model its {bundle_toml.FILE_NAME} names",
                hint="make the bundle again, or correct model_sha256",
            )
        return manifest, file
    if not path.suffix:
        known = list_bundles()
        near = difflib.get_close_matches(str(name_or_path), known, 1)
        raise UsageError(
            f"there is no bundle or model file {str(name_or_path)!r}",
            hint=f"did you mean {near[0]}?"
            if near
            else f"one of {', '.join(known)}, or the path of a .keras, .pt2, .tflite or .h file",
        )
    file = read_model_file(path, allow_h5=allow_h5)
    guess: Task = "classification" if file.is_classifier else "regression"
    return (
        Manifest(
            name=path.stem,
            description="",
            task=task or guess,
            tolerance_max_abs_of_range=DEFAULT_TOLERANCE,
            stateful=False,
            model=path.absolute(),
        ),
        file,
    )


def _from_table(manifest: Manifest, file: ModelFile, data: Path) -> tuple[dict[str, FloatArray], Array | None]:
    if manifest.data is None:
        raise UsageError(
            f"bundle {manifest.name} does not say which columns of a table it takes",
            hint="--vectors FILE.npz or FILE.csv, or a [data] table in bundle.toml",
        )
    if len(file.inputs) != 1:
        raise UsageError(f"{manifest.model} has {len(file.inputs)} inputs; a table fills one")
    name, shape = next(iter(file.inputs.items()))
    rows, truth = load_table(data, manifest.data, shape)
    if truth is not None and manifest.task == "classification":
        if (truth < 0).any() or (truth != np.floor(truth)).any():
            raise UsageError(f"{data}, column {manifest.data.label!r}: class labels must be whole numbers >= 0")
        return {name: rows}, truth.astype(np.int64)
    return {name: rows}, truth


def _check_labels(labels: Array, outputs: tuple[FloatArray, ...], task: Task) -> None:
    """Before any board is touched: labels that don't fit the outputs."""
    shapes = ", ".join(shape_text(output.shape[1:]) for output in outputs)
    if task == "regression":
        if labels.size != sum(output.size for output in outputs):
            each = shape_text(labels.shape[1:])
            raise UsageError(f"labels of shape {each} each don't fit the model's outputs of shape {shapes}")
        return
    classes = max(outputs[0].shape[-1], 2)  # one sigmoid output tells two classes apart
    if len(outputs) > 1 or outputs[0].ndim != 2:
        raise UsageError(f"one class label a vector doesn't fit the model's outputs of shape {shapes}")
    if int(labels.max()) >= classes:
        index = int(np.argmax(labels))
        raise UsageError(f"label {index} is class {labels[index]}, but the model tells classes 0..{classes - 1} apart")


def _check_finite(model: Path, golden: Golden) -> None:
    for output in golden.outputs:
        bad = ~np.isfinite(output.reshape(len(output), -1)).all(axis=1)
        if bad.any():
            raise UsageError(
                f"{model}: {golden.graph.framework} itself gives NaN or Inf for {int(bad.sum())} vectors, "
                f"the first is vector {int(np.argmax(bad))}",
                hint="there is nothing to compare a board with; look at the model's weights and the vectors' range",
            )
