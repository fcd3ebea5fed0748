"""Makes fixtures/while_lstm.*: what TFLiteConverter makes of a stacked Keras 3 LSTM by default, and what is right.

Run by hand where TensorFlow is installed: `python -m tests.tflite.make_while_fixture`. The weights are drawn from a
seed, not trained, so the same versions make the same file.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures"
UNITS = 8
TIMESTEPS = 3
VECTORS = 8


def main() -> None:
    """Writes the model, and an npz with inputs and the outputs of Keras and of full TensorFlow Lite."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    model = keras.Sequential(
        [
            keras.Input((TIMESTEPS, 1), batch_size=1),
            # Only a layer that returns its sequence grows a tensor in the loop, which is what goes wrong.
            keras.layers.LSTM(UNITS, return_sequences=True, name="lstm_1"),
            keras.layers.LSTM(UNITS, name="lstm_2"),
            keras.layers.Dense(1, name="dense"),
        ]
    )
    random = np.random.default_rng(7)
    model.set_weights([random.normal(0, 0.7, w.shape).astype(np.float32) for w in model.get_weights()])
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()

    inputs = random.normal(0, 1.5, (VECTORS, TIMESTEPS, 1)).astype(np.float32)
    keras_outputs = np.concatenate([np.asarray(model(x[np.newaxis])) for x in inputs])
    interpreter = tf.lite.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    tflite_outputs = []
    for x in inputs:
        interpreter.reset_all_variables()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[np.newaxis])
        interpreter.invoke()
        tflite_outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])

    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / "while_lstm.tflite").write_bytes(data)
    np.savez(
        FIXTURES / "while_lstm.npz",
        inputs=inputs,
        keras=keras_outputs,
        tflite=np.asarray(tflite_outputs, np.float32),
        versions=np.array([f"tensorflow {tf.__version__}", f"keras {keras.__version__}"]),
    )


if __name__ == "__main__":
    main()
