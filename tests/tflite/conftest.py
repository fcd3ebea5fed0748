"""Fixtures of the converter's tests. What needs the extra `tflm` skips where it is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.model.bundle import Bundle, load_bundle
from harness.model.tflite_convert import convert_to_tflite

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def needs_tflm() -> None:
    """Skips without the runtime."""
    pytest.importorskip("tflite_micro", reason="the extra tflm is not installed")


@pytest.fixture(scope="session")
def fuel() -> Bundle:
    """The shipped tutorial model."""
    return load_bundle("fuel_lstm")


@pytest.fixture(scope="session")
def fuel_tflite(fuel: Bundle) -> bytes:
    """The tutorial model, converted."""
    pytest.importorskip("tflite_micro", reason="the extra tflm is not installed")
    return convert_to_tflite(fuel.graph)


@pytest.fixture(scope="session")
def while_tflite() -> bytes:
    """What TFLiteConverter makes of a stacked Keras 3 LSTM by default."""
    return (FIXTURES / "while_lstm.tflite").read_bytes()


@pytest.fixture(scope="session")
def while_values() -> dict[str, NDArray[np.float32]]:
    """Its "inputs", and the outputs of "keras" and of full "tflite"."""
    with np.load(FIXTURES / "while_lstm.npz") as data:
        return {name: data[name] for name in ("inputs", "keras", "tflite")}
