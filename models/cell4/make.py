"""Make this bundle: one LSTM layer of 4 units that gives its output and both of its states.

    python models/cell4/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import prepare_keras, seed_weights, write_keras_bundle

SEED = 4
VECTORS = 32


def build() -> Any:
    """The layers, with weights from SEED."""
    prepare_keras()
    import keras

    x = keras.Input((1, 6), batch_size=1, name="x")
    model = keras.Model(x, keras.layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")(x), name="cell4")
    seed_weights(model, SEED)
    return model


def draw_vectors() -> np.ndarray:
    """(VECTORS, 1, 6) float32."""
    random = np.random.default_rng(SEED)
    vectors = random.integers(0, 5, (VECTORS, 1, 6)).astype(np.float32)
    # The other half with fractions and signs.
    vectors[VECTORS // 2 :] = random.normal(0, 2, (VECTORS - VECTORS // 2, 1, 6))
    return vectors


if __name__ == "__main__":
    print(write_keras_bundle(Path(__file__).resolve().parent, build(), {"x": draw_vectors()}).hex())
    sys.exit(0)
