"""Fixtures of the workflow's tests: real runs on board host-tflm, with a cache and slots of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.model.bundle import Bundle, load_bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_header import write_header

FIXTURES = Path(__file__).parents[1] / "tflite" / "fixtures"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all these tests: full TensorFlow Lite takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HIL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def needs_tflm() -> None:
    """Skips without the runtime."""
    pytest.importorskip("tflite_micro", reason="the extra tflm is not installed")


@pytest.fixture(scope="session")
def fuel() -> Bundle:
    """The shipped tutorial model."""
    return load_bundle("fuel_lstm")


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, needs_tflm: None, fuel: Bundle) -> Path:
    """Folder with the tutorial model as fuel.tflite, model.h and fuel-int8.tflite, and its vectors in x.npz."""
    folder = tmp_path_factory.mktemp("converted")
    data = convert_to_tflite(fuel.graph)
    (folder / "fuel.tflite").write_bytes(data)
    (folder / "model.h").write_text(write_header(data))
    (folder / "fuel-int8.tflite").write_bytes(convert_to_tflite(fuel.graph, calibration=fuel.inputs))
    np.savez(folder / "x.npz", x=fuel.inputs[0])
    return folder


@pytest.fixture(scope="session")
def while_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(model, vectors): what TFLiteConverter makes of a stacked Keras 3 LSTM by default."""
    vectors = tmp_path_factory.mktemp("while") / "x.npz"
    with np.load(FIXTURES / "while_lstm.npz") as data:
        np.savez(vectors, x=data["inputs"])
    return FIXTURES / "while_lstm.tflite", vectors
