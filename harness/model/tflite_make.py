"""`hil convert` as a function: any model the harness reads -> .tflite, header, findings, distance from Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.model.bundle import Bundle, load_bundle
from harness.model.golden import golden_for
from harness.model.graph import FloatArray, ModelGraph
from harness.model.model_file import read_model_file
from harness.model.reference import reference_of
from harness.model.tflite_header import write_header
from harness.model.tflite_libraries import DEFAULT_LIBRARY
from harness.model.tflite_lint import Finding, errors_of, lint_tflite
from harness.model.tflite_read import read_tflite
from harness.model.tflite_source import is_tflite_source, load_tflite
from harness.model.tflite_ways import convert_graph
from harness.model.tflm_host import run_tflm_on_host

CHECKED_VECTORS = 500


@dataclass(frozen=True, slots=True)
class HostCheck:
    """The converted model on this computer, in the real TFLM, against its framework over `vectors` vectors."""

    vectors: int
    max_abs: float
    mean_abs: float
    golden_range: float
    reference: str


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model.

    Attributes:
        name: of the model.
        tflite: the file.
        header: for a sketch; empty for a Keras model whose conversion lint refuses.
        int8: it was quantised here.
        findings: lint's.
        check: None where there were no vectors, or lint refuses it.
        way, why: as in `harness.model.tflite_ways.Conversion`; empty for a model that came converted.
    """

    name: str
    tflite: bytes
    header: str
    int8: bool
    findings: tuple[Finding, ...]
    check: HostCheck | None
    way: str = ""
    why: str = ""

    @property
    def operators(self) -> int:
        """How many operators one inference runs."""
        return len(read_tflite(self.tflite).main.operators)


def convert_model(
    model: str,
    *,
    int8: bool = False,
    calibrate: Path | None = None,
    library: str = DEFAULT_LIBRARY,
    on_note: Callable[[str], None] | None = None,
) -> Converted:
    """Converts a model.

    Args:
        model: a bundle's name or folder, a `.keras` or `.pt2` file; or a `.tflite` or header, which is only repacked.
        int8: quantise; needs representative vectors: `calibrate`, or those of the bundle.
        calibrate: file of vectors, as `harness.model.vectors.load_vectors` reads it.
        library: for lint.
        on_note: told when something slow begins.

    Raises:
        UsageError: the model or vectors can't be used, a layer is not supported, or the extra `tflm` is missing.
    """
    if is_tflite_source(Path(model)):
        if int8 or calibrate is not None:
            raise UsageError(f"{model} is converted already", hint="--int8 and --calibrate go with the Keras model")
        source = load_tflite(Path(model))
        header, findings = write_header(source.data), lint_tflite(source.data, library)
        return Converted(source.path.stem, source.data, header, False, findings, None)
    bundle = _bundle(model, calibrate, on_note)
    if bundle is not None and bundle.tflite is not None:  # a bundle's folder with a converted model in it
        return convert_model(str(bundle.model_path), int8=int8, calibrate=calibrate, library=library)
    name, graph, inputs, golden = _load(model, bundle, on_note)
    if int8 and inputs is None:
        raise UsageError(
            "int8 needs vectors to find the ranges of values", hint="--calibrate FILE.npz with real inputs"
        )
    path = Path(model) if bundle is None else bundle.model_path
    made = convert_graph(
        graph,
        model=path,
        calibration=inputs if int8 else None,
        stateful=bundle is not None and bundle.stateful,
        on_note=on_note,
    )
    data = made.tflite
    findings = lint_tflite(data, library)
    if errors_of(findings):
        # TFLM might crash on it, or never end; and an operator that no library has can't stand in a header.
        return Converted(name, data, "", int8, findings, None, made.way, made.why)
    check = None if inputs is None else _check(data, inputs, golden, reference_of(path, converted=False).who)
    return Converted(name, data, write_header(data), int8, findings, check, made.way, made.why)


def _bundle(model: str, calibrate: Path | None, on_note: Callable[[str], None] | None) -> Bundle | None:
    """None for a model file without vectors."""
    if calibrate is None and Path(model).is_file():
        return None
    return load_bundle(model, vectors=calibrate, on_note=on_note)


def _load(
    model: str, bundle: Bundle | None, on_note: Callable[[str], None] | None
) -> tuple[str, ModelGraph, tuple[FloatArray, ...] | None, tuple[FloatArray, ...]]:
    path = Path(model)
    if bundle is not None:
        return bundle.name, bundle.graph, bundle.inputs, bundle.golden
    file = read_model_file(path)
    zeros = {}
    for name, shape in file.inputs.items():
        if None in shape:
            raise UsageError(
                f"{path} leaves the length of input {name!r} open, and a board needs it",
                hint="--calibrate FILE.npz with vectors of the length to use",
            )
        zeros[name] = np.zeros((1, *(size or 0 for size in shape)), np.float32)
    golden = golden_for(path, file.sha256, zeros, on_note=on_note)
    return path.stem, golden.graph, None, golden.outputs


def _check(data: bytes, inputs: tuple[FloatArray, ...], golden: tuple[FloatArray, ...], reference: str) -> HostCheck:
    count = min(CHECKED_VECTORS, len(inputs[0]))
    outputs = run_tflm_on_host(data, [array[:count] for array in inputs])
    errors = np.concatenate(
        [np.abs(mine - theirs[:count]).ravel() for mine, theirs in zip(outputs, golden, strict=True)]
    )
    span = max(float(np.ptp(array[:count])) for array in golden)
    return HostCheck(count, float(errors.max()), float(errors.mean()), span, reference)
