"""The sweep: a firmware with the largest arena, sizes probed over the line, the edge proved, a build with it."""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Iterable
from dataclasses import replace

from harness.boards.catalogue import find_board
from harness.boards.inventory import find_port
from harness.boards.target import Target, open_target
from harness.report.sweep_record import ConfirmationRecord, RebuildRecord, SweepRecord
from harness.resources import state_dir
from harness.workflow.prepare import Prepared, check_flash, check_tflm_arena, choose_engine, pack
from harness.workflow.progress import Progress, Silent
from harness.workflow.run import load, run_on
from harness.workflow.sweep.begin import Begun, Subject, Tally, begin, builder
from harness.workflow.sweep.edge import Edge, locate
from harness.workflow.sweep.journal import SweepJournal
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.rebuild import by_rebuild
from harness.workflow.sweep.search import grid, round_up
from harness.workflow.sweep.summarise import recommended_bytes, summarise
from harness.workflow.sweep.write import settings_file, write_arena

REBUILD_STEPS = 2  # each side of the minimum, where --by-rebuild has no range of its own


def sweep(options: SweepOptions, progress: Progress | None = None) -> SweepRecord:
    """Finds, proves and confirms the smallest arena. Returns whatever the verdict.

    Raises:
        UsageError: the options, model or vectors are off.
        BuildError: a firmware can't be built or flashed.
        BoardError: the device does not come back after a probe; what was found is in the journal (`resume`).
    """
    watch = progress or Silent()
    board = find_board(options.board)
    settings = settings_file(options.model) if options.write else None
    if board.kind == "real":
        # Before minutes of building for nothing.
        find_port(board, port=options.port, serial_number=options.serial_number)
    bundle = load(options.as_run(), watch)
    packed = pack(bundle, choose_engine(board, options.engine, bundle), options.conversion, progress=watch)
    check_flash(board, packed)
    check_tflm_arena(board, packed, board.ram_bytes)
    subject = Subject(bundle, packed, builder(board, packed, watch))
    with open_target(board, port=options.port, serial_number=options.serial_number) as target:
        record = sweep_on(target, subject, options, watch)
    if settings is None or record.verdict != "pass" or record.recommended_bytes is None:
        return record
    changed = write_arena(settings, f"{record.board}/{record.engine}", record.recommended_bytes)
    note = [] if changed else [f"{settings} says {record.recommended_bytes} already: nothing was written"]
    return replace(record, written=str(settings) if changed else None, notes=[*record.notes, *note])


def sweep_on(target: Target, subject: Subject, options: SweepOptions, progress: Progress) -> SweepRecord:
    """As `sweep`, on a target the caller holds; writes no settings."""
    started, start = datetime.datetime.now(datetime.UTC), time.monotonic()
    tally = Tally()
    begun = begin(target, subject, options, progress, tally)
    edge: Edge | None = None
    rebuild: RebuildRecord | None = None
    confirmation: ConfirmationRecord | None = None
    if begun.measure.passed:
        progress.phase("probe", None)
        with _journal(target, begun, options) as journal:
            edge = _edge(begun, journal, subject, options)
            begun.prober.rest()
            if options.rebuild:
                rebuild = _rebuild(target, subject, begun, edge, options, progress, tally)
            if options.confirm:
                confirmation = _confirm(target, subject, begun, edge, options, progress, tally)
            journal.finish()
    return summarise(
        options=options,
        target=target,
        bundle=subject.bundle,
        packed=subject.packed,
        begun=begun,
        edge=edge,
        rebuild=rebuild,
        confirmation=confirmation,
        tally=tally,
        started=started,
        wall_s=time.monotonic() - start,
    )


def _journal(target: Target, begun: Begun, options: SweepOptions) -> SweepJournal:
    reference = _digest((*begun.script.vectors, *begun.prober.reference.outputs))
    key = {"build_id": begun.image.build_id.hex(), "reference": reference}
    name = f"{target.name}-{key['build_id'][:12]}-{reference[:12]}.journal".replace("/", "_")
    return SweepJournal(state_dir() / "sweeps" / name, key, resume=options.resume)


def _edge(begun: Begun, journal: SweepJournal, subject: Subject, options: SweepOptions) -> Edge:
    prober, capacity = begun.prober, begun.image.arena_capacity_bytes
    prober.keep(journal)
    return locate(
        prober,
        capacity=capacity,
        step=options.step_bytes,
        guess=prober.reference.used_bytes or subject.packed.arena_bytes,
        planned=subject.packed.arena_bytes,
        exhaustive=options.within(capacity) if options.exhaustive else None,
    )


def _rebuild(
    target: Target,
    subject: Subject,
    begun: Begun,
    edge: Edge,
    options: SweepOptions,
    progress: Progress,
    tally: Tally,
) -> RebuildRecord:
    capacity, step = begun.image.arena_capacity_bytes, options.step_bytes
    if options.first_bytes is None and options.last_bytes is None:
        middle = round_up(edge.minimum_bytes, step)
        first, last = max(step, middle - REBUILD_STEPS * step), min(capacity, middle + REBUILD_STEPS * step)
    else:
        first, last = options.within(capacity)
    # Probed anew, so that both methods' times are those of one sitting.
    probes = [begun.prober.probe(size) for size in grid(first, last, step)]
    begun.prober.rest()
    record = by_rebuild(target, tally.counted(subject.build), begun.script, begun.prober.reference, probes, progress)
    tally.flashes += len(record.probes)
    return record


def _confirm(
    target: Target,
    subject: Subject,
    begun: Begun,
    edge: Edge,
    options: SweepOptions,
    progress: Progress,
    tally: Tally,
) -> ConfirmationRecord:
    size = recommended_bytes(edge.minimum_bytes, options.margin_bytes, begun.image.arena_capacity_bytes)
    progress.phase("confirm", None)
    # The capacity too: the firmware then has not a byte more than the one it stands for.
    image = tally.counted(subject.build)(size, size)
    prepared = Prepared(subject.bundle, subject.packed, image)
    record = run_on(target, prepared, options.as_run(), progress).record
    tally.flashes += record.target.flashed
    return ConfirmationRecord(
        arena_bytes=size,
        verdict=record.verdict,
        reasons=record.reasons,
        vectors=record.vectors,
        max_abs=record.accuracy.board_vs_keras.max_abs,
        wall_s=record.wall_s,
    )


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "little") + part)
    return digest.hexdigest()
