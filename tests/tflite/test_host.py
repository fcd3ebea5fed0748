"""The real TFLM on this computer: the faults a harness exists to catch, as they really happen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_quantise import dequantise, quantise
from harness.model.tflm_host import TflmHostError, run_tflm_on_host
from harness.protocol.ids import DType
from harness.protocol.messages import TensorSpec

pytestmark = pytest.mark.usefixtures("needs_tflm")


def test_while_based_model_is_right_in_full_tflite_and_wrong_in_tflm(
    while_tflite: bytes, while_values: dict[str, NDArray[np.float32]]
) -> None:
    keras = while_values["keras"]
    assert np.abs(while_values["tflite"] - keras).max() < 1e-5
    (outputs,) = run_tflm_on_host(while_tflite, [while_values["inputs"]])
    assert np.isfinite(outputs).all(), "it answers without an error"
    assert np.abs(outputs - keras).max() > np.ptp(keras), "lint bypassed, the comparison must fail"


def test_state_leaks_without_a_reset_and_only_then(fuel: Bundle, fuel_tflite: bytes) -> None:
    twice = [np.repeat(array[:1], 2, axis=0) for array in fuel.inputs]
    (leaking,) = run_tflm_on_host(fuel_tflite, twice, reset_each=False)
    (clean,) = run_tflm_on_host(fuel_tflite, twice)
    assert leaking[0] == clean[0]
    assert leaking[1] != clean[1]
    assert clean[0] == clean[1]


@pytest.mark.parametrize("arena_bytes", [0, 100, 700, 2500, 4000, 5500])
def test_small_arena_is_a_named_error(fuel: Bundle, fuel_tflite: bytes, arena_bytes: int) -> None:
    with pytest.raises(TflmHostError) as caught:
        run_tflm_on_host(fuel_tflite, [array[:1] for array in fuel.inputs], arena_bytes=arena_bytes)
    assert caught.value.fault in ("arena-too-small", "crash")
    assert str(arena_bytes) in str(caught.value)


def test_missing_bytes_come_from_tflm(fuel: Bundle, fuel_tflite: bytes) -> None:
    with pytest.raises(TflmHostError) as caught:
        run_tflm_on_host(fuel_tflite, [array[:1] for array in fuel.inputs], arena_bytes=700)
    assert caught.value.fault == "arena-too-small"
    assert f"missing: {caught.value.missing_bytes}" in caught.value.text


def test_damaged_model_never_reaches_tflm(fuel: Bundle, fuel_tflite: bytes) -> None:
    with pytest.raises(UsageError, match="damaged"):
        run_tflm_on_host(fuel_tflite[:-64], fuel.inputs)


def test_wrong_inputs_are_refused(fuel: Bundle, fuel_tflite: bytes) -> None:
    with pytest.raises(UsageError, match="2 input arrays"):
        run_tflm_on_host(fuel_tflite, [fuel.inputs[0], fuel.inputs[0]])
    with pytest.raises(UsageError, match=r"\(2, 1\)"):
        run_tflm_on_host(fuel_tflite, [fuel.inputs[0][:, :2]])


def test_a_run_that_does_not_end_is_a_named_error(fuel: Bundle, fuel_tflite: bytes) -> None:
    with pytest.raises(TflmHostError) as caught:
        run_tflm_on_host(fuel_tflite, fuel.inputs, timeout_s=0.01)
    assert caught.value.fault == "timeout"


def test_no_vectors_give_no_outputs(fuel: Bundle, fuel_tflite: bytes) -> None:
    (outputs,) = run_tflm_on_host(fuel_tflite, [array[:0] for array in fuel.inputs])
    assert outputs.shape == (0, 1)


def test_int8_comes_back_as_real_numbers(fuel: Bundle) -> None:
    data = convert_to_tflite(fuel.graph, calibration=fuel.inputs)
    (outputs,) = run_tflm_on_host(data, fuel.inputs)
    assert outputs.dtype == np.float32
    assert np.abs(outputs - fuel.golden[0]).mean() < 0.1 * np.ptp(fuel.golden[0])


def test_quantising_rounds_clips_and_comes_back() -> None:
    spec = TensorSpec(DType.INT8, (5,), 0.5, -3)
    stored = quantise(np.array([[0.0, 1.0, 1.3, 1e9, -1e9]], np.float32), spec)
    assert stored.tolist() == [[-3, -1, 0, 127, -128]]
    np.testing.assert_array_equal(dequantise(stored, spec), [[0.0, 1.0, 1.5, 65.0, -62.5]])
    plain = dataclasses.replace(spec, dtype=DType.FLOAT32, scale=0.0, zero_point=0)
    assert quantise(np.ones((1, 5), np.float32), plain).tolist() == [[1.0] * 5]
