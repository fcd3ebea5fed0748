"""Probes put together into regions, and where a size lies on a chart's axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.sweep_record import Outcome, ProbeRecord

_NUMBER = re.compile(r"\d[\d.]*")


@dataclass(frozen=True, slots=True)
class Region:
    """Neighbouring probes with one outcome: sizes `first` to `last`, and the details they gave, each once."""

    first: int
    last: int
    outcome: Outcome
    count: int
    details: tuple[str, ...]


def regions(probes: Sequence[ProbeRecord]) -> list[Region]:
    """The regions of probes in order of size. Details that differ in numbers only count as one."""
    found: list[Region] = []
    for probe in probes:
        last = found[-1] if found else None
        if last is None or last.outcome != probe.outcome:
            found.append(Region(probe.size, probe.size, probe.outcome, 1, _with((), probe)))
        else:
            details = _with(last.details, probe)
            found[-1] = Region(last.first, probe.size, last.outcome, last.count + 1, details)
    return found


def _with(details: tuple[str, ...], probe: ProbeRecord) -> tuple[str, ...]:
    detail = probe.detail if probe.missing_bytes is None else "says how much is missing"
    known = {_NUMBER.sub("N", old) for old in details}
    return details if not detail or _NUMBER.sub("N", detail) in known else (*details, detail)


@dataclass(frozen=True, slots=True)
class Axis:
    """Sizes `first` to `last` on a line from 0 to 1; in equal ratios where they span more than a factor of eight."""

    first: int
    last: int

    @property
    def logarithmic(self) -> bool:
        return self.last > 8 * self.first

    def place(self, size: float) -> float:
        """0 at `first`, 1 at `last`."""
        if self.last <= self.first:
            return 0.0
        if self.logarithmic:
            return math.log(size / self.first) / math.log(self.last / self.first)
        return (size - self.first) / (self.last - self.first)

    def ticks(self) -> list[int]:
        """Round sizes to label: powers of two, or about six equal steps."""
        if self.logarithmic:
            low, high = math.ceil(math.log2(self.first)), math.floor(math.log2(self.last))
            every = max(1, -(-(high - low) // 9))
            return [2**k for k in range(low, high + 1, every)]
        step = max(1, (self.last - self.first) // 6)
        magnitude = 10 ** int(math.log10(step))
        step = next(k * magnitude for k in (1, 2, 5, 10) if k * magnitude >= step)
        return list(range(-(-self.first // step) * step, self.last + 1, step))
