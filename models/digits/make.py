"""Make this bundle: train an LSTM that reads handwritten digits row by row.

    python models/digits/make.py

The data is scikit-learn's load_digits (1,797 images of 8 x 8 pixels with 17 grey values; UCI, "Optical Recognition of
Handwritten Digits", CC BY 4.0), so nothing is downloaded. Same versions of tensorflow and keras, same kind of CPU: the
same model, byte for byte. Needs the `train` extra: pip install 'hil-harness[train]'.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from harness.model.bundle_make import prepare_keras, write_keras_bundle

HERE = Path(__file__).resolve().parent
SEED = 1
EPOCHS = 40
# Of the 450 test images, this many are the bundle's vectors: enough for a confusion matrix, few enough for an AVR.
VECTORS = 150


def build() -> Any:
    """The layers, with fresh weights."""
    import keras

    return keras.Sequential(
        [
            keras.Input((8, 8), batch_size=1, name="rows"),
            keras.layers.LSTM(32, name="lstm"),
            keras.layers.Dense(10, activation="softmax", name="dense"),
        ],
        name="digits",
    )


def main() -> int:
    """From the data set to the bundle."""
    prepare_keras()
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, labels = load_digits(return_X_y=True)
    rows = (images / 16).astype(np.float32).reshape(-1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(rows, labels, test_size=450, random_state=42, stratify=labels)
    x = keras.Input((8, 8))
    inner = build()
    trained = keras.Sequential([x, *[type(layer).from_config(layer.get_config()) for layer in inner.layers]])
    trained.compile(optimizer=keras.optimizers.Adam(4e-3), loss="sparse_categorical_crossentropy")
    trained.fit(train_x, train_y, epochs=EPOCHS, batch_size=32, verbose=0)
    inner.set_weights(trained.get_weights())
    for what, inputs, truth in (("train", train_x, train_y), ("test", test_x, test_y)):
        guesses = trained(inputs, training=False).numpy().argmax(axis=1)
        print(f"{what}: {len(truth)} images, accuracy {np.mean(guesses == truth):.4f}")
    digest = write_keras_bundle(HERE, inner, {"rows": test_x[:VECTORS]}, labels=test_y[:VECTORS].astype(np.int64))
    print(f"model.keras sha256 {digest.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
