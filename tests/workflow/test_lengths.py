"""A vectors file with lengths, from the file over Keras to the board: the same mask on both sides."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.errors import UsageError
from harness.model.bundle import load_bundle
from harness.model.bundle_write import bundle_files
from harness.model.tflite_convert import convert_to_tflite
from harness.workflow.available import available
from harness.workflow.conversion import ConversionOptions, pack_for_tflm
from harness.workflow.run import RunOptions, run

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed"),
    pytest.mark.timeout(300),
]

STEPS, FEATURES = 7, 3
MODEL = f"""
import sys
import keras
import numpy as np

layers = keras.layers
model = keras.Sequential([
    keras.Input(({STEPS}, {FEATURES})),
    layers.Bidirectional(layers.GRU(4, return_sequences=True)),
    layers.LSTM(5, return_sequences=True, zero_output_for_mask=True),
    layers.LSTM(3),
    layers.Dense(2),
])
random = np.random.default_rng(0)
model.set_weights([random.normal(0, 0.6, weight.shape) for weight in model.get_weights()])
model.save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("lengths")
    path = folder / "sequences.keras"
    subprocess.run([sys.executable, "-c", MODEL, str(path)], check=True, capture_output=True, timeout=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(folder / "cache"))
        patch.setenv("HIL_STATE_DIR", str(folder / "state"))
        yield path


def vectors(folder: Path, *, lengths: bool = True) -> Path:
    random = np.random.default_rng(1)
    arrays = {"x": random.normal(0, 1, (12, STEPS, FEATURES)).astype(np.float32)}
    if lengths:
        arrays["lengths"] = np.array([1, STEPS, *random.integers(1, STEPS + 1, 10)])
    np.savez(folder / "v.npz", **arrays)
    return folder / "v.npz"


@pytest.mark.parametrize("board", ["host", "netduino2plus", "megaatmega2560"])
def test_board_and_keras_agree_on_vectors_with_lengths(board: str, model: Path, tmp_path: Path) -> None:
    if not available(find_board(board)).ready:
        pytest.skip(f"board {board} lacks something on this computer; hil doctor says what")
    outcome = run(RunOptions(model=str(model), board=board, vectors=vectors(tmp_path), per_layer=board == "host"))
    assert outcome.record.verdict == "pass", outcome.record.reasons
    assert not any(layer.differs for layer in outcome.record.layers)
    golden = outcome.bundle.golden[0]
    whole = load_bundle(str(model), vectors=vectors(tmp_path, lengths=False)).golden[0]
    differs = np.abs(golden - whole).max(axis=1) > 1e-3
    counts = outcome.bundle.inputs[-1].reshape(-1)
    assert differs[counts < STEPS - 1].all()
    assert not differs[counts == STEPS].any()


def test_a_bundle_made_of_it_keeps_the_lengths(model: Path, tmp_path: Path) -> None:
    bundle = load_bundle(str(model), vectors=vectors(tmp_path))
    for name, content in bundle_files(bundle).items():
        (tmp_path / name).write_bytes(content)
    again = load_bundle(str(tmp_path))
    assert np.array_equal(again.inputs[-1], bundle.inputs[-1])
    assert np.array_equal(again.golden[0], bundle.golden[0])


def test_engine_tflm_refuses_them_by_name(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="LengthMask"):
        pack_for_tflm(load_bundle(str(model), vectors=vectors(tmp_path)), ConversionOptions())


def test_a_model_of_another_framework_refuses_them(tmp_path: Path) -> None:
    fuel = load_bundle("fuel_lstm")
    (tmp_path / "m.tflite").write_bytes(convert_to_tflite(fuel.graph))
    np.savez(tmp_path / "v.npz", x=fuel.inputs[0][:4], lengths=np.ones(4))
    with pytest.raises(UsageError, match="lengths, which only models of Keras take"):
        load_bundle(str(tmp_path / "m.tflite"), vectors=tmp_path / "v.npz")
