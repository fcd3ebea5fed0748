"""How a model becomes what engine tflm takes, and whether that engine would run it right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.bundle_toml import Quantise
from harness.model.graph import FloatArray
from harness.model.packed import PackedModel
from harness.model.tflite_libraries import DEFAULT_LIBRARY
from harness.model.vectors import load_vectors

TFLM = "tflm"


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """What the user asked for.

    Attributes:
        lint: refuse a model that TFLM would run wrong or not at all. Without, the comparison has to find it.
        library: TFLM library that lint checks for.
        int8: quantise a Keras model to int8; `quantise` = "int8" is the same.
        quantise: what the engine keeps numbers in; None: as the bundle says.
        calibrate: file of vectors for that; None: the vectors of the run.
    """

    lint: bool = True
    library: str = DEFAULT_LIBRARY
    int8: bool = False
    quantise: Quantise | None = None
    calibrate: Path | None = None

    def __post_init__(self) -> None:
        if self.int8 and self.quantise not in (None, "int8"):
            raise UsageError(f"--int8 and --quantise {self.quantise} contradict each other", hint="leave one out")
        if self.calibrate is not None and not self.calibrate.is_file():
            raise UsageError(f"the calibration file {self.calibrate} is not a file", hint="check the path")


def _wanted(bundle: Bundle, options: ConversionOptions) -> Quantise:
    """What numbers are kept in: as the user says, else as the bundle says."""
    wanted: Quantise = "int8" if options.int8 else options.quantise or bundle.quantise or "float32"
    if options.calibrate is not None and wanted != "int8":
        raise UsageError("--calibrate gives the ranges for --int8, which is not asked for", hint="add --int8")
    return wanted


def pack_for_tflm(
    bundle: Bundle, options: ConversionOptions, *, on_note: Callable[[str], None] | None = None
) -> PackedModel:
    """Converts the bundle's model, or takes it as it came; refuses what lint finds errors in.

    `on_note` is told when something slow begins.

    Raises:
        UsageError: lint refuses it; a layer can't be converted; or the options don't fit the model.
    """
    from harness.model.tflite_lint import lint_tflite
    from harness.model.tflite_pack import pack_tflite, pack_tflm, tflite_of
    from harness.model.tflite_source import require_no_errors

    if bundle.tflite is not None:
        if options.int8 or options.quantise is not None:
            raise UsageError(
                f"{bundle.model_path} is converted already", hint="--int8 and --calibrate go with the Keras model"
            )
        return pack_tflite(bundle.tflite, library=options.library, lint=options.lint)
    wanted = _wanted(bundle, options)
    if wanted == "int8-weights":
        raise UsageError(
            "engine tflm has no int8 weights with float activations", hint="--quantise int8, or engine rnn"
        )
    packed = pack_tflm(
        bundle.graph,
        model=bundle.model_path,
        calibration=_calibration(bundle, options) if wanted == "int8" else None,
        stateful=bundle.stateful,
        on_note=on_note,
    )
    if options.lint:
        require_no_errors(lint_tflite(tflite_of(packed), options.library), f"{bundle.name}, converted,")
    return packed


def pack_for_rnn(bundle: Bundle, options: ConversionOptions) -> PackedModel:
    """Packs the bundle's model in float32, or quantised as asked for, or else as the bundle says.

    Raises:
        UsageError: a layer or setting the engine can't compute that way, named.
    """
    from harness.model.rnn_pack import pack_rnn

    wanted = _wanted(bundle, options)
    if wanted == "int8":
        return pack_rnn(bundle.graph, calibration=_calibration(bundle, options))
    return pack_rnn(bundle.graph, int8_weights=wanted == "int8-weights")


def _calibration(bundle: Bundle, options: ConversionOptions) -> tuple[FloatArray, ...]:
    if options.calibrate is None:
        return bundle.inputs
    return load_vectors(options.calibrate, dict(bundle.graph.inputs)).arrays
