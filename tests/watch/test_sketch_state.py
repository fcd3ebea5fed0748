"""Whose fault a wrong prediction is: the sketch's, which keeps state, or the conversion's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.model.bundle import load_bundle
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


@pytest.fixture(scope="module")
def many() -> Reference:
    """The bundle's own vectors."""
    bundle = load_bundle("fuel_lstm")
    outputs = bundle.golden[0].reshape(len(bundle.golden[0]), -1)
    return replace(load_reference("fuel_lstm"), inputs=bundle.inputs, outputs=outputs, labels=None)


def judged(
    reference: Reference, values: Sequence[float], digits: int = 2, order: Sequence[int] | None = None
) -> list[PredictionRecord]:
    matcher = Matcher(reference, way="order")
    found = []
    for k, value in enumerate(values):
        printed = SketchPattern("(?P<predicted>.*)").parse(f"{value:.{digits}f}")
        assert printed is not None
        vector = matcher.match(printed) if order is None else order[k]
        found.append(judge_prediction(k, printed, vector, reference))
    return found


def tflm(reference: Reference, order: Sequence[int], *, reset: bool) -> list[float]:
    (outputs,) = run_tflm_on_host(reference.tflite(), [a[list(order)] for a in reference.inputs], reset_each=reset)
    return [float(value) for value in outputs.ravel()]


@pytest.mark.parametrize("first", [0, 1, 2, 3, 8, 13, 400, 401])
def test_a_leak_joined_at_any_prediction_is_still_one(fuel: Reference, first: int) -> None:
    order = ([0, 1] * 210)[first : first + 4]
    values = tflm(fuel, [0, 1] * 210, reset=False)[first : first + 4]
    assert judge_state(judged(fuel, values, order=order), [], fuel).verdict == "leaks"


def test_a_leak_joined_in_a_round_of_many_vectors_is_still_one(many: Reference) -> None:
    count = len(many.outputs)
    order = list(range(count)) * 5
    values = tflm(many, order, reset=False)
    first = 2 * count + 17
    seen = slice(first, first + 2 * count)
    assert judge_state(judged(many, values[seen], order=order[seen]), [], many).verdict == "leaks"


def test_a_leak_joined_in_no_order_is_named_once_the_past_is_forgotten(many: Reference) -> None:
    order = [int(k) for k in np.random.default_rng(1).integers(0, len(many.outputs), 130)]
    values = tflm(many, order, reset=False)
    assert judge_state(judged(many, values[30:], order=order[30:]), [], many).verdict == "leaks"
    # Too few to have forgotten what came before: no guess.
    assert judge_state(judged(many, values[30:33], order=order[30:33]), [], many).verdict == "unknown"


def test_random_errors_are_no_leak_however_many_pasts_are_tried(fuel: Reference) -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).uniform(-2, 2, 4)
        values = [value + off for value, off in zip(tflm(fuel, [1, 0] * 2, reset=True), noise, strict=True)]
        state = judge_state(judged(fuel, values, order=[1, 0, 1, 0]), [], fuel)
        assert state.verdict == "unknown", (seed, values)


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
