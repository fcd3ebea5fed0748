"""Whose fault a wrong prediction is: the sketch's, which keeps state, or the conversion's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.model.tflm_host import run_tflm_on_host
from harness.report.watch_record import PredictionRecord
from harness.workflow.sketch_match import Matcher, judge_prediction
from harness.workflow.sketch_reference import Reference, load_reference
from harness.workflow.sketch_state import CONVERSION, judge_state
from harness.workflow.sketch_text import Number, Printed, SketchPattern

pytest.importorskip("tflite_micro")

FIXTURES = Path(__file__).resolve().parents[1] / "tflite" / "fixtures"


@pytest.fixture(scope="module")
def fuel() -> Reference:
    return load_reference("fuel_lstm")


def judged(reference: Reference, values: Sequence[float], digits: int = 2) -> list[PredictionRecord]:
    matcher = Matcher(reference, way="order")
    found = []
    for k, value in enumerate(values):
        printed = SketchPattern("(?P<predicted>.*)").parse(f"{value:.{digits}f}")
        assert printed is not None
        found.append(judge_prediction(k, printed, matcher.match(printed), reference))
    return found


def tflm(reference: Reference, order: Sequence[int], *, reset: bool) -> list[float]:
    (outputs,) = run_tflm_on_host(reference.tflite(), [a[list(order)] for a in reference.inputs], reset_each=reset)
    return [float(value) for value in outputs.ravel()]


def test_a_leak_seen_from_the_middle_is_still_one(fuel: Reference) -> None:
    values = tflm(fuel, [0, 1] * 10, reset=False)[6:10]
    assert judge_state(judged(fuel, values), [], fuel).verdict == "leaks"


def test_a_restart_begins_with_cleared_state(fuel: Reference) -> None:
    first = tflm(fuel, [0, 1, 0, 1], reset=False)
    predictions = judged(fuel, [*first, *first])
    assert judge_state(predictions, [4], fuel).verdict == "leaks"


def test_one_prediction_proves_nothing(fuel: Reference) -> None:
    assert judge_state(judged(fuel, tflm(fuel, [0], reset=True)), [], fuel).verdict == "unknown"


def test_a_model_that_tflm_computes_wrongly_is_no_leak(tmp_path: Path) -> None:
    with np.load(FIXTURES / "while_lstm.npz") as arrays:
        np.save(tmp_path / "x.npy", arrays["inputs"])
    reference = load_reference(str(FIXTURES / "while_lstm.tflite"), vectors=tmp_path / "x.npy")
    predictions = judged(reference, tflm(reference, range(8), reset=True), 5)
    assert not all(made.passed for made in predictions)
    state = judge_state(predictions, [], reference)
    assert (state.verdict, state.detail) == ("unknown", CONVERSION)


def test_labels_that_two_vectors_share_are_taken_in_turn(fuel: Reference) -> None:
    labels = np.array([17.76, 11.44, 11.44], np.float32)
    matcher = Matcher(replace(fuel, labels=labels, outputs=np.zeros((3, 1), np.float32)))
    seen = (11.44, 11.44, 17.76, 11.44, 9.0)
    printed = [Printed((Number(1.0, 0.005),), Number(label, 0.005), None) for label in seen]
    assert [matcher.match(line) for line in printed] == [1, 2, 0, 1, None]
