"""Golden outputs: what a model's framework computes for the vectors, computed once and kept by content.

That is Keras, PyTorch for a .pt2, full TensorFlow Lite for a model that came converted. None is ever imported here. On
a cache miss a worker process loads the model (`keras_worker`, `torch_worker`), within limits: a model file is code, and
the frameworks take seconds to import.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.compare.metrics import Array
from harness.errors import UsageError
from harness.model import golden_file, worker_process
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray
from harness.model.keras_file import InputShape
from harness.model.reference import KERAS, TFLITE, Reference, reference_of
from harness.resources import cache_dir, write_atomic


def vectors_digest(inputs: Mapping[str, FloatArray]) -> bytes:
    """SHA-256 over names, shapes and values of the inputs, in order."""
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(json.dumps([name, list(array.shape)]).encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.digest()


def golden_for(
    model: Path,
    model_sha256: bytes,
    inputs: Mapping[str, FloatArray],
    *,
    stateful: bool = False,
    tflite: bytes | None = None,
    shipped: Path | None = None,
    timeout_s: float = worker_process.TIMEOUT_S,
    on_note: Callable[[str], None] | None = None,
) -> Golden:
    """Golden outputs and graph of a model, from `shipped`, from the cache, or from its framework.

    Args:
        model: the model file; `model_sha256` is its digest.
        tflite: the model itself where it came converted; `model_sha256` is then of these bytes.
        inputs: name -> (vectors, *shape) float32, for every input of the model.
        stateful: keep recurrent state from each vector to the next.
        shipped: a golden file that came with the bundle; used if it belongs to this model and these vectors, whatever
            version of the framework made it: it is part of what the bundle promises.
        on_note: told before the framework is started, as that takes seconds.

    Raises:
        UsageError: the framework is missing or too old, or can't load or run the model (with its reason).
    """
    digest = vectors_digest(inputs)

    def fits(golden: Golden | None) -> bool:
        return golden is not None and (golden.graph.source_sha256, golden.vectors_sha256, golden.stateful) == (
            model_sha256,
            digest,
            stateful,
        )

    if shipped is not None:
        golden = _read(shipped)
        if golden is not None and fits(golden):
            return golden
    reference = reference_of(model, converted=tflite is not None)
    key = [golden_file.FORMAT, model_sha256.hex(), digest.hex(), stateful, reference.who, *reference.versions()]
    cached = cache_dir() / "golden" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.npz"
    golden = _read(cached)
    if golden is not None and fits(golden):
        return golden
    if on_note is not None:
        on_note(f"computing golden outputs of {model.name} with {reference.who} (kept for the next run)")
    golden = golden_from_worker(model, model_sha256, inputs, stateful=stateful, tflite=tflite, timeout_s=timeout_s)
    # A cache that can't be written costs time, not the result.
    with contextlib.suppress(OSError):
        write_golden(cached, golden)
    return golden


def write_golden(path: Path, golden: Golden) -> None:
    """Write a golden file, whole or not at all.

    Raises:
        OSError: the directory can't be written.
    """
    write_atomic(path, golden_file.encode(golden))


def golden_from_worker(
    model: Path,
    model_sha256: bytes,
    inputs: Mapping[str, FloatArray],
    *,
    stateful: bool = False,
    tflite: bytes | None = None,
    timeout_s: float = worker_process.TIMEOUT_S,
) -> Golden:
    """Golden outputs and graph, computed by its framework in a process of its own.

    Vectors and results go through its pipes, so an interrupted worker leaves no files.

    Raises:
        UsageError: as `golden_for`.
    """
    request = io.BytesIO()
    arrays: dict[str, Array] = {f"input/{name}": array for name, array in inputs.items()}
    if tflite is not None:
        arrays["model"] = np.frombuffer(tflite, np.uint8)
    np.savez(request, **arrays)  # type: ignore[arg-type]
    options = {
        "vectors_sha256": vectors_digest(inputs).hex(),
        "inputs": list(inputs),
        "stateful": stateful,
    }
    reference = reference_of(model, converted=tflite is not None)
    answer = _ask(reference, model, model_sha256, options, request.getvalue(), timeout_s)
    try:
        return golden_file.decode(answer)
    except ValueError as error:
        raise UsageError(f"{model}: the answer of {reference.who} can't be read ({error})") from None


def layer_outputs_for(
    model: Path,
    model_sha256: bytes,
    vector: Mapping[str, FloatArray],
    *,
    timeout_s: float = worker_process.TIMEOUT_S,
    on_note: Callable[[str], None] | None = None,
) -> dict[str, FloatArray]:
    """What the framework gives for one vector after every layer, from the cache or from it.

    Args:
        vector: input name -> (*shape) float32.

    Returns:
        Layer name as in the graph -> its first output, without the batch dimension; recurrent state was cleared before.

    Raises:
        UsageError: as `golden_for`.
    """
    inputs = {name: array[np.newaxis] for name, array in vector.items()}
    reference = reference_of(model, converted=False)
    key = ["layers", 1, model_sha256.hex(), vectors_digest(inputs).hex(), reference.who, *reference.versions()]
    cached = cache_dir() / "golden" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.npz"
    with contextlib.suppress(OSError, ValueError):
        return _layers_of(cached.read_bytes())
    if on_note is not None:
        on_note(f"computing the outputs of all layers of {model.name} with {reference.who} (kept for the next run)")
    request = io.BytesIO()
    np.savez(request, **{f"input/{name}": array for name, array in inputs.items()})  # type: ignore[arg-type]
    options = {"inputs": list(inputs), "stateful": False, "layers": True}
    content = _ask(reference, model, model_sha256, options, request.getvalue(), timeout_s)
    try:
        layers = _layers_of(content)
    except ValueError as error:
        raise UsageError(f"{model}: the answer of {reference.who} can't be read ({error})") from None
    with contextlib.suppress(OSError):
        write_atomic(cached, content)
    return layers


def _layers_of(content: bytes) -> dict[str, FloatArray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as npz:
            return {name.removeprefix("layer/"): np.asarray(npz[name], np.float32) for name in npz.files}
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from None


def inputs_from_worker(
    model: Path, model_sha256: bytes, *, timeout_s: float = worker_process.TIMEOUT_S
) -> dict[str, InputShape]:
    """Input name -> shape without the batch dimension, None for any length; of files `keras_file` can't read them from.

    Raises:
        UsageError: as `golden_for`.
    """
    answer = json.loads(_ask(KERAS, model, model_sha256, {"inputs": None}, b"", timeout_s))
    return {str(name): tuple(None if size is None else int(size) for size in shape) for name, shape in answer}


def _ask(
    reference: Reference,
    model: Path,
    model_sha256: bytes,
    options: Mapping[str, object],
    request: bytes,
    timeout_s: float,
) -> bytes:
    reference.check()
    whole = {**options, "tflite": reference is TFLITE}
    return worker_process.ask(reference.module, reference.who, model, model_sha256, whole, request, timeout_s)


def _read(path: Path) -> Golden | None:
    """A golden file, or None where there is none that can be used."""
    try:
        return golden_file.decode(path.read_bytes())
    except (OSError, ValueError):
        return None
