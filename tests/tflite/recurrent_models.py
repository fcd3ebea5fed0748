"""Keras models with recurrent layers, as files: `python -m tests.tflite.recurrent_models FOLDER SEED COUNT`.

Writes the plain ones (gru, simple, stateful, states, masked) and COUNT random ones (SEED, SEED + 1, ...),
each as NAME.keras with its vectors in NAME.npz.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

VECTORS = 6


def plain(keras: Any) -> dict[str, Any]:
    """One model for each kind of layer that has no fused operator."""
    layers, states = keras.layers, keras.Input((4, 2), name="steps")
    sequence, *last = layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")(states)
    again = layers.GRU(3, name="gru")(sequence, initial_state=last[0])
    return {
        "gru": keras.Sequential([keras.Input((None, 2)), layers.GRU(4, name="gru"), layers.Dense(1)]),
        "simple": keras.Sequential([keras.Input((6, 3)), layers.SimpleRNN(5, return_sequences=True, name="an rnn")]),
        "stateful": keras.Sequential([keras.Input((4, 2), batch_size=1), layers.GRU(3, stateful=True, name="gru")]),
        "states": keras.Model(states, [again, *last]),
        "masked": keras.Sequential([keras.Input((4, 2)), layers.Masking(0.0, name="mask"), layers.GRU(3)]),
    }


def main(folder: Path, first: int, count: int) -> None:
    """Writes them all."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    import keras

    from tests.engine_rnn.keras_models import Maker, randomise, vectors_for

    for name, model in plain(keras).items():
        rng = np.random.default_rng(len(name))
        randomise(model, rng)
        model.save(folder / f"{name}.keras")
        (shape,) = (tensor.shape[1:] for tensor in model.inputs)
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(VECTORS, shape[0] or 7, shape[1])).astype(np.float32))
    for seed in range(first, first + count):
        keras.utils.clear_session()
        maker = Maker(keras, seed)
        model = maker.make()
        randomise(model, maker.rng)
        model.save(folder / f"{seed}.keras")
        arrays = vectors_for(model, maker.rng)
        np.savez(folder / f"{seed}.npz", **{t.name: a for t, a in zip(model.inputs, arrays, strict=True)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
