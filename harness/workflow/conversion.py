"""How a model becomes what engine tflm takes, and whether that engine would run it right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.graph import FloatArray
from harness.model.packed import PackedModel
from harness.model.tflite_libraries import DEFAULT_LIBRARY
from harness.model.vectors import load_vectors

TFLM = "tflm"


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """What the user asked for; only engine tflm converts.

    Attributes:
        lint: refuse a model that TFLM would run wrong or not at all. Without, the comparison has to find it.
        library: TFLM library that lint checks for.
        int8: quantise a Keras model.
        calibrate: file of vectors for that; None: the vectors of the run.
    """

    lint: bool = True
    library: str = DEFAULT_LIBRARY
    int8: bool = False
    calibrate: Path | None = None

    def __post_init__(self) -> None:
        if self.calibrate is not None and not self.int8:
            raise UsageError("--calibrate gives the ranges for --int8, which is not asked for", hint="add --int8")
        if self.calibrate is not None and not self.calibrate.is_file():
            raise UsageError(f"the calibration file {self.calibrate} is not a file", hint="check the path")


def pack_for_tflm(bundle: Bundle, options: ConversionOptions) -> PackedModel:
    """Converts the bundle's model, or takes it as it came; refuses what lint finds errors in.

    Raises:
        UsageError: lint refuses it; a layer can't be converted; or the options don't fit the model.
    """
    from harness.model.tflite_lint import lint_tflite
    from harness.model.tflite_pack import pack_tflite, pack_tflm, tflite_of
    from harness.model.tflite_source import require_no_errors

    if bundle.tflite is not None:
        if options.int8:
            raise UsageError(
                f"{bundle.model_path} is converted already", hint="--int8 and --calibrate go with the Keras model"
            )
        return pack_tflite(bundle.tflite, library=options.library, lint=options.lint)
    packed = pack_tflm(bundle.graph, calibration=_calibration(bundle, options) if options.int8 else None)
    if options.lint:
        require_no_errors(lint_tflite(tflite_of(packed), options.library), f"{bundle.name}, converted,")
    return packed


def _calibration(bundle: Bundle, options: ConversionOptions) -> tuple[FloatArray, ...]:
    if options.calibrate is None:
        return bundle.inputs
    return load_vectors(options.calibrate, dict(bundle.graph.inputs)).arrays
