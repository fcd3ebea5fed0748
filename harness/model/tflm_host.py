"""The converted model on this computer, in the real TFLM: the middle of Keras <-> converted model <-> board."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from harness.errors import UsageError
from harness.model.graph import FloatArray
from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_quantise import dequantise, quantise
from harness.model.tflite_read import TfliteModel, read_tflite
from harness.model.tflm_runtime import append_only, engine_version, read_log, tensor_spec
from harness.model.tflm_worker import EXIT_REFUSED, Request, options

Fault = Literal["arena-too-small", "model-invalid", "invoke-failed", "crash", "timeout"]

DEFAULT_ARENA_BYTES = 1 << 20
DEFAULT_TIMEOUT_S = 60.0


class TflmHostError(UsageError):
    """TFLM did not run the model.

    Attributes:
        fault: how it failed.
        missing_bytes: of the arena, as TFLM says; 0 where it does not.
        text: what TFLM said.
    """

    def __init__(self, what: str, *, fault: Fault, missing_bytes: int, text: str, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.fault = fault
        self.missing_bytes = missing_bytes
        self.text = text


def run_tflm_on_host(
    tflite: bytes,
    inputs: Sequence[FloatArray],
    *,
    arena_bytes: int = DEFAULT_ARENA_BYTES,
    reset_each: bool = True,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> tuple[FloatArray, ...]:
    """Runs vectors through a model in TFLM, in a process of its own.

    Args:
        tflite: the model.
        inputs: per model input, float32 (N, *shape without batch); quantised here where the model is.
        arena_bytes: size of the arena.
        reset_each: clear recurrent state before each vector.
        timeout_s: for all of it.

    Returns:
        Per model output, float32 (N, *shape without batch), dequantised.

    Raises:
        UsageError: the model is damaged, the inputs do not fit, or tflite-micro is not installed.
        TflmHostError: TFLM refused the model or the arena, failed, crashed, or did not finish.
    """
    try:
        model = read_tflite(tflite)
    except TfliteFormatError as error:
        raise UsageError(f"the model is damaged: {error}", hint="convert it again") from error
    engine_version()  # names a missing package before a process is started for nothing
    payload, count = _vectors(model, inputs)
    vector_bytes = sum(tensor_spec(tensor).nbytes for tensor in model.inputs)
    request = Request(len(tflite), vector_bytes, arena_bytes, reset_each, os.getpid())
    raw = _run(request, tflite + payload, timeout_s)
    return _outputs(model, raw, count)


def _vectors(model: TfliteModel, inputs: Sequence[FloatArray]) -> tuple[bytes, int]:
    if len(inputs) != len(model.inputs):
        raise UsageError(f"{len(inputs)} input arrays, the model has {len(model.inputs)} inputs")
    counts = {len(array) for array in inputs}
    if len(counts) != 1:
        raise UsageError("the input arrays have different numbers of vectors")
    columns = []
    for tensor, array in zip(model.inputs, inputs, strict=True):
        spec = tensor_spec(tensor)
        if int(np.prod(array.shape[1:])) != int(np.prod(spec.shape)):
            raise UsageError(f"vectors of shape {array.shape[1:]}, input {tensor.name!r} needs {spec.shape}")
        stored = quantise(array, spec)
        columns.append(stored.reshape(len(stored), int(np.prod(spec.shape))).view(np.uint8))
    return np.concatenate(columns, axis=1).tobytes(), counts.pop()


def _outputs(model: TfliteModel, raw: bytes, count: int) -> tuple[FloatArray, ...]:
    specs = [tensor_spec(tensor) for tensor in model.outputs]
    rows = np.frombuffer(raw, np.uint8).reshape(count, sum(spec.nbytes for spec in specs))
    outputs, start = [], 0
    for spec in specs:
        column = np.ascontiguousarray(rows[:, start : start + spec.nbytes]).view(spec.numpy_dtype)
        outputs.append(dequantise(column.reshape(count, *spec.shape), spec))
        start += spec.nbytes
    return tuple(outputs)


def _run(request: Request, payload: bytes, timeout_s: float) -> bytes:
    log = os.memfd_create("tflm-host-log")
    try:
        append_only(log)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.model.tflm_worker", options(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
        )
        try:
            out, _ = process.communicate(payload, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TflmHostError(
                f"TFLM did not finish within {timeout_s:g} s",
                fault="timeout",
                missing_bytes=0,
                text=read_log(log),
                hint="hil lint says whether the model has a loop that never ends",
            ) from None
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode == 0:
            return out
        raise _failure(process.returncode, out, read_log(log), request.arena_bytes)
    finally:
        os.close(log)


def _failure(code: int, out: bytes, log: str, arena_bytes: int) -> TflmHostError:
    last = log.splitlines()[-1][:200] if log else "it printed nothing"
    if code != EXIT_REFUSED:
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return TflmHostError(
            f"TFLM crashed with an arena of {arena_bytes} bytes: {how}; its last words: {last}",
            fault="crash",
            missing_bytes=0,
            text=log,
            hint="a larger arena; if that does not help, hil lint",
        )
    answer = json.loads(out)
    text, missing = str(answer["text"]), int(answer["missing_bytes"])
    first = text.splitlines()[0] if text else "no reason given"
    faults: dict[str, tuple[Fault, str, str]] = {
        "arena-too-small": ("arena-too-small", f"an arena of {arena_bytes} bytes is too small", "a larger arena"),
        "model-invalid": ("model-invalid", "TFLM can't load the model", "hil lint says what to do instead"),
        "invoke-failed": ("invoke-failed", "TFLM failed to run the model", "hil lint says what to do instead"),
    }
    fault, what, hint = faults[answer["fault"]]
    return TflmHostError(f"{what}: {first}", fault=fault, missing_bytes=missing, text=text, hint=hint)


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # One thread each: TFLM has no other, and numpy's pool would only be started to idle.
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
