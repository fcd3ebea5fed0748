"""The main job: build, flash, stream, compare, one typed record in the end."""

from __future__ import annotations

import datetime
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.boards.catalogue import Board, find_board
from harness.boards.inventory import find_port
from harness.boards.target import Target, open_target
from harness.errors import UsageError
from harness.link.serial_port import check_port_name
from harness.link.session import Session
from harness.model.bundle import Bundle, load_bundle
from harness.model.tflite_source import is_tflite_source, load_tflite, require_runnable
from harness.protocol.messages import DeviceStats
from harness.report.record import RunRecord
from harness.resources import state_dir, sweep_scratch
from harness.workflow.connect import FlashMode, check_engine_ready, connect
from harness.workflow.conversion import ConversionOptions
from harness.workflow.converted import check_quantisation, converted_outputs
from harness.workflow.journal import Journal
from harness.workflow.line_speed import settle_rate
from harness.workflow.per_layer import check_traceable, trace_layers
from harness.workflow.prepare import AS_IS, Prepared, existing_file, prepare
from harness.workflow.progress import Progress, Silent
from harness.workflow.stream import FloatArray, Streamed, Traffic, check_shapes, stream
from harness.workflow.summarise import summarise
from harness.workflow.survive import through_interruptions

DEFAULT_MODEL = "fuel_lstm"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked for.

    Attributes:
        model: bundle name, bundle directory or model file.
        vectors, labels, data: files that replace or add to the bundle's own vectors (see `load_bundle`).
        arena_bytes: ARENA_SIZE to build with; None: the bundle's setting or the packer's plan.
        flash: "auto" flashes unless the device already runs the build; "never" refuses another build; "always" flashes.
        warmup: inferences before the measured ones, at least 1.
        resume: take over the results an interrupted run of the same build and vectors left.
        timeout_per_vector_s: longest time one inference may take on the device.
        allow_interruptions: restarts and lost connections of the board that do not fail the run; its results are
            complete and checked either way.
        conversion: how engine tflm gets its model.
        baud: the line's rate, and no other; None: the fastest clean one of those the catalogue lets the board try.
        per_layer: also compare and time every layer for the first vector; engine rnn only.
        exported, exported_sha256: an image that was built elsewhere; see `prepare`.
    """

    model: str = DEFAULT_MODEL
    board: str = "netduino2plus"
    engine: str | None = None
    port: str | None = None
    serial_number: str | None = None
    baud: int | None = None
    vectors: Path | None = None
    labels: Path | None = None
    data: Path | None = None
    arena_bytes: int | None = None
    flash: FlashMode = "auto"
    warmup: int = 3
    resume: bool = False
    timeout_per_vector_s: float = 10.0
    allow_interruptions: int = 0
    conversion: ConversionOptions = AS_IS
    exported: Path | None = None
    exported_sha256: str | None = None
    per_layer: bool = False

    def __post_init__(self) -> None:
        if self.warmup < 1:
            raise UsageError(f"warmup is {self.warmup}, must be at least 1")
        if self.timeout_per_vector_s <= 0:
            raise UsageError(f"the timeout per vector is {self.timeout_per_vector_s} s, must be above 0")
        if self.arena_bytes is not None and self.arena_bytes < 1:
            raise UsageError(f"the arena size is {self.arena_bytes} bytes, must be at least 1")
        if self.exported is not None and self.arena_bytes is not None:
            raise UsageError("an image that is built already has its ARENA_SIZE", hint="leave --arena-size out")
        if self.exported_sha256 is not None and self.exported is None:
            raise UsageError("--image-sha256 goes with --image")


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A finished run: the record for reports, and the arrays for those who look closer."""

    record: RunRecord
    bundle: Bundle
    outputs: tuple[FloatArray, ...]


def load(options: RunOptions, progress: Progress | None = None) -> Bundle:
    """The bundle the options name; golden outputs that are not cached yet are a phase of their own.

    Raises:
        UsageError: as `load_bundle`; or the model came converted and lint refuses it, said before TensorFlow starts.
    """
    watch = progress or Silent()
    if options.conversion.lint and is_tflite_source(Path(options.model)):
        require_runnable(load_tflite(Path(options.model)), options.conversion.library)

    def slow(note: str) -> None:
        watch.phase("golden", None)
        watch.line(note)

    return load_bundle(
        options.model,
        vectors=existing_file(options.vectors, "the vectors file"),
        labels=existing_file(options.labels, "the labels file"),
        data=existing_file(options.data, "the data file"),
        on_note=slow,
    )


def prepare_run(bundle: Bundle, board: Board, options: RunOptions, progress: Progress) -> Prepared:
    """`prepare` with what the options say of engine, arena, conversion and image."""
    return prepare(
        bundle,
        board,
        engine=options.engine,
        arena_bytes=options.arena_bytes,
        progress=progress,
        conversion=options.conversion,
        exported=options.exported,
        exported_sha256=options.exported_sha256,
    )


def run(options: RunOptions, progress: Progress | None = None) -> RunOutcome:
    """Runs the main job once and tells with numbers whether the board computes what Keras computes.

    A finished comparison returns, whatever its verdict.

    Raises:
        UsageError: the options, model or vectors are off.
        BuildError: the firmware can't be built or flashed.
        BoardError: the board or link failed in the middle; results received so far are in the journal (`resume`).
    """
    watch = progress or Silent()
    sweep_scratch()
    board = find_board(options.board)
    if board.kind == "real":
        # Before minutes of building for nothing.
        if options.port is not None:
            check_port_name(options.port, board=board.id)
        find_port(board, port=options.port, serial_number=options.serial_number)
    prepared = prepare_run(load(options, watch), board, options, watch)
    if options.per_layer:
        check_traceable(prepared.packed)
    with open_target(board, port=options.port, serial_number=options.serial_number) as target:
        return run_on(target, prepared, options, watch)


def run_on(
    target: Target, prepared: Prepared, options: RunOptions, progress: Progress, *, flashed: bool = False
) -> RunOutcome:
    """As `run`, on a target the caller holds and with a firmware already built.

    Args:
        flashed: the caller put it on the board just now, for this run.
    """
    started = datetime.datetime.now(datetime.UTC)
    start = time.monotonic()
    bundle, image = prepared.bundle, prepared.image
    converted = converted_outputs(bundle, prepared.packed, progress)
    connection = connect(target, image, options.flash, progress)
    with connection.session as session:
        check_engine_ready(session, board=target.board.id, port=target.port_name)
        check_shapes(session, bundle, board=target.board.id, port=target.port_name)
        if converted is not None:
            check_quantisation(session.info, converted, port=target.port_name)
        key = {
            "build_id": image.build_id.hex(),
            "vectors_sha256": hashlib.sha256(
                b"".join(np.ascontiguousarray(a).tobytes() for a in bundle.inputs)
            ).hexdigest(),
        }
        path = state_dir() / "runs" / f"{target.name}-{key['build_id'][:12]}-{key['vectors_sha256'][:12]}.journal"
        output_bytes = sum(spec.nbytes for spec in session.info.outputs)
        with Journal(path, key, output_bytes, resume=options.resume) as journal:
            traffic = Traffic()

            def work(session: Session) -> tuple[Streamed, DeviceStats]:
                settle_rate(session, board=target.board, target=target.name, baud=options.baud)
                with traffic.of_session(session):
                    streamed = stream(
                        session,
                        bundle,
                        warmup=options.warmup,
                        journal=journal,
                        progress=progress,
                        timeout_per_vector_s=options.timeout_per_vector_s,
                        traffic=traffic,
                    )
                    return streamed, session.stats()

            survived = through_interruptions(
                target, image, session, work, results=lambda: len(journal.results), progress=progress
            )
            streamed, stats = survived.result
            layers = trace_layers(survived.session, prepared, progress) if options.per_layer else []
            record = summarise(
                prepared=prepared,
                target=target,
                session=survived.session,
                streamed=streamed,
                converted=converted,
                stats=stats,
                flashed=flashed or connection.flashed,
                warmup=options.warmup,
                started=started,
                wall_s=time.monotonic() - start,
                interruptions=survived.interruptions,
                allowed_interruptions=options.allow_interruptions,
                layers=layers,
            )
            journal.finish()
    return RunOutcome(record, bundle, streamed.outputs)
