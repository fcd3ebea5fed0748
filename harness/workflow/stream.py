"""Vectors down, outputs up: warm-up, the vectors themselves, and the probes that catch recurrent state leaking
between vectors.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import WrongDeviceError
from harness.link.session import Session, VectorResult
from harness.model.bundle import Bundle
from harness.model.tflite_quantise import dequantise, quantise
from harness.protocol.messages import TensorSpec
from harness.report.record import LeakageRecord
from harness.workflow.journal import Journal
from harness.workflow.progress import Progress

FloatArray = NDArray[np.float32]


class Traffic:
    """What the link carried for one run, over all its sessions: one more follows each interruption.

    Attributes:
        resumed: results that an earlier run had left; None before the first session.
        wall_s: time the vectors took on the link.
        bytes_on_wire: both ways, in that time.
        frames, resent_frames, bad_frames: as `LinkStats`, of whole sessions.
    """

    def __init__(self) -> None:
        self.resumed: int | None = None
        self.wall_s = 0.0
        self.bytes_on_wire = 0
        self.frames = self.resent_frames = self.bad_frames = 0

    @contextmanager
    def of_vectors(self, session: Session) -> Iterator[None]:
        """Counts time and bytes, also if what it is around fails."""
        before, start_s = session.link_stats, time.monotonic()
        try:
            yield
        finally:
            after = session.link_stats
            self.wall_s += time.monotonic() - start_s
            self.bytes_on_wire += after.bytes_sent + after.bytes_received - before.bytes_sent - before.bytes_received

    @contextmanager
    def of_session(self, session: Session) -> Iterator[None]:
        """Adds the frames of `session` at the end."""
        try:
            yield
        finally:
            stats = session.link_stats
            self.frames += stats.frames
            self.resent_frames += stats.resent_frames
            self.bad_frames += stats.bad_frames


@dataclass(frozen=True, slots=True)
class Streamed:
    """What came back.

    Attributes:
        outputs: one array per model output, float32, shape (N, *output shape); real numbers also where the device's
            tensors hold integers.
        ticks: uint32, shape (N,): device ticks of each invoke.
        traffic: what the link carried, warm-up and probes excluded from its times and bytes.
        outputs_sha256: over all outputs in vector order, as they came.
    """

    outputs: tuple[FloatArray, ...]
    ticks: NDArray[np.uint32]
    leakage: LeakageRecord
    traffic: Traffic
    outputs_sha256: str


def check_shapes(session: Session, bundle: Bundle, *, board: str, port: str) -> None:
    """The device's tensors must be those of the bundle.

    Raises:
        WrongDeviceError: they are not; both are named.
    """
    for side, specs, arrays in (
        ("input", session.info.inputs, bundle.inputs),
        ("output", session.info.outputs, bundle.golden),
    ):
        device = [spec.shape for spec in specs]
        expected = [array.shape[1:] for array in arrays]
        if [int(np.prod(s)) for s in device] != [int(np.prod(s)) for s in expected]:
            raise WrongDeviceError(
                f"the device's {side} shapes {device} are not the bundle's {expected}",
                board=board,
                port=port,
                hint="flash again: run without --no-flash",
            )


def encode_vectors(bundle: Bundle, specs: tuple[TensorSpec, ...]) -> list[bytes]:
    """Each vector as the bytes INFER carries: its inputs in order, C-contiguous, as the device's tensors store them."""
    columns = [
        quantise(array, spec).astype(np.dtype(spec.numpy_dtype).newbyteorder("<"), copy=False)
        for array, spec in zip(bundle.inputs, specs, strict=True)
    ]
    return [b"".join(column[i].tobytes() for column in columns) for i in range(len(columns[0]))]


def stream(
    session: Session,
    bundle: Bundle,
    *,
    warmup: int,
    journal: Journal,
    progress: Progress,
    timeout_per_vector_s: float,
    traffic: Traffic,
) -> Streamed:
    """Sends warm-up copies of the first vector, every vector without a journalled result, then the leakage probes.

    A stateful bundle is one stream: state is cleared once and kept from each vector to the next, so all of it is sent,
    whatever an interrupted run left. In place of the probes the whole stream comes again and must give the same bits.

    Raises:
        BoardError: the link failed; the journal keeps what had come.
    """
    vectors = encode_vectors(bundle, session.info.inputs)
    count = len(vectors)
    if bundle.stateful and len(journal.results) < count:
        journal.results.clear()  # the state they led to is gone
    pending = [i for i in range(count) if i not in journal.results]
    if traffic.resumed is None:
        traffic.resumed = count - len(pending)
    progress.phase("stream", count)
    progress.advance(count - len(pending))

    warm = session.infer([vectors[0]] * warmup, timeout_per_vector_s=timeout_per_vector_s)

    results = journal.results

    def keep(result: VectorResult) -> None:
        placed = VectorResult(pending[result.index], result.ticks, result.output)
        journal.append(placed)
        results[placed.index] = placed
        progress.advance()

    if bundle.stateful:
        session.reset_state()
    with traffic.of_vectors(session):
        session.infer(
            (vectors[i] for i in pending),
            keep_state=bundle.stateful,
            timeout_per_vector_s=timeout_per_vector_s,
            on_result=keep,
            collect=False,
        )

    if bundle.stateful:
        session.reset_state()
        again = session.infer(vectors, keep_state=True, timeout_per_vector_s=timeout_per_vector_s)
        repeated = list(enumerate(again))
    else:
        # Each probe now follows another vector than it did the first time.
        probes = [count // 2, 0, count - 1, 0]
        again = session.infer([vectors[i] for i in probes], timeout_per_vector_s=timeout_per_vector_s)
        repeated = [(0, r) for r in warm] + list(zip(probes, again, strict=True))
    differing = [(i, r) for i, r in repeated if r.output != results[i].output]
    leakage = LeakageRecord(
        identical=not differing,
        probes=len(repeated),
        first_difference=_describe(differing[0][0], differing[0][1].output, results[differing[0][0]].output, session)
        if differing
        else None,
    )

    ordered = [results[i] for i in range(count)]
    raw = b"".join(r.output for r in ordered)
    return Streamed(
        outputs=decode_outputs(raw, count, session.info.outputs),
        ticks=np.array([r.ticks for r in ordered], dtype=np.uint32),
        leakage=leakage,
        traffic=traffic,
        outputs_sha256=hashlib.sha256(raw).hexdigest(),
    )


def decode_outputs(raw: bytes, count: int, specs: tuple[TensorSpec, ...]) -> tuple[FloatArray, ...]:
    """The outputs of `count` vectors as RESULT carries them: one float32 array (count, *shape) each, dequantised."""
    table = np.frombuffer(raw, dtype=np.uint8).reshape(count, sum(spec.nbytes for spec in specs))
    arrays = []
    offset = 0
    for spec in specs:
        column = np.ascontiguousarray(table[:, offset : offset + spec.nbytes])
        values = column.view(np.dtype(spec.numpy_dtype).newbyteorder("<")).reshape(count, *spec.shape)
        arrays.append(dequantise(values, spec))
        offset += spec.nbytes
    return tuple(arrays)


def _describe(index: int, now: bytes, first: bytes, session: Session) -> str:
    specs = session.info.outputs
    a = np.concatenate([o.ravel() for o in decode_outputs(first, 1, specs)])
    b = np.concatenate([o.ravel() for o in decode_outputs(now, 1, specs)])
    return f"vector {index} gave {a[:4].tolist()} and, sent again after others, {b[:4].tolist()}"
