"""What a test asserts about a run, with a failure message that says all it takes to begin the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.record import RunRecord

if TYPE_CHECKING:
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


def failure_text(record: RunRecord) -> str:
    """Why a run failed, over several lines, safe to print."""
    from harness.report.error_text import console_lines
    from harness.report.numbers import small, values
    from harness.report.safe_text import printable

    cross = record.accuracy.board_vs_keras
    lines = [f"{record.model.name} on {record.board} ({record.engine} {record.engine_version}) failed:"]
    lines += [f"  - {reason}" for reason in record.reasons]
    lines.append(f"board vs Keras: max|e| {small(cross.max_abs)}, rmse {small(cross.rmse)}, {cross.n} values")
    lines += [
        f"output {output.index}: max|e| {small(output.max_abs)}, tolerance {small(output.tolerance_max_abs)}"
        for output in record.outputs
    ]
    if record.worst:
        lines.append("worst vectors:")
        lines += [
            f"  #{worst.index}: board {values(worst.board)}, Keras {values(worst.keras)}, |e| {small(worst.error)}"
            for worst in record.worst[:5]
        ]
    lines.append(f"build {record.build_id[:16]}, model {record.model.sha256[:12]}, port {record.target.port}")
    lines = [printable(line) for line in lines]
    if record.console:
        lines += ["device console, last lines:", *console_lines(record.console)]
    return "\n".join(lines)
