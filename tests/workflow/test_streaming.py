"""One sequence fed step by step over many messages: the board keeps its state, and Keras has kept it too."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.workflow.run import RunOptions, run

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed"),
    pytest.mark.timeout(180),
]

STEPS = 40
MAKE = """
import sys, keras
keras.utils.set_random_seed(3)
layers = keras.layers
model = keras.Sequential([
    keras.Input((1, 3), batch_size=1),
    layers.LSTM(6, stateful=True, return_sequences=True),
    layers.GRU(5, stateful=True),
    layers.Reshape((1, 5)),
    layers.SimpleRNN(4),  # keeps nothing, though its neighbours do
    layers.Dense(2),
])
model.save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream")
    command = [sys.executable, "-c", MAKE, str(folder / "model.keras")]
    done = subprocess.run(command, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    np.savez(folder / "vectors.npz", x=np.random.default_rng(0).normal(0, 1, (STEPS, 1, 3)).astype(np.float32))
    (folder / "bundle.toml").write_text(
        'name = "stream"\ndescription = "one sequence, step by step"\ntask = "regression"\nstateful = true\n'
        '[files]\nmodel = "model.keras"\nvectors = "vectors.npz"\n'
    )
    return folder


def test_each_step_agrees_with_keras_and_a_second_pass_gives_the_same_bits(bundle: Path) -> None:
    outcome = run(RunOptions(model=str(bundle), board="host"))
    assert outcome.record.verdict == "pass", outcome.record.reasons
    assert outcome.record.leakage.identical
    assert outcome.record.leakage.probes == STEPS
    # The same step alone gives something else: the state was needed.
    assert not np.allclose(outcome.outputs[0][1:], outcome.outputs[0][:1], atol=1e-3)
