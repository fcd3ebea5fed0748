"""Make this bundle: LSTM cells of 4 and 5 units in one RNN layer, many to many, with all states.

    python models/stacked45/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import prepare_keras, seed_weights, write_keras_bundle

SEED = 45
VECTORS = 32


def build() -> Any:
    """The layers, with weights from SEED."""
    prepare_keras()
    import keras

    x = keras.Input((3, 6), batch_size=1, name="x")
    cells = keras.layers.StackedRNNCells(
        [keras.layers.LSTMCell(4, name="cell_4"), keras.layers.LSTMCell(5, name="cell_5")]
    )
    sequence, first, second = keras.layers.RNN(cells, return_sequences=True, return_state=True, name="rnn")(x)
    model = keras.Model(x, [sequence, *first, *second], name="stacked45")
    seed_weights(model, SEED)
    return model


def draw_vectors() -> np.ndarray:
    """(VECTORS, 3, 6) float32."""
    random = np.random.default_rng(SEED)
    vectors = random.integers(0, 5, (VECTORS, 3, 6)).astype(np.float32)
    vectors[0] = [[1, 2, 3, 4, 3, 2], [1, 2, 1, 1, 1, 2], [1, 2, 2, 2, 2, 2]]
    vectors[1] = [[1, 2, 3, 4, 3, 2], [3, 2, 2, 1, 1, 2], [0, 0, 0, 0, 3, 2]]
    return vectors


if __name__ == "__main__":
    print(write_keras_bundle(Path(__file__).resolve().parent, build(), {"x": draw_vectors()}).hex())
    sys.exit(0)
