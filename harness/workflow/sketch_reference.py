"""What a sketch's predictions are held against: vectors, labels, and what Keras computes for them."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.compare.metrics import Array
from harness.compare.tolerance import tolerance_max_abs
from harness.errors import UsageError
from harness.model.bundle import Bundle, load_bundle
from harness.model.graph import FloatArray
from harness.model.model_file import read_model_file

# What the tutorial's sketch sends through its model, in this order, and the labels it prints beside its predictions.
TUTORIAL_SAMPLES = ("4.6,8,304=17.76", "2,4,216=11.44")
_SAMPLE = re.compile(r"([^=]+)(?:=([^=]+))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """The right answers.

    Attributes:
        name, sha256: of the model.
        source: who computed them.
        inputs: one array an input of the model, (vectors, *shape) float32.
        outputs: all outputs of a vector in a row, (vectors, elements) float32.
        labels: (vectors,) or None.
        tolerance_max_abs: largest allowed error before printing.
        tflite: the model as TFLM runs it, made when asked for.
    """

    name: str
    sha256: bytes
    source: str
    inputs: tuple[FloatArray, ...]
    outputs: FloatArray
    labels: Array | None
    tolerance_max_abs: float
    tflite: Callable[[], bytes]


def load_reference(
    model: str,
    *,
    samples: Sequence[str] = (),
    vectors: Path | None = None,
    labels: Path | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Reference:
    """Loads a model and the vectors its sketch goes through.

    Args:
        model: bundle, `.keras`, `.tflite`, or a header with a model.
        samples: vectors as "4.6,8,304" or with their label, "4.6,8,304=17.76".
        vectors, labels: files, as `hil run` takes them.
        on_note: told when something slow begins.

    With neither, a model that takes three numbers gets `TUTORIAL_SAMPLES`; another one its bundle's vectors.

    Raises:
        UsageError: a file or sample can't be used.
    """
    if samples and (vectors is not None or labels is not None):
        raise UsageError("--sample gives vectors and labels already; it can't go with --vectors or --labels")
    if labels is not None and vectors is None:
        raise UsageError("--labels needs the --vectors they belong to")
    if not samples and vectors is None and _takes_three(model):
        samples = TUTORIAL_SAMPLES
    if not samples:
        return _load(model, vectors, labels, on_note)
    with tempfile.TemporaryDirectory(prefix="hil-watch-") as folder:
        vector_file, label_file = _write_samples(samples, Path(folder))
        return _load(model, vector_file, label_file, on_note)


def _load(model: str, vectors: Path | None, labels: Path | None, on_note: Callable[[str], None] | None) -> Reference:
    bundle = load_bundle(model, vectors=vectors, labels=labels, on_note=on_note)
    outputs = _rows(bundle.golden)
    return Reference(
        bundle.name,
        bundle.model_sha256,
        bundle.graph.framework,
        bundle.inputs,
        outputs,
        _one_label(bundle.labels),
        tolerance_max_abs(outputs, bundle.tolerance_max_abs_of_range),
        lambda: _tflite(bundle),
    )


def _tflite(bundle: Bundle) -> bytes:
    if bundle.tflite is not None:
        return bundle.tflite.data
    from harness.model.tflite_ways import convert_graph

    return convert_graph(bundle.graph, model=bundle.model_path).tflite


def _takes_three(model: str) -> bool:
    path = Path(model)
    if path.is_file():
        shapes = list(read_model_file(path).inputs.values())
    else:
        shapes = [array.shape[1:] for array in load_bundle(model).inputs]
    return len(shapes) == 1 and None not in shapes[0] and math.prod(size or 0 for size in shapes[0]) == 3


def _write_samples(samples: Sequence[str], folder: Path) -> tuple[Path, Path | None]:
    rows, truth = [], []
    for sample in samples:
        found = _SAMPLE.fullmatch(sample)
        if found is None:
            raise UsageError(f"sample {sample!r} is not like 4.6,8,304 or 4.6,8,304=17.76")
        rows.append(_numbers(found[1], sample))
        if found[2] is not None:
            truth.append(_numbers(found[2], sample)[0])
    if len({len(row) for row in rows}) > 1:
        raise UsageError("the samples differ in how many numbers they have")
    if truth and len(truth) < len(rows):
        raise UsageError("some samples have a label (=17.76) and some have none", hint="give all or none")
    vectors, labels = folder / "samples.csv", folder / "labels.csv"
    vectors.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows))
    if not truth:
        return vectors, None
    labels.write_text("".join(f"{value!r}\n" for value in truth))
    return vectors, labels


def _numbers(text: str, sample: str) -> list[float]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise UsageError(f"sample {sample!r} is not made of numbers", hint="--sample 4.6,8,304=17.76")
    return values


def _rows(outputs: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([array.reshape(len(array), -1) for array in outputs], axis=1)


def _one_label(labels: Array | None) -> Array | None:
    """Labels of one number each; others are of no use here, since a sketch prints one."""
    if labels is None or labels.size != len(labels):
        return None
    return labels.reshape(-1)
