"""Golden outputs: what Keras computes for the vectors, computed once and kept by content.

For a model that came converted, full TensorFlow Lite takes Keras' place. Neither is ever imported here. On a cache miss
a worker process loads the model (`keras_worker`), within limits: a model file is code, and TensorFlow takes seconds to
import.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

from harness.compare.metrics import Array
from harness.errors import UsageError
from harness.model import golden_file
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray
from harness.model.keras_file import InputShape
from harness.resources import cache_dir, scratch, write_atomic

WORKER_TIMEOUT_S = 300.0
WORKER_MEMORY_BYTES = 32 << 30  # of address space: TensorFlow reserves far more than it uses.
OLDEST_KERAS = (3, 14)  # Safe mode of older ones has known holes.


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
    timeout_s: float = WORKER_TIMEOUT_S,
    on_note: Callable[[str], None] | None = None,
) -> Golden:
    """Golden outputs and graph of a model, from `shipped`, from the cache, or from Keras.

    Args:
        model: the model file; `model_sha256` is its digest.
        tflite: the model itself where it came converted; `model_sha256` is then of these bytes.
        inputs: name -> (vectors, *shape) float32, for every input of the model.
        stateful: keep recurrent state from each vector to the next.
        shipped: a golden file that came with the bundle; used if it belongs to this model and these vectors, whatever
            version of Keras made it: it is part of what the bundle promises.
        on_note: told before Keras is started, as that takes seconds.

    Raises:
        UsageError: Keras is missing or too old, or can't load or run the model (with its reason).
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
    key = [golden_file.FORMAT, model_sha256.hex(), digest.hex(), stateful, _version("keras"), _version("tensorflow")]
    cached = cache_dir() / "golden" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.npz"
    golden = _read(cached)
    if golden is not None and fits(golden):
        return golden
    if on_note is not None:
        on_note(f"computing golden outputs of {model.name} with {_reference(tflite)} (kept for the next run)")
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
    timeout_s: float = WORKER_TIMEOUT_S,
) -> Golden:
    """Golden outputs and graph, computed by Keras or TensorFlow Lite in a process of its own.

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
        "tflite": tflite is not None,
    }
    who = _reference(tflite)
    answer = _ask(model, model_sha256, options, request.getvalue(), timeout_s, who)
    try:
        return golden_file.decode(answer)
    except ValueError as error:
        raise UsageError(f"{model}: the answer of {who} can't be read ({error})") from None


def layer_outputs_for(
    model: Path,
    model_sha256: bytes,
    vector: Mapping[str, FloatArray],
    *,
    timeout_s: float = WORKER_TIMEOUT_S,
    on_note: Callable[[str], None] | None = None,
) -> dict[str, FloatArray]:
    """What Keras gives for one vector after every layer, from the cache or from Keras.

    Args:
        vector: input name -> (*shape) float32.

    Returns:
        Layer name as in the graph -> its first output, without the batch dimension; recurrent state was cleared before.

    Raises:
        UsageError: as `golden_for`.
    """
    inputs = {name: array[np.newaxis] for name, array in vector.items()}
    key = ["layers", 1, model_sha256.hex(), vectors_digest(inputs).hex(), _version("keras"), _version("tensorflow")]
    cached = cache_dir() / "golden" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.npz"
    with contextlib.suppress(OSError, ValueError):
        return _layers_of(cached.read_bytes())
    if on_note is not None:
        on_note(f"computing the outputs of all layers of {model.name} with Keras (kept for the next run)")
    request = io.BytesIO()
    np.savez(request, **{f"input/{name}": array for name, array in inputs.items()})  # type: ignore[arg-type]
    options = {"inputs": list(inputs), "stateful": False, "layers": True, "tflite": False}
    content = _ask(model, model_sha256, options, request.getvalue(), timeout_s, "Keras")
    try:
        layers = _layers_of(content)
    except ValueError as error:
        raise UsageError(f"{model}: Keras' answer can't be read ({error})") from None
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
    model: Path, model_sha256: bytes, *, timeout_s: float = WORKER_TIMEOUT_S
) -> dict[str, InputShape]:
    """Input name -> shape without the batch dimension, None for any length; of files `keras_file` can't read them from.

    Raises:
        UsageError: as `golden_for`.
    """
    answer = json.loads(_ask(model, model_sha256, {"inputs": None, "tflite": False}, b"", timeout_s, "Keras"))
    return {str(name): tuple(None if size is None else int(size) for size in shape) for name, shape in answer}


def _reference(tflite: bytes | None) -> str:
    return "Keras" if tflite is None else "TensorFlow Lite"


def _ask(
    model: Path, model_sha256: bytes, options: Mapping[str, object], request: bytes, timeout_s: float, who: str
) -> bytes:
    """A worker's answer to one request; `who` answers it, for messages."""
    if options["tflite"]:
        _check_installed("tensorflow")
    else:
        _check_keras()
    whole = {
        **options,
        "model": str(model.resolve()),
        "model_sha256": model_sha256.hex(),
        "memory_bytes": WORKER_MEMORY_BYTES,
        "cpu_s": int(4 * timeout_s) + 1,
        "parent": os.getpid(),
    }
    command = [sys.executable, "-P", "-m", "harness.model.keras_worker", json.dumps(whole)]
    with scratch() as folder:
        code, out, err = _run(command, request, str(folder), timeout_s, f"{model}: {who}")
    if code == 0:
        return out
    raise _refusal(model, who, code, out, err)


def _run(command: list[str], request: bytes, folder: str, timeout_s: float, what: str) -> tuple[int, bytes, bytes]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"{what} did not finish within {timeout_s:g} s", hint="fewer vectors, or shorter ones"
        ) from None
    finally:
        # Ctrl-C and everything else: no process is left behind.
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()
    return process.returncode, out, err


def _environment(folder: str) -> dict[str, str]:
    """What the worker sees: not the caller's credentials, and nothing that changes Keras' arithmetic."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL") if name in os.environ}
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": folder,
        "TMPDIR": folder,
        "KERAS_HOME": folder,  # the user's keras.json may set float16
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The same bits on every run: no oneDNN kernels (chosen by CPU), one thread, no GPU.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def _refusal(model: Path, who: str, code: int, out: bytes, err: bytes) -> UsageError:
    """The worker's reason, or how it ended."""
    try:
        answer = json.loads(out)
        return UsageError(f"{model}: {answer['error']}", hint=answer["hint"])
    except (ValueError, KeyError, TypeError):
        pass
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    last = "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else "it printed nothing"
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return UsageError(
        f"{model}: {who} {how} while it loaded or ran the model ({last})",
        hint="the model may be damaged or need more memory or time than a test run is given",
    )


def _check_keras() -> None:
    _check_installed("tensorflow", "keras")
    version = _version("keras")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_KERAS:
        oldest = ".".join(str(part) for part in OLDEST_KERAS)
        raise UsageError(
            f"keras {version} is not used on model files: loading them is safe from {oldest} on only",
            hint="pip install --upgrade keras",
        )


def _check_installed(*packages: str) -> None:
    missing = [name for name in packages if _version(name) == ""]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed, but needed to compute golden outputs",
            hint="pip install tensorflow, or run a shipped bundle with its own vectors",
        )


def _version(package: str) -> str:
    """Installed version, without importing the package; empty if it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        # Some builds of TensorFlow go by another name.
        return _version("tensorflow-cpu") if package == "tensorflow" else ""


def _read(path: Path) -> Golden | None:
    """A golden file, or None where there is none that can be used."""
    try:
        return golden_file.decode(path.read_bytes())
    except (OSError, ValueError):
        return None
