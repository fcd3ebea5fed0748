"""Metrics of one set of outputs against another. Placeholder record; see the functions below."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metrics:
    """p = evaluated output, r = reference, e = p - r, over all N elements (names and formulae of ST Edge AI's validation report).

    Attributes:
        n: elements compared.
        max_abs: max|e|; `max_abs_vector` is the index of its vector.
        mae, mean, std: mean|e|, mean e, std e (ddof=1; 0.0 for n < 2).
        rmse: sqrt(mean e^2).
        l2r: ||e|| / ||p|| (divides by the evaluated output, not the reference).
        nse: 1 - mean(e^2) / var(r, ddof=1); None where var(r) is 0 or n < 2.
        cos: <r,p> / (||r|| ||p||); None where a norm is 0.
        r2: coefficient of determination against r; None where undefined.
        acc: argmax agreement in percent, None unless the task is classification.
        max_ulp: largest distance in float32 units in the last place, None unless both sides are float32.
        finite: False if either side holds a NaN or Inf; every other figure is then None-like (nan is never reported).
    """

    n: int
    finite: bool
    max_abs: float | None
    max_abs_vector: int | None
    rmse: float | None
    mae: float | None
    mean: float | None
    std: float | None
    l2r: float | None
    nse: float | None
    cos: float | None
    r2: float | None
    acc: float | None
    max_ulp: int | None
