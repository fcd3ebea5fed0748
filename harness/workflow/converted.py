"""The converted model in the real TFLM on this computer: the middle of Keras <-> converted model <-> board.

Kept by content under the cache, as golden outputs are.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import WrongDeviceError
from harness.model.bundle import Bundle
from harness.model.golden import vectors_digest
from harness.model.graph import FloatArray
from harness.model.packed import PackedModel
from harness.model.tflite_pack import tflite_of
from harness.model.tflite_read import read_tflite
from harness.model.tflm_host import TflmHostError, run_tflm_on_host
from harness.model.tflm_runtime import engine_version, tensor_spec
from harness.protocol.messages import DeviceInfo, TensorSpec
from harness.resources import cache_dir, write_atomic
from harness.workflow.conversion import TFLM
from harness.workflow.progress import Progress
from harness.workflow.rnn_here import run_rnn_here

# Raised when the way these outputs are computed changes.
_FORMAT = 1
# Far more than a microcontroller has: here the question is what the model computes, not where it fits.
_ARENA_BYTES = 64 << 20
_TIMEOUT_S = 60.0
_TIMEOUT_PER_VECTOR_S = 0.1


@dataclass(frozen=True, slots=True)
class ConvertedOutputs:
    """What the converted model gives.

    Attributes:
        outputs: one array a model output, float32 (N, *shape without batch), dequantised.
        specs: of those outputs, as the model stores them.
        input_specs: of the model's inputs.
        tflite_sha256: of the converted model, 32 bytes.
        tflite_bytes: its size.
        runtime: what ran it.
        way, why: how a Keras model was converted, see `PackedModel`.
        quantised: the weights are integers, even where the outputs are not.
    """

    outputs: tuple[FloatArray, ...]
    specs: tuple[TensorSpec, ...]
    tflite_sha256: bytes
    tflite_bytes: int
    runtime: str
    input_specs: tuple[TensorSpec, ...] = ()
    quantised: bool = False
    way: str = ""
    why: str = ""

    @property
    def short_name(self) -> str:
        """What ran it, in a word or two."""
        return "the rnn engine" if self.runtime.startswith("rnn") else "TFLM"

    @property
    def is_quantised(self) -> bool:
        """Whether numbers were rounded to integers on the way: in tensors, or in the weights alone."""
        return self.quantised or any(np.dtype(spec.numpy_dtype).kind != "f" for spec in self.specs)


def converted_outputs(bundle: Bundle, packed: PackedModel, progress: Progress) -> ConvertedOutputs | None:
    """Outputs of the packed model for the bundle's vectors, in TFLM on this computer; None for another engine.

    State is cleared before each vector unless the bundle is stateful, whatever the board does.

    Raises:
        UsageError: tflite-micro is not installed.
        TflmHostError: TFLM can't run the model: the conversion is at fault, and no board is needed to know.
    """
    if packed.engine == "rnn" and packed.quantised:
        here, specs, input_specs, sha256 = run_rnn_here(bundle, packed, progress)
        runtime = "rnn engine on this computer"
        return ConvertedOutputs(here, specs, sha256, packed.model_bytes, runtime, input_specs, quantised=True)
    if packed.engine != TFLM:
        return None
    tflite = tflite_of(packed)
    runtime = f"tflite-micro {engine_version()}"
    sha256 = hashlib.sha256(tflite).digest()
    vectors = vectors_digest({str(i): array for i, array in enumerate(bundle.inputs)})
    key = json.dumps([_FORMAT, sha256.hex(), vectors.hex(), bundle.stateful, runtime])
    cached = cache_dir() / "golden" / f"converted-{hashlib.sha256(key.encode()).hexdigest()}.npz"
    outputs = _read(cached, bundle)
    if outputs is None:
        progress.phase("TFLM here", None)
        outputs = _run(tflite, bundle)
        # A cache that can't be written costs time, not the result.
        with contextlib.suppress(OSError):
            _write(cached, outputs)
    model = read_tflite(tflite)
    specs, input_specs = (tuple(map(tensor_spec, tensors)) for tensors in (model.outputs, model.inputs))
    return ConvertedOutputs(outputs, specs, sha256, len(tflite), runtime, input_specs, way=packed.way, why=packed.why)


def check_quantisation(info: DeviceInfo, converted: ConvertedOutputs, *, port: str) -> None:
    """The device must run this conversion: an image built elsewhere may hold another of the same Keras model.

    Raises:
        WrongDeviceError: its tensors are stored otherwise; both ways are named.
    """
    for side, device, here in (
        ("inputs", info.inputs, converted.input_specs),
        ("outputs", info.outputs, converted.specs),
    ):
        if list(map(_storage, device)) != list(map(_storage, here)):
            raise WrongDeviceError(
                f"the device's {side} are stored as {_stored(device)}, those of this run as {_stored(here)}",
                board=info.board,
                port=port,
                hint="give the options the image was built with (--int8, --calibrate)",
            )


def _storage(spec: TensorSpec) -> tuple[str, float, int]:
    return spec.numpy_dtype, float(np.float32(spec.scale)), spec.zero_point


def _stored(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(
        spec.numpy_dtype + (f" (scale {spec.scale:.6g}, zero point {spec.zero_point})" if spec.scale else "")
        for spec in specs
    )


def _run(tflite: bytes, bundle: Bundle) -> tuple[FloatArray, ...]:
    try:
        return run_tflm_on_host(
            tflite,
            bundle.inputs,
            arena_bytes=_ARENA_BYTES,
            reset_each=not bundle.stateful,
            timeout_s=_TIMEOUT_S + _TIMEOUT_PER_VECTOR_S * bundle.count,
        )
    except TflmHostError as error:
        raise TflmHostError(
            f"the conversion is at fault, no board was touched: the converted model of {bundle.name} does not run in "
            f"TFLM on this computer: {error.what}",
            fault=error.fault,
            missing_bytes=error.missing_bytes,
            text=error.text,
            hint=error.hint,
        ) from error


def _write(path: Path, outputs: tuple[FloatArray, ...]) -> None:
    stream = io.BytesIO()
    np.savez(stream, *outputs)
    write_atomic(path, stream.getvalue())


def _read(path: Path, bundle: Bundle) -> tuple[FloatArray, ...] | None:
    """None where there is no file that can be used."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as npz:
            outputs = tuple(np.asarray(npz[f"arr_{i}"], np.float32) for i in range(len(bundle.golden)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return outputs if all(len(output) == bundle.count for output in outputs) else None
