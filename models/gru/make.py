"""Make this bundle: two GRU layers, with the reset gate after and before the recurrent product.

    python models/gru/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import prepare_keras, seed_weights, write_keras_bundle

SEED = 7
VECTORS = 32


def build() -> Any:
    """The layers, with weights from SEED."""
    prepare_keras()
    import keras

    model = keras.Sequential(
        [
            keras.Input((12, 3), batch_size=1, name="x"),
            keras.layers.GRU(12, return_sequences=True, reset_after=True, name="gru_after"),
            keras.layers.GRU(8, reset_after=False, name="gru_before"),
            keras.layers.Dense(2, name="dense"),
        ],
        name="gru",
    )
    seed_weights(model, SEED)
    return model


def draw_vectors() -> np.ndarray:
    """(VECTORS, 12, 3) float32."""
    return np.random.default_rng(SEED).normal(0, 1, (VECTORS, 12, 3)).astype(np.float32)


if __name__ == "__main__":
    print(write_keras_bundle(Path(__file__).resolve().parent, build(), {"x": draw_vectors()}).hex())
    sys.exit(0)
