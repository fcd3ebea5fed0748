"""Make this bundle: bidirectional LSTM and GRU.

    python models/bidirectional/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model.bundle_make import prepare_keras, write_seeded_keras_bundle

SEED = 10


def build() -> Any:
    """The layers."""
    prepare_keras()
    import keras

    return keras.Sequential(
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


if __name__ == "__main__":
    print(write_seeded_keras_bundle(Path(__file__).resolve().parent, build(), SEED).hex())
