"""The checks behind a verdict, one by one, as the reports list them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.interruptions import interruption_text
from harness.report.numbers import small
from harness.report.record import RunRecord
from harness.report.rows import converted_name


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a run: a short name, whether it held, and the figures it was judged by."""

    name: str
    passed: bool
    detail: str


def checks(record: RunRecord) -> tuple[Check, ...]:
    """All checks; at least one has failed if and only if the verdict is "fail"."""
    cross = record.accuracy.board_vs_keras
    arena = record.memory.arena
    # Of several outputs, the one nearest to or furthest over its own tolerance stands for all.
    tightest = max(record.outputs, key=lambda o: _inf_if_none(o.max_abs) / (o.tolerance_max_abs or 1e-300))
    where = f"output {tightest.index}: " if len(record.outputs) > 1 else ""
    found = [
        Check("finite", cross.finite, "no NaN or Inf" if cross.finite else "NaN or Inf in the outputs"),
        Check(
            "accuracy",
            all(output.passed for output in record.outputs),
            f"{where}max|e| {small(tightest.max_abs)}, at most {small(tightest.tolerance_max_abs)}",
        ),
        *_conversion(record),
        Check("leakage", record.leakage.identical, _leakage(record)),
        Check(
            "arena",
            arena.used_bytes <= arena.size_bytes and arena.guard_intact is not False,
            f"{arena.used_bytes} of {arena.size_bytes} bytes used"
            + ("" if arena.guard_intact is not False else ", but bytes outside it were overwritten"),
        ),
    ]
    if record.interruptions:
        passed = len(record.interruptions) <= record.allowed_interruptions
        found.append(Check("unbroken", passed, interruption_text(record.interruptions, record.vectors)))
    if record.verdict == "fail" and all(check.passed for check in found):
        found.append(Check("verdict", False, "; ".join(record.reasons) or "failed without a reason"))
    return tuple(found)


def _conversion(record: RunRecord) -> list[Check]:
    """Of engines that run a converted model: whether it is right, and whether the board computes the same."""
    made, accuracy = record.conversion, record.accuracy
    if made is None or accuracy.converted_vs_keras is None or accuracy.board_vs_converted is None:
        return []
    here = converted_name(record)
    allowed = ", ".join(small(tolerance) for tolerance in made.tolerances_max_abs)
    converted = f"{here} here, max|e| {small(accuracy.converted_vs_keras.max_abs)}, at most {allowed}"
    apart = f"max|e| {small(accuracy.board_vs_converted.max_abs)} from {here} here"
    if made.lsb_histogram:
        apart += f", at most {max(abs(int(lsb)) for lsb in made.lsb_histogram)} LSB"
    return [
        Check("converted", made.converted_passed, converted + _fault(made.converted_passed, "the conversion")),
        Check("board", made.board_passed, apart + _fault(made.board_passed, "the board")),
    ]


def _fault(passed: bool, who: str) -> str:
    return "" if passed else f": {who} is at fault"


def _inf_if_none(value: float | None) -> float:
    return float("inf") if value is None else value


def _leakage(record: RunRecord) -> str:
    leakage = record.leakage
    if leakage.identical:
        return f"{leakage.probes} repeats of vectors gave identical bits"
    return "a vector's outputs depend on what ran before it"
