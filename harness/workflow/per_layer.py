"""`--per-layer`: every layer's output and time on the board for the first vector, each beside what Keras gives."""

from __future__ import annotations

import math

import numpy as np

from harness.errors import UsageError
from harness.link.session import Session
from harness.model.golden import layer_outputs_for
from harness.model.graph import FloatArray
from harness.model.packed import PackedModel, TracePoint
from harness.protocol.ids import CRC_BYTES, HEADER_BYTES
from harness.protocol.trace import REPLY_HEAD_BYTES, TraceRequest
from harness.report.record import LayerRecord
from harness.workflow.prepare import Prepared
from harness.workflow.progress import Progress
from harness.workflow.stream import encode_vectors


def check_traceable(packed: PackedModel) -> None:
    """Said before anything is built.

    Raises:
        UsageError: the engine shows no layers.
    """
    if not packed.trace:
        raise UsageError(
            f"engine {packed.engine} does not show its layers",
            hint="--per-layer goes with engine rnn: --engine rnn",
        )


def trace_layers(session: Session, prepared: Prepared, progress: Progress) -> list[LayerRecord]:
    """One record a layer, in order of computation.

    A layer that costs nothing on the board (Dropout, Flatten, a folded BatchNormalization) is not among them.

    Raises:
        UsageError: Keras can't show the outputs of its layers.
        BoardError: the link failed, or the firmware is older than LAYER_TRACE.
    """
    bundle, packed, info = prepared.bundle, prepared.packed, session.info
    progress.phase("layers", len(packed.trace))
    vector = {name: array[0] for name, array in zip(bundle.graph.inputs, bundle.inputs, strict=True)}
    wanted = layer_outputs_for(bundle.model_path, bundle.model_sha256, vector, on_note=progress.line)
    kinds = {layer.name: layer.kind for layer in bundle.graph.layers}
    encoded = encode_vectors(bundle, info.inputs)[0]
    share = bundle.tolerance_int8_of_range if packed.quantised else bundle.tolerance_max_abs_of_range
    records = []
    for point in packed.trace:
        output, ticks = _read(session, point, encoded)
        cycles = ticks if info.cpu_hz == info.tick_hz else None
        reference = wanted.get(point.layer)
        max_abs, spread, differs = _compare(output, reference, share)
        records.append(
            LayerRecord(
                name=point.layer,
                kind=kinds.get(point.layer, "?"),
                shape=list(point.shape),
                max_abs=max_abs,
                range=spread,
                differs=differs,
                ticks=ticks,
                cycles=cycles,
                macs=point.macs,
                cycles_per_mac=cycles / point.macs if cycles is not None and point.macs else None,
            )
        )
        progress.advance()
    return records


def first_difference(layers: list[LayerRecord]) -> LayerRecord | None:
    """The first layer that differs: what went wrong before it, went wrong in it."""
    return next((layer for layer in layers if layer.differs), None)


def _read(session: Session, point: TracePoint, vector: bytes) -> tuple[FloatArray, int]:
    """A layer's output, in as many requests as its bytes need, and its ticks."""
    dtype = np.dtype("i1" if point.scale else "<f4")
    size = dtype.itemsize * math.prod(point.shape)
    most = min(session.info.max_frame_bytes - HEADER_BYTES - CRC_BYTES - REPLY_HEAD_BYTES, 0xFFFF) // 4 * 4
    data, ticks = b"", 0
    while len(data) < size:
        part = min(most, size - len(data))
        reply = session.trace(TraceRequest(point.first_op, point.end_op, point.offset + len(data), part, vector))
        ticks = ticks if data else reply.ticks
        data += reply.data
    stored = np.frombuffer(data, dtype).reshape(point.shape)
    if not point.scale:
        return stored, ticks
    return ((stored.astype(np.float32) - point.zero_point) * point.scale).astype(np.float32), ticks


def _compare(output: FloatArray, reference: FloatArray | None, share: float) -> tuple[float | None, float | None, bool]:
    """Largest difference, the reference's range, and whether the difference is beyond `share` of the larger of range
    and largest magnitude (a single number has no range)."""
    if reference is None or reference.size != output.size:
        return None, None, False
    wanted = reference.reshape(output.shape)
    spread = float(np.ptp(wanted))
    if not np.isfinite(output).all():
        return math.inf, spread, True
    max_abs = float(np.abs(output - wanted).max())
    return max_abs, spread, max_abs > share * max(spread, float(np.abs(wanted).max()))
