"""The result of an arena sweep. Its JSON form (`hil sweep-arena --json`) is this tree, key for key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from harness.report.record import ModelRecord, Verdict

SWEEP_SCHEMA_VERSION = 1

Outcome = Literal["passed", "init failed", "invoke failed", "wrong output", "guard overwritten", "crashed", "hung"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """One arena size, tried on the device.

    Attributes:
        size: bytes of the arena.
        outcome: "passed", or the first of its faults.
        detail: what is known about a fault, in words; empty for "passed".
        missing_bytes: what the engine said it lacked; None where it did not say.
        used_bytes: what the engine said it used; None where it did not start.
        fresh: the device was reset right before, so no earlier probe can have had a part in it.
        console: the device's last console lines before or after a crash or hang (sanitised, still untrusted).
        wall_s: time of the probe, bringing the device back after a crash included.
    """

    size: int
    outcome: Outcome
    detail: str = ""
    missing_bytes: int | None = None
    used_bytes: int | None = None
    fresh: bool = False
    console: tuple[str, ...] = ()
    wall_s: float = 0.0

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    @property
    def text(self) -> str:
        """Outcome and detail: "init failed (missing 12 bytes)"."""
        return f"{self.outcome} ({self.detail})" if self.detail else self.outcome


@dataclass(frozen=True, slots=True)
class ConfirmationRecord:
    """The full comparison with a firmware built with ARENA_SIZE = `arena_bytes`."""

    arena_bytes: int
    verdict: Verdict
    reasons: list[str]
    vectors: int
    max_abs: float | None
    wall_s: float


@dataclass(frozen=True, slots=True)
class RebuildProbe:
    """One size judged both ways. The time of a rebuild is that of a build, a flash and the judgement."""

    size: int
    probe: ProbeRecord
    rebuild: ProbeRecord

    @property
    def agree(self) -> bool:
        return self.probe.outcome == self.rebuild.outcome


@dataclass(frozen=True, slots=True)
class RebuildRecord:
    """The tutorial's way beside the sweep's, on the same sizes.

    Attributes:
        probes: by size.
        probe_s, rebuild_s: total time of the sizes by either method.
        ratio: rebuild_s / probe_s.
        agree: every size has the same outcome both ways.
    """

    probes: list[RebuildProbe]
    probe_s: float
    rebuild_s: float
    ratio: float
    agree: bool


@dataclass(frozen=True, slots=True)
class SweepMemory:
    """Stack and heap as the device reports them after every probe that ran, and where the arena lies ("sram", "psram").

    None where the device can't tell, or has no choice.
    """

    stack_bytes: int | None
    stack_used_bytes: int | None
    heap_free_min_bytes: int | None
    arena_memory: str | None = None


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """Everything `hil sweep-arena` knows in the end.

    Attributes:
        verdict: "pass": a minimum was found and, unless that was left out, confirmed.
        reasons: why not; empty when the verdict is "pass".
        notes: what a reader should know besides (non-monotone, history-dependent, a plan that is off).
        capacity_bytes: the largest arena, whose outputs every probe was held to.
        step_bytes: grid of the search.
        minimum_bytes: smallest size from which every size probed above passed; None: not even the largest passes.
        resolution_bytes: minimum_bytes - resolution_bytes was probed too, and fails.
        reported_bytes: what the engine says it uses at the minimum.
        difference_bytes: minimum_bytes - reported_bytes: what trusting the report would have left out.
        planned_bytes: the packer's plan; None where it makes none.
        recommended_bytes: minimum rounded up to 16 plus `margin_bytes`, at most the capacity.
        present_bytes, present_from: ARENA_SIZE the project builds with today, and who says so.
        saved_bytes: what the recommended size saves against it; negative: what it costs.
        monotone: no size that passes lies below one that fails.
        islands: sizes that pass below the minimum, as [first, last] of neighbouring probes.
        probes: every size tried, the last word on each, in order of size.
        outcomes: number of probes by outcome.
        probed: probes made, repetitions included; resumed: verdicts taken over from an interrupted sweep.
        resets, flashes: of the device, by the harness. builds: firmwares built, cached ones too.
        probing_s: time of the probes alone.
        fresh: the answers depended on earlier probes, so the device was reset before every probe.
        confirmed: None: left out.
        written: the file that `--write` changed.
    """

    schema_version: int
    verdict: Verdict
    reasons: list[str]
    notes: list[str]
    harness_version: str
    started_utc: str
    wall_s: float
    board: str
    port: str
    engine: str
    engine_version: str
    build_id: str
    model: ModelRecord
    vectors: int
    exhaustive: bool
    capacity_bytes: int
    step_bytes: int
    minimum_bytes: int | None
    resolution_bytes: int | None
    reported_bytes: int | None
    difference_bytes: int | None
    planned_bytes: int | None
    margin_bytes: int
    recommended_bytes: int | None
    present_bytes: int | None
    present_from: str
    saved_bytes: int | None
    monotone: bool
    islands: list[tuple[int, int]]
    probes: list[ProbeRecord]
    outcomes: dict[str, int]
    probed: int
    resumed: int
    resets: int
    flashes: int
    builds: int
    probing_s: float
    fresh: bool
    memory: SweepMemory
    confirmed: bool | None
    confirmation: ConfirmationRecord | None
    rebuild: RebuildRecord | None
    written: str | None
