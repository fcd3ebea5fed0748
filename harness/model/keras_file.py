"""A `.keras` file as far as it can be read without Keras: enough to check vectors before anything slow or risky.

The archive is untrusted. Nothing in it is run or unpacked to disk here; only the worker process gives it to Keras.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError

MAX_MODEL_BYTES = 1 << 30
MAX_CONFIG_BYTES = 64 << 20

InputShape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class KerasFile:
    """What the file says of itself.

    Attributes:
        sha256: of the whole file, 32 bytes.
        inputs: name -> shape without the batch dimension; None stands for any length. Empty where the file does not say
            (legacy HDF5).
        layers: class names of the layers, in file order.
        output_activation: activation of the last layer, if it has one ("softmax").
    """

    sha256: bytes
    inputs: dict[str, InputShape]
    layers: tuple[str, ...] = ()
    output_activation: str | None = None


def read_keras_file(path: Path, *, allow_h5: bool = False) -> KerasFile:
    """Identify a model file.

    Args:
        allow_h5: take legacy HDF5 too. Keras' safe mode does not cover it: such a file can run code when loaded.

    Raises:
        UsageError: missing, empty, too large, cut short, not a Keras archive, or HDF5 without `allow_h5`.
    """
    digest = file_sha256(path)
    if path.suffix.lower() in (".h5", ".hdf5"):
        if not allow_h5:
            raise UsageError(
                f"{path} is a legacy HDF5 model, which can run code when it is loaded",
                hint="save it with model.save('model.keras'), or from Python use load_bundle(..., allow_h5=True)",
            )
        return KerasFile(digest, {})
    if path.suffix.lower() != ".keras":
        raise UsageError(f"{path} is not a .keras file", hint="save the model with model.save('model.keras')")
    config = _config(path)
    try:
        return _describe(digest, config)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        kind = config.get("class_name") if isinstance(config, dict) else None
        raise UsageError(
            f"{path} has no input shapes that can be read (model class {str(kind)[:60]!r})",
            hint="use a Sequential model with an Input, or a functional model",
        ) from None


def file_sha256(path: Path) -> bytes:
    """SHA-256 of a model file, 32 bytes.

    Raises:
        UsageError: it is missing, a folder, empty or too large, or can't be read.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UsageError(f"{path} is a folder, not a model file")
        if size == 0:
            raise UsageError(f"{path} is empty")
        if size > MAX_MODEL_BYTES:
            raise UsageError(f"{path} has {size} bytes; models of more than {MAX_MODEL_BYTES} are not taken")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None


def _config(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("config.json")
            total = sum(info.file_size for info in archive.infolist())
            if entry.file_size > MAX_CONFIG_BYTES or total > 2 * MAX_MODEL_BYTES:
                raise UsageError(f"{path} unpacks to {total} bytes, which is too much for a model")
            return json.loads(archive.read(entry))
    except KeyError:
        raise UsageError(f"{path} is a zip file without config.json, not a Keras model") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise UsageError(
            f"{path} is not a .keras archive, or was cut short ({error})", hint="save or copy the model again"
        ) from None
    except (ValueError, RecursionError, RuntimeError) as error:
        raise UsageError(f"{path}: its config.json can't be read ({str(error)[:100]})") from None


def _describe(digest: bytes, model: object) -> KerasFile:
    if not isinstance(model, dict):
        raise TypeError(type(model))
    config = model["config"]
    layers: list[dict[str, object]] = config["layers"]
    inputs: dict[str, InputShape] = {}
    if model["class_name"] == "Sequential":
        first = layers[0]
        if first["class_name"] == "InputLayer":
            inputs = _input(first)
            layers = layers[1:]
        else:
            # Built without an Input: the shape was recorded when it was first called.
            inputs = {
                str(config["name"]): _shape(config.get("build_input_shape") or model["build_config"]["input_shape"])
            }
    else:
        for name in _tensor_names(config["input_layers"]):
            inputs |= _input(next(layer for layer in layers if layer["config"]["name"] == name))  # type: ignore[index]
        layers = [layer for layer in layers if layer["class_name"] != "InputLayer"]
    if not inputs:
        raise ValueError("no inputs")
    last = layers[-1]["config"]
    activation = last.get("activation") if isinstance(last, dict) else None
    return KerasFile(
        digest,
        inputs,
        tuple(str(layer["class_name"]) for layer in layers),
        activation if isinstance(activation, str) else None,
    )


def _input(layer: dict[str, object]) -> dict[str, InputShape]:
    config = layer["config"]
    if not isinstance(config, dict):
        raise TypeError(type(config))
    return {str(config["name"]): _shape(config.get("batch_shape") or config["batch_input_shape"])}


def _shape(batch_shape: object) -> InputShape:
    if not isinstance(batch_shape, list) or len(batch_shape) < 2:
        raise ValueError(batch_shape)
    shape: list[int | None] = []
    for size in batch_shape[1:]:
        if size is not None and (not isinstance(size, int) or size <= 0):
            raise ValueError(size)
        shape.append(size)
    return tuple(shape)


def _tensor_names(node: object) -> list[str]:
    """Layer names of [["a", 0, 0], ...], of a single ["a", 0, 0], or of either within a dict."""
    if isinstance(node, dict):
        # Keras orders the inputs of a dict by key.
        return [name for key in sorted(node) for name in _tensor_names(node[key])]
    if not isinstance(node, list):
        raise TypeError(type(node))
    if node and isinstance(node[0], str):
        return [node[0]]
    return [name for item in node for name in _tensor_names(item)]
