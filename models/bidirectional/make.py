"""Make this bundle: bidirectional LSTM and GRU.

    python models/bidirectional/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import prepare_keras, seed_weights, write_keras_bundle

SEED = 10
VECTORS = 32


def build() -> Any:
    """The layers, with weights from SEED."""
    prepare_keras()
    import keras

    model = keras.Sequential(
        [
            keras.Input((10, 4), batch_size=1, name="x"),
            keras.layers.Bidirectional(
                keras.layers.LSTM(6, return_sequences=True), merge_mode="concat", name="both_lstm"
            ),
            keras.layers.Bidirectional(keras.layers.GRU(5), merge_mode="sum", name="both_gru"),
            keras.layers.Dense(3, name="dense"),
        ],
        name="bidirectional",
    )
    seed_weights(model, SEED)
    return model


def draw_vectors() -> np.ndarray:
    """(VECTORS, 10, 4) float32."""
    return np.random.default_rng(SEED).normal(0, 1, (VECTORS, 10, 4)).astype(np.float32)


if __name__ == "__main__":
    print(write_keras_bundle(Path(__file__).resolve().parent, build(), {"x": draw_vectors()}).hex())
    sys.exit(0)
