"""What a test asserts about a run, with a failure message that says all it takes to begin the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.record import RunRecord

if TYPE_CHECKING:
    from harness.report.sweep_record import SweepRecord
    from harness.workflow.run import RunOutcome


def assert_hil_pass(run: RunOutcome | RunRecord) -> None:
    """The run passed: the board computes what Keras computes, and every other check held.

    Raises:
        AssertionError: it did not; the message has the reasons, the worst vectors and the device's last console lines.
    """
    __tracebackhide__ = True
    record = run if isinstance(run, RunRecord) else run.record
    if record.verdict != "pass":
        raise AssertionError(failure_text(record))


def assert_arena_at_most(sweep: SweepRecord, limit_bytes: int) -> None:
    """The model's proven smallest arena is no larger than `limit_bytes`: it has not outgrown what it was given.

    Raises:
        AssertionError: it has, or no arena works; the message has the numbers.
    """
    __tracebackhide__ = True
    minimum, what = _proven(sweep)
    if minimum > limit_bytes:
        raise AssertionError(
            f"{what} needs an arena of {minimum} bytes, {minimum - limit_bytes} more than the {limit_bytes} allowed "
            f"(engine reports {sweep.reported_bytes}, recommended ARENA_SIZE {sweep.recommended_bytes})"
        )


def assert_arena_suffices(sweep: SweepRecord, configured_bytes: int | None = None) -> None:
    """The configured ARENA_SIZE is at least the proven minimum.

    Args:
        configured_bytes: as in the sketch; None: what this project builds with (`present_bytes`).

    Raises:
        AssertionError: it is less, or no arena works; the message has the numbers.
    """
    __tracebackhide__ = True
    minimum, what = _proven(sweep)
    given = configured_bytes is not None
    size, source = (configured_bytes, "as given") if given else (sweep.present_bytes, sweep.present_from)
    if size is None or size < minimum:
        short = f": {minimum - size} bytes short" if size is not None else ""
        raise AssertionError(
            f"{what} is configured with an ARENA_SIZE of {size} bytes ({source}), below its proven minimum of "
            f"{minimum}{short}; recommended {sweep.recommended_bytes}"
        )


def _proven(sweep: SweepRecord) -> tuple[int, str]:
    """(minimum in bytes, what it is the minimum of). Raises AssertionError: there is none."""
    __tracebackhide__ = True
    what = f"{sweep.model.name} on {sweep.board} ({sweep.engine} {sweep.engine_version})"
    if sweep.minimum_bytes is None:
        why = "; ".join(sweep.reasons)
        raise AssertionError(f"{what} works with no arena up to {sweep.capacity_bytes} bytes: {why}")
    return sweep.minimum_bytes, what


def failure_text(record: RunRecord) -> str:
    """Why a run failed, over several lines, safe to print."""
    from harness.report.error_text import console_lines
    from harness.report.numbers import small, values
    from harness.report.rows import reference_name
    from harness.report.safe_text import printable

    reference = reference_name(record)
    cross = record.accuracy.board_vs_keras
    lines = [f"{record.model.name} on {record.board} ({record.engine} {record.engine_version}) failed:"]
    lines += [f"  - {reason}" for reason in record.reasons]
    lines.append(f"board vs {reference}: max|e| {small(cross.max_abs)}, rmse {small(cross.rmse)}, {cross.n} values")
    lines += [
        f"output {output.index}: max|e| {small(output.max_abs)}, tolerance {small(output.tolerance_max_abs)}"
        for output in record.outputs
    ]
    if record.worst:
        lines.append("worst vectors:")
        lines += [
            f"  #{each.index}: board {values(each.board)}, {reference} {values(each.keras)}, |e| {small(each.error)}"
            for each in record.worst[:5]
        ]
    lines.append(f"build {record.build_id[:16]}, model {record.model.sha256[:12]}, port {record.target.port}")
    lines = [printable(line) for line in lines]
    if record.console:
        lines += ["device console, last lines:", *console_lines(record.console)]
    return "\n".join(lines)
