"""Vectors go to a device as its tensors store them, and come back as real numbers."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness.model.bundle import load_bundle
from harness.protocol.ids import DType
from harness.protocol.messages import TensorSpec
from harness.workflow.stream import decode_outputs, encode_vectors


def test_vectors_for_an_int8_tensor_are_scaled_rounded_and_clipped() -> None:
    values = np.array([[[0.0], [1.0], [1e9]], [[-1.0], [0.74], [-1e9]]], np.float32)
    bundle = dataclasses.replace(load_bundle("fuel_lstm"), inputs=(values,))
    vectors = encode_vectors(bundle, (TensorSpec(DType.INT8, (3, 1), 0.5, 3),))
    assert [np.frombuffer(vector, np.int8).tolist() for vector in vectors] == [[3, 5, 127], [1, 4, -128]]


def test_vectors_for_a_float_tensor_are_not_touched() -> None:
    bundle = load_bundle("fuel_lstm")
    vectors = encode_vectors(bundle, (TensorSpec(DType.FLOAT32, (3, 1), 0.0, 0),))
    assert b"".join(vectors) == bundle.inputs[0].tobytes()


def test_outputs_of_an_int8_tensor_come_back_as_real_numbers() -> None:
    specs = (TensorSpec(DType.INT8, (2,), 0.25, -3), TensorSpec(DType.FLOAT32, (1,), 0.0, 0))
    raw = np.array([-3, 1], np.int8).tobytes() + np.array([1.5], "<f4").tobytes()
    whole, real = decode_outputs(raw, 1, specs)
    assert whole.tolist() == [[0.0, 1.0]]
    assert real.tolist() == [[1.5]]
    assert whole.dtype == real.dtype == np.float32
