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
from tests.torch_extra import needs_torch

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


TORCH_SCRIPT = """
import numpy as np
import torch
import harness


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(2, 3, 2, dropout=0.5)  # steps first, then the batch
        self.head = torch.nn.Linear(3, 2)

    def forward(self, x, h0):
        output, h = self.rnn(x, h0)
        return self.head(output[-1]), h


model = Net().train()
random = np.random.default_rng(0)
vectors = {name: random.normal(size=(5, *s)).astype("float32") for name, s in (("h0", (2, 3)), ("x", (4, 2)))}
outcome = harness.run(model, vectors, board="host")
assert model.training and model.rnn.training, "the model is left as it is"
assert outcome.record.verdict == "pass", outcome.record.reasons
tensors = [torch.from_numpy(vectors[name]).transpose(0, 1).contiguous() for name in ("x", "h0")]
with torch.inference_mode():
    y, h = model.eval()(*tensors)
assert np.abs(outcome.outputs[0] - y.numpy()).max() < 1e-5
assert np.abs(outcome.outputs[1] - h.numpy().swapaxes(0, 1)).max() < 1e-5
try:
    harness.run(model, {"nonsense": vectors["x"], "x": vectors["x"]}, board="host")
except harness.errors.UsageError as error:
    assert "no argument 'nonsense'; it has x, h0" in str(error), error
print("passed")
"""


@needs_torch
def test_pytorch_module_in_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TORCH_SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["passed"], done.stderr[-2000:]
