"""Make this bundle: an LSTM with coupled input and forget gates.

    python models/cifg/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import prepare_keras, seed_weights, write_keras_bundle

SEED = 21
VECTORS = 32


def build() -> Any:
    """The layers, with weights from SEED."""
    prepare_keras()
    import keras

    from harness.model.keras_cells import CoupledLSTMCell

    model = keras.Sequential(
        [
            keras.Input((20, 2), batch_size=1, name="x"),
            keras.layers.RNN(CoupledLSTMCell(10, name="cell"), name="rnn"),
            keras.layers.Dense(1, name="dense"),
        ],
        name="cifg",
    )
    seed_weights(model, SEED)
    return model


def draw_vectors() -> np.ndarray:
    """(VECTORS, 20, 2) float32."""
    return np.random.default_rng(SEED).normal(0, 1, (VECTORS, 20, 2)).astype(np.float32)


if __name__ == "__main__":
    print(write_keras_bundle(Path(__file__).resolve().parent, build(), {"x": draw_vectors()}).hex())
    sys.exit(0)
