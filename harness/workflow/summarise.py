"""What a run produced, made into its record: metrics, verdict, latency, memory, link."""

from __future__ import annotations

import datetime

import numpy as np
from numpy.typing import NDArray

from harness import __version__
from harness.boards.catalogue import Board
from harness.boards.target import Target
from harness.compare.classification import one_hot
from harness.compare.metrics import Array, Metrics, compute_metrics, stack_outputs, vector_errors, worst_vectors
from harness.compare.tolerance import is_blind
from harness.compare.verdict import judge, judge_device
from harness.errors import UsageError
from harness.link.session import Session
from harness.model.bundle import Bundle
from harness.model.packed import PackedModel
from harness.model.tflite_graph import parameters
from harness.protocol.ids import ResetReason
from harness.protocol.messages import DeviceInfo, DeviceStats
from harness.report.interruptions import interruption_text
from harness.report.record import (
    SCHEMA_VERSION,
    AccuracyRecord,
    ArenaRecord,
    Distribution,
    InterruptionRecord,
    LatencyRecord,
    LayerRecord,
    LinkRecord,
    MemoryRecord,
    ModelRecord,
    OutputRecord,
    RunRecord,
    SectionRecord,
    TargetRecord,
    WorstVector,
)
from harness.workflow.classes import classes_record
from harness.workflow.converted import ConvertedOutputs
from harness.workflow.prepare import Prepared
from harness.workflow.stream import Streamed
from harness.workflow.three_way import board_tolerance, three_way

WORST_SHOWN = 5
VALUES_SHOWN = 16
BLIND = (
    "the golden outputs of all vectors are alike within the tolerance: a board that answers anything with the same "
    "value would pass; give vectors whose outputs differ"
)


def summarise(
    *,
    prepared: Prepared,
    target: Target,
    session: Session,
    streamed: Streamed,
    converted: ConvertedOutputs | None,
    stats: DeviceStats,
    flashed: bool,
    warmup: int,
    started: datetime.datetime,
    wall_s: float,
    interruptions: list[InterruptionRecord],
    allowed_interruptions: int,
    layers: list[LayerRecord],
) -> RunRecord:
    """The record of one finished run.

    Raises:
        UsageError: the bundle's labels don't fit the model's outputs.
    """
    bundle, image, info = prepared.bundle, prepared.image, session.info
    # The engine may flatten leading dimensions of 1; the element counts were checked before streaming.
    outputs = tuple(o.reshape(g.shape) for o, g in zip(streamed.outputs, bundle.golden, strict=True))
    board_outputs, golden = stack_outputs(outputs), stack_outputs(bundle.golden)
    board_vs_keras = compute_metrics(board_outputs, golden, task=bundle.task)

    reasons: list[str] = []
    notes = list(bundle.notes)
    records = []
    # Each output against the range of its own golden values: in a sum, a wide output would excuse errors of a narrow
    # one.
    for k, (p, r) in enumerate(zip(outputs, bundle.golden, strict=True)):
        alone = len(outputs) == 1
        metrics = board_vs_keras if alone else compute_metrics(p, r, task=bundle.task)
        tolerance = board_tolerance(bundle, r, converted, k)
        judgement = judge(p, r, metrics, tolerance_max_abs=tolerance, vectors_expected=bundle.count)
        reasons += judgement.reasons if alone else [f"output {k}: {reason}" for reason in judgement.reasons]
        if is_blind(r, tolerance):
            notes.append(("" if alone else f"output {k}: ") + BLIND)
        records.append(
            OutputRecord(
                index=k,
                shape=list(r.shape[1:]),
                max_abs=metrics.max_abs,
                max_abs_vector=metrics.max_abs_vector,
                tolerance_max_abs=tolerance,
                passed=judgement.verdict == "pass",
            )
        )
    memory = _memory(prepared, target.board, session, stats)
    conduct = judge_device(leakage=streamed.leakage.first_difference, arena_guard_intact=memory.arena.guard_intact)
    if memory.arena.used_bytes > memory.arena.size_bytes:
        used = f"{memory.arena.used_bytes} bytes of an arena of {memory.arena.size_bytes}"
        conduct.append(f"the engine says that it uses {used}")
    compared = None
    if converted is not None:
        compared = three_way(bundle, outputs, converted, board_misbehaves=bool(conduct))
    # Who is at fault comes first: it says where to look.
    reasons = [*(compared.reasons if compared else []), *conduct, *reasons]
    if len(interruptions) > allowed_interruptions:
        allowed = f", {allowed_interruptions} allowed" if allowed_interruptions else ""
        reasons.append(f"the run was {interruption_text(interruptions, bundle.count)}{allowed}")

    return RunRecord(
        schema_version=SCHEMA_VERSION,
        verdict="fail" if reasons else "pass",
        reasons=reasons,
        harness_version=__version__,
        started_utc=started.isoformat(timespec="seconds"),
        wall_s=wall_s,
        board=image.board,
        engine=info.engine,
        engine_version=info.engine_version,
        build_id=image.build_id.hex(),
        toolchain=image.toolchain,
        model=model_record(bundle, prepared.packed),
        target=TargetRecord(
            kind=target.board.kind,
            title=target.board.title,
            port=target.port_name,
            mcu=info.mcu,
            device_uid=info.device_uid.hex(),
            cpu_hz=info.cpu_hz,
            tick_hz=info.tick_hz,
            reset_reason=ResetReason(info.reset_reason).name.lower(),
            boot_count=info.boot_count,
            flashed=flashed,
        ),
        vectors=bundle.count,
        accuracy=AccuracyRecord(
            board_vs_keras=board_vs_keras,
            keras_vs_labels=_against_labels(golden, bundle),
            board_vs_labels=_against_labels(board_outputs, bundle),
            converted_vs_keras=compared.converted_vs_keras if compared else None,
            board_vs_converted=compared.board_vs_converted if compared else None,
        ),
        outputs=records,
        worst=_worst(bundle, board_outputs, golden),
        leakage=streamed.leakage,
        latency=_latency(streamed.ticks, info, warmup),
        memory=memory,
        link=_link(target, streamed, stats, bundle.count),
        outputs_sha256=streamed.outputs_sha256,
        console=list(session.console),
        interruptions=interruptions,
        allowed_interruptions=allowed_interruptions,
        layers=layers,
        notes=notes,
        conversion=compared.record if compared else None,
        classes=classes_record(bundle, board_outputs),
    )


def model_record(bundle: Bundle, packed: PackedModel) -> ModelRecord:
    """Who the model is."""
    return ModelRecord(
        name=bundle.name,
        sha256=bundle.model_sha256.hex(),
        parameters=bundle.graph.parameters if bundle.tflite is None else parameters(bundle.tflite.model),
        macs=packed.macs,
        framework=bundle.graph.framework,
    )


def _against_labels(outputs: Array, bundle: Bundle) -> Metrics | None:
    if bundle.labels is None:
        return None
    labels = bundle.labels
    if bundle.task == "classification":
        labels = one_hot(labels, outputs.shape[-1])
    if labels.size != outputs.size:
        raise UsageError(
            f"labels of shape {labels.shape} don't fit outputs of shape {outputs.shape}",
            hint="one label an output element (regression), or one class index a vector (classification)",
        )
    return compute_metrics(outputs, labels.reshape(outputs.shape).astype(np.float32), task=bundle.task)


def _worst(bundle: Bundle, board_outputs: Array, golden: Array) -> list[WorstVector]:
    errors = vector_errors(board_outputs, golden)

    def shown(array: Array) -> list[float]:
        return [float(v) for v in array.ravel()[:VALUES_SHOWN]]

    return [
        WorstVector(
            index=i,
            input=[v for array in bundle.inputs for v in shown(array[i])][:VALUES_SHOWN],
            board=shown(board_outputs[i]),
            keras=shown(golden[i]),
            error=float(errors[i]),
        )
        for i in worst_vectors(board_outputs, golden, WORST_SHOWN)
    ]


def _distribution(values: NDArray[np.float64]) -> Distribution:
    p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99]))
    return Distribution(
        min=float(values.min()), median=p50, p95=p95, p99=p99, max=float(values.max()), mean=float(values.mean())
    )


def _latency(ticks: NDArray[np.uint32], info: DeviceInfo, warmup: int) -> LatencyRecord:
    values = ticks.astype(np.float64)
    return LatencyRecord(
        us=_distribution(values / info.tick_hz * 1e6),
        # A tick that is not the CPU's own clock says nothing about cycles.
        cycles=_distribution(values) if info.cpu_hz == info.tick_hz else None,
        warmup=warmup,
    )


def _memory(prepared: Prepared, board: Board, session: Session, stats: DeviceStats) -> MemoryRecord:
    image = prepared.image
    arena = stats.arena or session.info.arena
    return MemoryRecord(
        arena=ArenaRecord(
            capacity_bytes=arena.capacity_bytes,
            size_bytes=arena.size_bytes,
            used_bytes=arena.used_bytes,
            planned_bytes=prepared.packed.arena_bytes,
            guard_intact=stats.arena_guard_intact,
        ),
        flash_bytes=image.flash_bytes,
        flash_limit_bytes=board.flash_bytes,
        ram_bytes=image.ram_bytes,
        ram_limit_bytes=board.ram_bytes,
        sections=[SectionRecord(s.name, s.bytes, s.in_flash, s.in_ram) for s in image.sections],
        stack_bytes=stats.stack_bytes,
        stack_free_min_bytes=stats.stack_free_min_bytes,
        heap_free_min_bytes=stats.heap_free_min_bytes,
        arena_memory=stats.arena_memory.name.lower() if stats.arena_memory is not None else None,
    )


def _link(target: Target, streamed: Streamed, stats: DeviceStats, count: int) -> LinkRecord:
    link = streamed.traffic
    sent = count - (link.resumed or 0)
    return LinkRecord(
        baud=target.baud,
        wall_s=link.wall_s,
        vectors_per_s=sent / link.wall_s if link.wall_s > 0 else 0.0,
        bytes_on_wire=link.bytes_on_wire,
        frames=link.frames,
        resent_frames=link.resent_frames,
        bad_frames=link.bad_frames,
        device_bad_frames=stats.rx_bad_frames,
        device_rx_overruns=stats.rx_overruns,
    )
