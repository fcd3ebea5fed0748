"""Converted models compute what the original does, under the real TFLM."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_read import read_tflite
from harness.model.tflm_host import run_tflm_on_host
from tests.tflite.models import dense, expected, inputs_for, lstm, model, plain

pytestmark = pytest.mark.usefixtures("needs_tflm")

CHAINS = {
    "lstm and dense": model(1, (5, 3), lstm("a", "x", 3, 7, 5), dense("b", "a", (7,), 4)),
    "two lstm": model(
        2, (4, 1), lstm("a", "x", 1, 6, 4, return_sequences=True), lstm("b", "a", 6, 5, 4), dense("c", "b", (5,), 1)
    ),
    "one unit, one step": model(3, (1, 1), lstm("a", "x", 1, 1, 1)),
    "whole sequence out": model(4, (6, 2), lstm("a", "x", 2, 3, 6, return_sequences=True)),
    "dense at every step": model(
        5, (6, 2), lstm("a", "x", 2, 4, 6, return_sequences=True), dense("b", "a", (6, 4), 3, "relu")
    ),
    "backwards": model(6, (5, 2), lstm("a", "x", 2, 4, 5, go_backwards=True), dense("b", "a", (4,), 2)),
    "backwards, whole sequence": model(
        7, (5, 2), lstm("a", "x", 2, 4, 5, go_backwards=True, return_sequences=True), lstm("b", "a", 4, 3, 5)
    ),
    "classifier": model(8, (4, 3), lstm("a", "x", 3, 8, 4), dense("b", "a", (8,), 5, "softmax")),
    "tanh": model(9, (4, 3), lstm("a", "x", 3, 8, 4), dense("b", "a", (8,), 5, "tanh")),
    "sigmoid": model(10, (4, 3), lstm("a", "x", 3, 8, 4), dense("b", "a", (8,), 5, "sigmoid")),
    "relu6": model(11, (4, 3), lstm("a", "x", 3, 8, 4), dense("b", "a", (8,), 5, "relu6")),
    "flatten": model(
        12,
        (4, 3),
        lstm("a", "x", 3, 2, 4, return_sequences=True),
        plain("f", "Flatten", "a", (8,)),
        dense("b", "f", (8,), 2),
    ),
    "reshape": model(13, (12,), plain("r", "Reshape", "x", (4, 3)), lstm("a", "r", 3, 5, 4)),
    "layers of activation": model(
        14,
        (4, 3),
        lstm("a", "x", 3, 6, 4),
        dense("b", "a", (6,), 6),
        plain("r", "ReLU", "b", (6,)),
        plain("d", "Dropout", "r", (6,), rate=0.5),
        dense("e", "d", (6,), 3),
        plain("s", "Softmax", "e", (3,), axis=-1),
    ),
    "no recurrence": model(15, (3,), dense("b", "x", (3,), 9, "relu"), dense("c", "b", (9,), 2)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_float_model_computes_what_the_layers_say(name: str) -> None:
    graph = CHAINS[name]
    x = inputs_for(graph, 99)
    (outputs,) = run_tflm_on_host(convert_to_tflite(graph), [x])
    np.testing.assert_allclose(outputs, expected(graph, x), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", CHAINS)
def test_int8_model_is_near_what_the_layers_say(name: str) -> None:
    graph = CHAINS[name]
    x = inputs_for(graph, 99, 200)
    (outputs,) = run_tflm_on_host(convert_to_tflite(graph, calibration=[x]), [x])
    right = expected(graph, x)
    # One output step is 1/255 of the range; each of up to six layers adds about one.
    assert np.abs(outputs - right).max() < 0.06 * np.ptp(right), "a fault of scales is far larger"
    assert np.abs(outputs - right).mean() < 0.015 * np.ptp(right)


def test_tutorial_model_is_within_rounding_of_keras(fuel: Bundle, fuel_tflite: bytes) -> None:
    (outputs,) = run_tflm_on_host(fuel_tflite, fuel.inputs)
    assert np.abs(outputs - fuel.golden[0]).max() < 1e-5
    assert read_tflite(fuel_tflite).operator_names == (
        "FULLY_CONNECTED",
        "STRIDED_SLICE",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    )


@pytest.mark.parametrize("int8", [False, True])
def test_conversion_gives_the_same_bytes_every_time(fuel: Bundle, int8: bool) -> None:
    calibration = fuel.inputs if int8 else None
    assert convert_to_tflite(fuel.graph, calibration=calibration) == convert_to_tflite(
        fuel.graph, calibration=calibration
    )


def test_weights_lie_on_sixteen_byte_addresses() -> None:
    graph = CHAINS["two lstm"]
    data = convert_to_tflite(graph)
    for layer in graph.layers:
        units = layer.weights["bias"].size // 4 if layer.kind == "LSTM" else 0
        columns = layer.weights["kernel"][:, :units] if units else layer.weights["kernel"]
        stored = np.ascontiguousarray(columns.T).tobytes()
        assert data.index(stored) % 16 == 0


def test_lstm_without_bias_is_one_with_zeros() -> None:
    graph = CHAINS["one unit, one step"]
    layer = graph.layers[0]
    weights = {name: array for name, array in layer.weights.items() if name != "bias"}
    unbiased = dataclasses.replace(layer, weights=weights)
    zeros = dataclasses.replace(layer, weights=weights | {"bias": np.zeros(4, np.float32)})
    assert _converted(graph, unbiased) == _converted(graph, zeros)


def _converted(graph: ModelGraph, layer: LayerSpec) -> bytes:
    return convert_to_tflite(dataclasses.replace(graph, layers=(layer,)))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (plain("g", "GRU", "x", (4,)), ["'g'", "GRU", "supported", "LSTM", "rnn"]),
        (plain("r", "SimpleRNN", "x", (4,)), ["'r'", "SimpleRNN"]),
        (plain("b", "Bidirectional", "x", (4,)), ["'b'", "Bidirectional"]),
        (lstm("a", "x", 3, 4, 5, activation="relu"), ["'a'", "activation", "relu", "tanh"]),
        (lstm("a", "x", 3, 4, 5, recurrent_activation="hard_sigmoid"), ["'a'", "hard_sigmoid", "sigmoid"]),
        (lstm("a", "x", 3, 4, 5, return_state=True), ["'a'", "return_state"]),
        (lstm("a", "x", 2, 4, 5), ["'a'", "(2, 16)"]),
        (dense("d", "x", (5, 3), 2, "swish"), ["'d'", "swish", "relu"]),
        (dense("d", "y", (5, 3), 2), ["'d'", "'y'"]),
    ],
)
def test_unsupported_layer_is_refused_by_name(layer: LayerSpec, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        convert_to_tflite(model(1, (5, 3), layer))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("calibration", "word"),
    [
        ([], "1 inputs"),
        ([np.zeros((0, 5, 3), np.float32)], "at least one vector"),
        ([np.zeros((4, 5, 2), np.float32)], "(5, 2)"),
        ([np.full((4, 5, 3), np.nan, np.float32)], "NaN"),
    ],
)
def test_unfit_calibration_is_refused(calibration: list[np.ndarray], word: str) -> None:
    with pytest.raises(UsageError, match=word.replace("(", r"\(").replace(")", r"\)")):
        convert_to_tflite(CHAINS["lstm and dense"], calibration=calibration)


def test_int8_of_constant_zero_vectors_does_not_divide_by_zero() -> None:
    data = convert_to_tflite(CHAINS["lstm and dense"], calibration=[np.zeros((2, 5, 3), np.float32)])
    (tensor,) = read_tflite(data).inputs
    assert (tensor.dtype, tensor.scale) == ("INT8", 1.0)


def test_file_begins_as_a_tflite(fuel_tflite: bytes) -> None:
    assert fuel_tflite[4:8] == b"TFL3"
    assert struct.unpack_from("<I", fuel_tflite)[0] < len(fuel_tflite)
