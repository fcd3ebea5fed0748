"""What a sweep found, made into its record."""

from __future__ import annotations

import datetime
from collections import Counter

from harness import __version__
from harness.boards.target import Target
from harness.model.bundle import Bundle
from harness.model.packed import PackedModel
from harness.report.sweep_record import (
    OUTCOMES,
    SWEEP_SCHEMA_VERSION,
    ConfirmationRecord,
    RebuildRecord,
    SweepRecord,
)
from harness.workflow.summarise import model_record
from harness.workflow.sweep.begin import Begun, Tally
from harness.workflow.sweep.edge import Edge
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.search import is_monotone, islands, round_up

ROUND_BYTES = 16


def recommended_bytes(minimum: int, margin: int, capacity: int) -> int:
    """The minimum rounded up to 16, plus the margin; at most what the board holds."""
    return min(capacity, round_up(minimum, ROUND_BYTES) + margin)


def summarise(
    *,
    options: SweepOptions,
    target: Target,
    bundle: Bundle,
    packed: PackedModel,
    begun: Begun,
    edge: Edge | None,
    rebuild: RebuildRecord | None,
    confirmation: ConfirmationRecord | None,
    tally: Tally,
    started: datetime.datetime,
    wall_s: float,
) -> SweepRecord:
    """The record of one finished sweep; `edge` None: not even the largest arena passes."""
    prober, info, image = begun.prober, begun.info, begun.image
    capacity = image.arena_capacity_bytes
    probes = {**prober.probes, capacity: begun.measure} if capacity not in prober.probes else prober.probes
    ordered = sorted(probes.values(), key=lambda probe: probe.size)
    minimum = edge.minimum_bytes if edge else None
    recommended = recommended_bytes(minimum, options.margin_bytes, capacity) if minimum is not None else None
    reported = probes[minimum].used_bytes if minimum is not None else None
    present, source = _present(options, bundle, packed, target.board.arena_max_bytes, f"{image.board}/{image.engine}")
    monotone = is_monotone(ordered)

    reasons = []
    if edge is None:
        reasons.append(f"not even the largest arena, {capacity} bytes, passes: {begun.measure.text}")
    if confirmation is not None and confirmation.verdict != "pass":
        reasons += [f"with ARENA_SIZE {confirmation.arena_bytes}: {reason}" for reason in confirmation.reasons]
    if rebuild is not None and not rebuild.agree:
        odd = [pair for pair in rebuild.probes if not pair.agree]
        reasons += [f"{p.size} bytes: {p.probe.text} when probed, {p.rebuild.text} when built" for p in odd]
    notes = [*tally.notes, *(edge.notes if edge else [])]
    if not monotone and minimum is not None:
        notes.append(f"success is not monotone: sizes below {minimum} bytes pass, but larger ones fail")
    if minimum is not None and present is not None and present < minimum:
        notes.append(f"the present setting, {present} bytes, is below the minimum: it does not work")

    return SweepRecord(
        schema_version=SWEEP_SCHEMA_VERSION,
        verdict="fail" if reasons else "pass",
        reasons=reasons,
        notes=notes,
        harness_version=__version__,
        started_utc=started.isoformat(timespec="seconds"),
        wall_s=wall_s,
        board=image.board,
        port=target.port_name,
        engine=info.engine,
        engine_version=info.engine_version,
        build_id=image.build_id.hex(),
        model=model_record(bundle, packed),
        vectors=len(begun.script.vectors),
        exhaustive=options.exhaustive,
        capacity_bytes=capacity,
        step_bytes=options.step_bytes,
        minimum_bytes=minimum,
        resolution_bytes=edge.resolution_bytes if edge else None,
        reported_bytes=reported,
        difference_bytes=minimum - reported if minimum is not None and reported else None,
        planned_bytes=packed.arena_bytes,
        margin_bytes=options.margin_bytes,
        recommended_bytes=recommended,
        present_bytes=present,
        present_from=source,
        saved_bytes=present - recommended if present is not None and recommended is not None else None,
        monotone=monotone,
        islands=islands(ordered, minimum) if minimum is not None else [],
        probes=ordered,
        outcomes={outcome: n for outcome in OUTCOMES if (n := Counter(p.outcome for p in ordered)[outcome])},
        probed=prober.probed,
        resumed=prober.resumed,
        resets=prober.resets,
        flashes=tally.flashes + prober.flashes,
        builds=tally.builds,
        probing_s=prober.probing_s,
        fresh=edge.fresh if edge else False,
        memory=prober.memory,
        confirmed=None if confirmation is None else confirmation.verdict == "pass",
        confirmation=confirmation,
        rebuild=rebuild,
        written=None,
    )


def _present(
    options: SweepOptions, bundle: Bundle, packed: PackedModel, largest: int, key: str
) -> tuple[int | None, str]:
    """ARENA_SIZE as the project builds today, and who says so."""
    if options.present_bytes is not None:
        return options.present_bytes, "as given"
    if key in bundle.arena_bytes:
        return bundle.arena_bytes[key], "the bundle's setting"
    if packed.arena_bytes is not None:
        return packed.arena_bytes, "the packer's plan"
    return largest, "the board's largest, as nothing else is set"
