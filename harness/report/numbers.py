"""Numbers as a reader wants them: short, with the digits that matter."""

from __future__ import annotations

import math

ABSENT = "-"


def small(value: float | None) -> str:
    """An error figure: three significant digits, exponent only where it helps; "-" where it is not defined."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    if 1000 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1000 else f"{value:.2e}"


def near_one(value: float | None) -> str:
    """NSE or cosine: shown as its distance from 1 where it rounds to 1, since that is all it has to say there."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 1:
        return "1"
    gap = 1 - value
    return f"1-{gap:.0e}" if 0 < gap < 1e-4 else f"{value:.4f}" if abs(value) < 100 else f"{value:.2e}"


def percent(value: float | None) -> str:
    """A figure that is in percent already."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.4g} %"


def count(value: float | None) -> str:
    """A whole number in groups of three: 1,234,567."""
    return ABSENT if value is None or not math.isfinite(value) else f"{round(value):,}"


def micros(value: float) -> str:
    """Microseconds, four significant digits below 10,000 and whole ones above."""
    return ABSENT if not math.isfinite(value) else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def size(value: int | None) -> str:
    """Bytes: exact up to 10,000, then KiB or MiB."""
    if value is None:
        return ABSENT
    if value < 10_000:
        return f"{value:,} B"
    return f"{value / 1024:.1f} KiB" if value < 1024 * 1024 else f"{value / (1024 * 1024):.2f} MiB"


def share(part: int, whole: int) -> float | None:
    """part / whole, None where there is no meaningful whole."""
    return part / whole if whole > 0 else None


def values(array: list[float], *, most: int = 4, digits: int = 9) -> str:
    """The first elements of an output or input; nine digits tell any two float32 apart."""
    shown = " ".join(f"{v:.{digits}g}" for v in array[:most])
    return f"{shown} ..." if len(array) > most else shown
