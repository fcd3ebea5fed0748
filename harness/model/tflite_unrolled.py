"""A Keras model without fused form as .tflite: every time step spelled out, by TFLiteConverter in the worker process.

Kept by content: the same model, calibration and versions of Keras and TensorFlow are converted once.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.model import worker_process
from harness.model.golden import vectors_digest
from harness.model.graph import FloatArray, LayerSpec, ModelGraph
from harness.model.reference import KERAS
from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_read import read_tflite
from harness.resources import cache_dir, write_atomic

# Raised when the way of conversion changes.
_FORMAT = 1
# 256 steps of a GRU make about 4,400 operators and 0.8 MB; each operator also costs 80 bytes of the board's arena.
MAX_STEPS = 256
# As TFLiteConverter of TensorFlow 2.21 spells one step; other cells are about as large as a GRU's.
_OPERATORS_PER_STEP = {"LSTM": 10, "SimpleRNN": 4}
_OPERATORS_OF_OTHERS = 17
_BYTES_PER_OPERATOR = 170


def unrolled_tflite(
    model: Path,
    graph: ModelGraph,
    *,
    calibration: Sequence[FloatArray] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> bytes:
    """Converts a model; the same arguments and versions give the same bytes, in whatever process.

    Args:
        model: the Keras file `graph` was read from.
        graph: the model.
        calibration: per model input, representative float32 vectors (N, *shape): int8 throughout; None: float32.
        on_note: told before TensorFlow is started, as that takes seconds.

    Raises:
        UsageError: more than MAX_STEPS steps, Keras or TensorFlow is missing, or the converter refuses the model.
    """
    steps = _check_size(graph)
    inputs = {} if calibration is None else dict(zip(graph.inputs, calibration, strict=True))
    key = [_FORMAT, graph.source_sha256.hex(), dict(graph.inputs), vectors_digest(inputs).hex(), *KERAS.versions()]
    cached = cache_dir() / "golden" / f"unrolled-{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.tflite"
    with contextlib.suppress(OSError, TfliteFormatError):
        data = cached.read_bytes()
        read_tflite(data)
        return data
    if on_note is not None:
        on_note(f"converting {model.name} with {steps} time steps unrolled by TensorFlow (kept for the next run)")
    request = io.BytesIO()
    np.savez(request, **{f"input/{name}": array for name, array in inputs.items()})  # type: ignore[arg-type]
    options = {"inputs": list(inputs), "unroll": dict(graph.inputs), "tflite": False}
    KERAS.check()
    data = worker_process.ask(
        KERAS.module,
        "TensorFlow",
        model,
        graph.source_sha256,
        options,
        request.getvalue(),
        worker_process.TIMEOUT_S,
    )
    try:
        read_tflite(data)
    except TfliteFormatError as error:
        raise UsageError(
            f"{model}: unrolled, the model can't be read back ({error})", hint="fewer time steps, or --engine rnn"
        ) from None
    # A cache that can't be written costs time, not the result.
    with contextlib.suppress(OSError):
        write_atomic(cached, data)
    return data


def _check_size(graph: ModelGraph) -> int:
    """Time steps of all recurrent layers together."""
    shapes = dict(graph.inputs) | {layer.name: layer.output_shape for layer in graph.layers}
    found = [(layer, _steps(layer, shapes)) for layer in graph.layers]
    steps = sum(count for _, count in found)
    if steps > MAX_STEPS:
        operators = sum(count * _operators(layer) for layer, count in found)
        longest = max(found, key=lambda item: item[1])[0]
        raise UsageError(
            f"unrolled, the model has {steps} time steps: about {operators:,} operators and "
            f"{operators * _BYTES_PER_OPERATOR // 1000:,} KB; more than {MAX_STEPS} are not unrolled "
            f"(layer {longest.name!r}, {longest.kind})",
            hint="shorter vectors; LSTM, which TFLM runs as one operator whatever its length; or --engine rnn",
        )
    return steps


def _steps(layer: LayerSpec, shapes: dict[str, tuple[int, ...]]) -> int:
    if "return_sequences" not in layer.config and layer.kind != "Bidirectional":
        return 0
    shape = shapes.get(layer.inputs[0].partition(":")[0], ()) if layer.inputs else ()
    # Without a known length Keras would refuse to unroll.
    length = shape[0] if shape else 0
    return 2 * length if layer.kind == "Bidirectional" else length


def _operators(layer: LayerSpec) -> int:
    kind = str(layer.config.get("layer.kind", layer.kind))
    return _OPERATORS_PER_STEP.get(kind, _OPERATORS_OF_OTHERS)
