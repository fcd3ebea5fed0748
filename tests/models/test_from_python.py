"""`harness.run`: the main job on what is in memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.boards.catalogue import find_board
from harness.model.bundle import load_bundle
from harness.workflow.available import available

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not available(find_board("host")).ready, reason="no C++ compiler")

KERAS_SCRIPT = """
import numpy as np
import keras
import harness

model = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3), keras.layers.Dense(2)], name="from_memory")
vectors = np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")
outcome = harness.run(model, vectors, board="host")
expected = np.concatenate([model(row[None]).numpy() for row in vectors])
assert outcome.record.verdict == "pass", outcome.record.reasons
assert np.abs(outcome.outputs[0] - expected).max() < 1e-5
print("passed")
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))


def test_bundle_with_vectors_in_memory() -> None:
    bundle = load_bundle("cell4")
    outcome = harness.run("cell4", bundle.inputs[0], board="host")
    assert outcome.record.verdict == "pass", outcome.record.reasons
    assert len(outcome.outputs) == 3
    assert np.abs(outcome.outputs[1] - bundle.golden[1]).max() < 1e-6


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed")
def test_keras_model_in_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KERAS_SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["passed"], done.stderr[-2000:]
