"""A model file of any kind the harness takes, as far as it can be read without a framework."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.model.keras_file import InputShape, read_keras_file
from harness.model.reference import is_torch_file
from harness.model.tflite_graph import ends_in_softmax, input_shapes
from harness.model.tflite_source import TfliteSource, is_tflite_source, load_tflite, require_sendable
from harness.model.torch_file import pickle_error, read_torch_file
from harness.model.torch_graph import describe
from harness.model.torch_program import TorchError


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
    """Reads a `.keras` file, a `.pt2`, a `.tflite` or a C header with one.

    Args:
        allow_h5: take legacy HDF5 too, see `read_keras_file`.

    Raises:
        UsageError: it can't be read, is damaged, is a .tflite that no engine here can be given vectors for, or a
            PyTorch program with what is not supported (by name).
    """
    if is_tflite_source(path):
        source = load_tflite(path)
        require_sendable(source)
        inputs: dict[str, InputShape] = dict(input_shapes(source.model))
        return ModelFile(source.sha256, inputs, ends_in_softmax(source.model), source)
    if is_torch_file(path):
        return _torch_file(path)
    if path.suffix.lower() in (".pt", ".pth") and path.is_file():
        raise pickle_error(path)
    file = read_keras_file(path, allow_h5=allow_h5)
    return ModelFile(file.sha256, file.inputs, file.output_activation == "softmax")


def _torch_file(path: Path) -> ModelFile:
    program = read_torch_file(path)
    try:
        graph = describe(program).graph
    except TorchError as error:
        raise UsageError(f"{path}: {error.what}", hint=error.hint) from None
    last = {layer.name: layer for layer in graph.layers}.get(graph.outputs[0])
    is_classifier = last is not None and last.config.get("activation") == "softmax"
    return ModelFile(graph.source_sha256, dict(graph.inputs), is_classifier)
