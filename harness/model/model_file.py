"""A model file of any kind the harness takes, as far as it can be read without a framework."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.model.keras_file import InputShape, read_keras_file
from harness.model.tflite_graph import ends_in_softmax, input_shapes
from harness.model.tflite_source import TfliteSource, is_tflite_source, load_tflite, require_sendable


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What the file says of itself.

    Attributes:
        sha256: 32 bytes, the model's identity on the wire: of the whole file; of the .tflite in it for a C header.
        inputs: name -> shape without the batch dimension; None stands for any length. Empty where the file does not say
            (legacy HDF5).
        is_classifier: it ends in a softmax.
        tflite: the model itself, where it came converted.
    """

    sha256: bytes
    inputs: dict[str, InputShape]
    is_classifier: bool
    tflite: TfliteSource | None = None


def read_model_file(path: Path, *, allow_h5: bool = False) -> ModelFile:
    """Reads a `.keras` file, a `.tflite` or a C header with one.

    Args:
        allow_h5: take legacy HDF5 too, see `read_keras_file`.

    Raises:
        UsageError: it can't be read, is damaged, or is a .tflite that no engine here can be given vectors for.
    """
    if is_tflite_source(path):
        source = load_tflite(path)
        require_sendable(source)
        inputs: dict[str, InputShape] = dict(input_shapes(source.model))
        return ModelFile(source.sha256, inputs, ends_in_softmax(source.model), source)
    file = read_keras_file(path, allow_h5=allow_h5)
    return ModelFile(file.sha256, file.inputs, file.output_activation == "softmax")
