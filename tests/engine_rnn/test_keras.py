"""The whole way from a real Keras model; one import of tensorflow, skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_pack import pack_blob
from tests.engine_rnn.against_keras import LIMIT, distance, keras_cases
from tests.engine_rnn.engine import Engine, Init

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed"),
    pytest.mark.timeout(180),
]

# Runs apart, so that no other test pays for the import. Writes layers, vectors and golden outputs of each model.
SCRIPT = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import keras
from keras import layers as L
from harness.model.keras_graph import describe

keras.utils.set_random_seed(7)
models = {
    "tutorial": [
        L.Input((3, 1)),
        L.LSTM(12, return_sequences=True),
        L.LSTM(12),
        L.Dense(32, activation="relu"),
        L.Dense(1),
    ],
    "settings": [
        L.Input((5, 4)),
        L.LSTM(7, return_sequences=True, use_bias=False, unroll=True, dropout=0.2, recurrent_dropout=0.1),
        L.Dropout(0.5),
        L.LSTM(5, activation="relu", recurrent_activation="hard_sigmoid", unit_forget_bias=False),
        L.Dense(9, activation="tanh", use_bias=False),
        L.Activation("sigmoid"),
        L.Dense(4, activation="softmax"),
    ],
    "cropped": [
        L.Input((7, 3)),
        L.LSTM(4, return_sequences=True),
        L.Cropping1D((2, 1)),
        L.GRU(3, return_sequences=True),
        L.Cropping1D(1),
    ],
    "per step": [
        L.Input((6, 3)),
        L.LSTM(8, return_sequences=True),
        L.Dense(11, activation="hard_sigmoid"),
        L.Reshape((3, 22)),
        L.LSTM(3, return_sequences=True),
        L.ReLU(),
        L.Flatten(),
        L.Softmax(),
    ],
}
out = {}
for name, parts in models.items():
    model = keras.Sequential(parts)
    for layer in model.layers:  # zero biases would hide their order
        layer.set_weights([w + np.random.uniform(-0.3, 0.3, w.shape) for w in layer.get_weights()])
    shape = model.input_shape[1:]
    x = np.random.normal(0, 1.5, (8, *shape)).astype(np.float32)
    layers, outputs = describe(model, {"x": shape})
    arrays = {f"{i}/{k}": w for i, layer in enumerate(layers) for k, w in layer.weights.items()}
    golden = model.predict(x, verbose=0, batch_size=8)
    np.savez(os.path.join(sys.argv[1], f"{name}.npz"), vectors=x, golden=golden, **arrays)
    described = [[layer.name, layer.kind, dict(layer.config), layer.inputs, layer.output_shape] for layer in layers]
    out[name] = {"shape": shape, "outputs": outputs, "layers": described}
with open(os.path.join(sys.argv[1], "models.json"), "w") as stream:
    json.dump(out, stream)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, cwd=root, timeout=170, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", ["tutorial", "settings", "cropped", "per step"])
def test_engine_gives_what_keras_gives(folder: Path, engine: Engine, name: str) -> None:
    text = json.loads((folder / "models.json").read_text())[name]
    with np.load(folder / f"{name}.npz", allow_pickle=False) as data:
        arrays = dict(data.items())
    layers = []
    for index, (layer, kind, config, inputs, shape) in enumerate(text["layers"]):
        weights = {key.partition("/")[2]: w for key, w in arrays.items() if key.startswith(f"{index}/")}
        layers.append(LayerSpec(layer, kind, config, weights, tuple(inputs), tuple(shape)))
    graph = ModelGraph(bytes(32), "keras", {"x": tuple(text["shape"])}, tuple(layers), tuple(text["outputs"]))

    blob, arena_bytes, _ = pack_blob(graph)
    engine.load(blob)
    assert engine.init(arena_bytes) == Init(0, 0, arena_bytes)
    for vector, golden in zip(arrays["vectors"], arrays["golden"], strict=True):
        engine.reset()
        # Both sides are float32: the sum of two engines' rounding, not one's.
        assert np.abs(engine.invoke(vector) - golden.reshape(-1)).max() <= 2e-6 * (1 + np.abs(golden).max())


@pytest.mark.timeout(300)
def test_random_keras_models_of_every_layer_kind_agree(engine: Engine) -> None:
    kinds: set[str] = set()
    for case in keras_cases(seed=100_000, count=60):
        assert distance(engine, case) <= LIMIT, f"model {case.seed}"
        kinds |= {layer.kind for layer in case.golden.graph.layers}
    assert kinds >= {
        "LSTM",
        "GRU",
        "SimpleRNN",
        "RNN",
        "Bidirectional",
        "TimeDistributed",
        "Masking",
        "BatchNormalization",
        "Normalization",
        "Rescaling",
    }
