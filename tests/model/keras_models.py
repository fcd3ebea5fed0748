"""Builds the Keras models of the tests: `python -m tests.model.keras_models FOLDER`. Only this imports Keras."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


@keras.saving.register_keras_serializable("hil-tests")
class Doubled(layers.Layer):
    """A layer that Keras can't find when another process loads the model."""

    def call(self, inputs: object) -> object:
        return inputs * 2  # type: ignore[operator]


def two_inputs_two_outputs() -> keras.Model:
    """Functional: a Dense layer used twice, after a GRU and on its own, and the cell state of an LSTM as an output."""
    sequence = keras.Input((4, 2), name="sequence")
    extra = keras.Input((3,), name="extra")
    shared = layers.Dense(3, activation="tanh", name="shared")
    hidden = layers.GRU(3, name="gru")(sequence)
    joined = layers.Add(name="sum")([shared(hidden), shared(extra)])
    _, _, cell = layers.LSTM(2, return_state=True, name="lstm")(sequence)
    return keras.Model([sequence, extra], [layers.Dense(3, activation="softmax", name="classes")(joined), cell])


def any_length() -> keras.Model:
    """Bidirectional LSTM over sequences of any length."""
    return keras.Sequential(
        [
            keras.Input((None, 2), name="steps"),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
            layers.RNN(layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(4)]), name="stack"),
        ]
    )


def counter() -> keras.Model:
    """Stateful: adds up its inputs for as long as its state is kept."""
    model = keras.Sequential(
        [
            keras.Input((1, 1), batch_size=1),
            layers.SimpleRNN(1, activation="linear", use_bias=False, stateful=True),
        ]
    )
    model.layers[0].set_weights([np.ones((1, 1)), np.ones((1, 1))])
    return model


def sensor() -> keras.Model:
    """Two features far from zero and of small spread, normalised by the model itself."""
    normalization = layers.Normalization(name="norm")
    normalization.adapt(np.random.default_rng(2).normal([1013.25, -40.0], [0.5, 0.01], (500, 2)))
    return keras.Sequential([keras.Input((4, 2)), normalization, layers.LSTM(3), layers.Dense(1)])


def freely_named() -> keras.Model:
    """Functional, with names no TensorFlow graph takes."""
    sequence = keras.Input((4, 2), name="my input")
    hidden = layers.LSTM(3, name="première couche")(sequence)
    return keras.Model(sequence, layers.Dense(1, name="_out, °C")(hidden), name="my model")


def main(folder: Path) -> None:
    """Write the models, and Keras' own predictions for one set of inputs."""
    keras.utils.set_random_seed(1)
    two = two_inputs_two_outputs()
    two.save(folder / "two.keras")
    random = np.random.default_rng(1)
    sequence, extra = random.normal(size=(5, 4, 2)).astype("f4"), random.normal(size=(5, 3)).astype("f4")
    classes, cell = two.predict([sequence, extra], verbose=0)
    np.savez(folder / "two.npz", sequence=sequence, extra=extra)
    np.savez(folder / "two_expected.npz", classes=classes, cell=cell)
    any_length().save(folder / "any.keras")
    counter().save(folder / "counter.keras")
    sensor().save(folder / "sensor.keras")
    freely_named().save(folder / "named.keras")
    counter().save(folder / "counter.h5")
    for name in ("a:b", "a@1"):
        keras.Sequential([keras.Input((3,)), layers.Dense(1, name=name)]).save(folder / f"{name}.keras")
    keras.Sequential([keras.Input((3,)), Doubled()]).save(folder / "custom.keras")
    keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x + 1)]).save(folder / "lambda.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
