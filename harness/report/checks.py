"""The checks behind a verdict, one by one, as the reports list them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.numbers import small
from harness.report.record import RunRecord


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
    # With several outputs each has a tolerance of its own and the record keeps the smallest: the verdict knows better.
    within = record.verdict == "pass" or (cross.max_abs is not None and cross.max_abs <= record.tolerance_max_abs)
    found = [
        Check("finite", cross.finite, "no NaN or Inf" if cross.finite else "NaN or Inf in the outputs"),
        Check("accuracy", within, f"max|e| {small(cross.max_abs)}, at most {small(record.tolerance_max_abs)}"),
        Check("leakage", record.leakage.identical, _leakage(record)),
        Check("arena", arena.used_bytes <= arena.size_bytes, f"{arena.used_bytes} of {arena.size_bytes} bytes used"),
    ]
    if record.verdict == "fail" and all(check.passed for check in found):
        found.append(Check("verdict", False, "; ".join(record.reasons) or "failed without a reason"))
    return tuple(found)


def _leakage(record: RunRecord) -> str:
    leakage = record.leakage
    if leakage.identical:
        return f"{leakage.probes} repeats of vectors gave identical bits"
    return "a vector's outputs depend on what ran before it"
