"""Make this bundle: an LSTM whose gates see the cell state.

    python models/peephole/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model.bundle_make import prepare_keras, write_seeded_keras_bundle

SEED = 20


def build() -> Any:
    """The layers."""
    prepare_keras()
    import keras

    from harness.model.keras_cells import PeepholeLSTMCell

    return keras.Sequential(
        [
            keras.Input((20, 2), batch_size=1, name="x"),
            keras.layers.RNN(PeepholeLSTMCell(10, name="cell"), name="rnn"),
            keras.layers.Dense(1, name="dense"),
        ],
        name="peephole",
    )


if __name__ == "__main__":
    print(write_seeded_keras_bundle(Path(__file__).resolve().parent, build(), SEED).hex())
