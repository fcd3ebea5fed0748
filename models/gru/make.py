"""Make this bundle: two GRU layers, with the reset gate after and before the recurrent product.

    python models/gru/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model.bundle_make import prepare_keras, write_seeded_keras_bundle

SEED = 7


def build() -> Any:
    """The layers."""
    prepare_keras()
    import keras

    return keras.Sequential(
        [
            keras.Input((12, 3), batch_size=1, name="x"),
            keras.layers.GRU(12, return_sequences=True, reset_after=True, name="gru_after"),
            keras.layers.GRU(8, reset_after=False, name="gru_before"),
            keras.layers.Dense(2, name="dense"),
        ],
        name="gru",
    )


if __name__ == "__main__":
    print(write_seeded_keras_bundle(Path(__file__).resolve().parent, build(), SEED).hex())
