"""The tutorial's way, one build and one flash for each candidate: what the sweep's own verdicts are held to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.boards.target import Target
from harness.build.image import FirmwareImage
from harness.errors import FlashError
from harness.protocol.ids import ResetReason
from harness.report.sweep_record import ProbeRecord, RebuildProbe, RebuildRecord
from harness.workflow.connect import mismatches
from harness.workflow.progress import Progress
from harness.workflow.sweep.capacity import Build
from harness.workflow.sweep.judge import Judgement, Reference, Script, guarded, judge, not_started
from harness.workflow.sweep.prober import Crash, crash_of
from harness.workflow.sweep.revive import HELLO_S, heard_boot_loop, reason_text

_CRASH_REASONS = (ResetReason.FAULT, ResetReason.WATCHDOG)


def by_rebuild(
    target: Target,
    build: Build,
    script: Script,
    reference: Reference,
    probes: Sequence[ProbeRecord],
    progress: Progress,
) -> RebuildRecord:
    """Judges the sizes of `probes` again, each with a firmware of its own whose arena has exactly that size.

    Raises:
        BuildError: a firmware does not build or can't be flashed.
    """
    found = []
    progress.phase("rebuild", None)
    for probe in sorted(probes, key=lambda p: p.size):
        again = _one(target, build, script, reference, probe.size, progress)
        progress.advance()
        progress.line(f"{probe.size} bytes: {again.text}")
        found.append(RebuildProbe(probe.size, probe, again))
    probe_s = sum(pair.probe.wall_s for pair in found)
    rebuild_s = sum(pair.rebuild.wall_s for pair in found)
    return RebuildRecord(
        probes=found,
        probe_s=probe_s,
        rebuild_s=rebuild_s,
        ratio=rebuild_s / probe_s if probe_s else 0.0,
        agree=all(pair.agree for pair in found),
    )


def _one(
    target: Target, build: Build, script: Script, reference: Reference, size: int, progress: Progress
) -> ProbeRecord:
    began = time.monotonic()
    image = build(size, size)
    target.flash(image, progress.line)
    found = crash_of(lambda: _judge(target, image, script, reference))
    if isinstance(found, Crash):
        # A device that does not answer because it is no more, or starts again and again, does not hang.
        why = target.ended or heard_boot_loop(target)
        outcome = "crashed" if why else found.outcome
        detail = "; ".join(part for part in dict.fromkeys((why, found.detail)) if part)
        return ProbeRecord(size, outcome, detail, fresh=True, console=found.console, wall_s=time.monotonic() - began)
    return ProbeRecord(
        size,
        found.outcome,
        found.detail,
        found.missing_bytes,
        found.used_bytes,
        fresh=True,
        wall_s=time.monotonic() - began,
    )


def _judge(target: Target, image: FirmwareImage, script: Script, reference: Reference) -> Judgement:
    session = target.session(HELLO_S)
    info = session.info
    wrong = mismatches(info, image)
    if wrong:
        raise FlashError("the board does not run what was flashed: " + "; ".join(wrong), board=target.board.id)
    if info.reset_reason in _CRASH_REASONS:
        return Judgement("crashed", f"at start, {reason_text(info.reset_reason)}")
    if info.engine_status.code:
        return guarded(session, not_started(info.engine_status))
    return judge(session, script, reference.outputs, reference.patience)
