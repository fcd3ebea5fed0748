"""Which vector a printed prediction belongs to, and whether it is right.

A sketch prints the label and the prediction, not the inputs. Three ways, the first that can be had:

number  the pattern has a group `vector`: that is the vector's index, from 0
label   the printed expected value is the label of a vector, as far as its digits tell; where several vectors have that
        label, the next of them after the vector before
order   the first prediction after the port was opened, and after each restart of the board, belongs to vector 0, the
        next to vector 1, and so on, round and round
"""

from __future__ import annotations

import math

import numpy as np

from harness.errors import UsageError
from harness.report.watch_record import MatchedBy, PredictionRecord
from harness.workflow.sketch_reference import Reference
from harness.workflow.sketch_text import Number, Printed

# Of a float32 in its last places: a board's sum may differ there, and a digit be printed the other way.
_FLOAT32_STEPS = 4 * 2.0**-24


class Matcher:
    """Gives predictions, in the order they come, to vectors. `way`: None takes the first of the above that can be had.

    Raises:
        UsageError: `way` can't be had.
    """

    def __init__(self, reference: Reference, *, way: MatchedBy | None = None) -> None:
        if way == "label" and reference.labels is None:
            raise UsageError("--match label needs labels", hint="--sample 4.6,8,304=17.76, or --labels FILE")
        self._reference = reference
        self._wanted = way
        self._last = -1
        self.way: MatchedBy = way or "order"

    def restart(self) -> None:
        """The board started anew."""
        self._last = -1

    def match(self, printed: Printed) -> int | None:
        """Index of its vector; None: of none."""
        count = len(self._reference.outputs)
        self.way = self._wanted or self._best_way(printed)
        if self.way == "number":
            found = printed.vector if printed.vector is not None and printed.vector < count else None
        elif self.way == "label":
            found = self._by_label(printed.expected)
        else:
            found = (self._last + 1) % count
        if found is not None:
            self._last = found
        return found

    def _best_way(self, printed: Printed) -> MatchedBy:
        if printed.vector is not None:
            return "number"
        return "label" if printed.expected is not None and self._reference.labels is not None else "order"

    def _by_label(self, expected: Number | None) -> int | None:
        labels = self._reference.labels
        if expected is None or labels is None or not math.isfinite(expected.value):
            return None
        off = np.abs(labels.astype(np.float64) - expected.value)
        near = np.flatnonzero(off <= expected.half_unit + _FLOAT32_STEPS * abs(expected.value))
        if not len(near):
            return None
        later = near[near > self._last]
        return int(later[0] if len(later) else near[0])


def judge_prediction(t_s: float, printed: Printed, vector: int | None, reference: Reference) -> PredictionRecord:
    """One prediction against the reference, with what rounding to the printed digits may have cost allowed for."""
    values = [number.value if math.isfinite(number.value) else None for number in printed.predicted]
    expected = printed.expected
    right = [] if vector is None else [float(value) for value in reference.outputs[vector]]
    error, tolerance, passed = None, 0.0, False
    if len(right) == len(values) and None not in values:
        half_unit = max(number.half_unit for number in printed.predicted)
        tolerance = reference.tolerance_max_abs + half_unit + _FLOAT32_STEPS * max(map(abs, right))
        error = max(abs(number.value - value) for number, value in zip(printed.predicted, right, strict=True))
        passed = error <= tolerance
    return PredictionRecord(
        t_s=round(t_s, 3),
        vector=vector,
        expected=expected.value if expected is not None and math.isfinite(expected.value) else None,
        predicted=values,
        reference=right,
        error=error,
        tolerance=tolerance,
        passed=passed,
    )
