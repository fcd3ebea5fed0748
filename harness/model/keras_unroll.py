"""A Keras model with its time steps spelled out, as .tflite. Runs in the worker process, on Keras objects.

TFLiteConverter turns a recurrent layer into a WHILE loop, which TensorFlow Lite for Microcontrollers runs wrong
(https://github.com/tensorflow/tflite-micro/issues/3674). Rebuilt with `unroll=True` and a fixed batch of 1 the model is
plain arithmetic without state, which it runs right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any  # Keras and TensorFlow ship no types.

import numpy as np

from harness.model.graph import FloatArray


def rebuild(keras: Any, model: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The model for one vector at a time, every recurrent layer unrolled and stateless; the same weights.

    Args:
        model: a Sequential or functional model.
        shapes: input name -> shape of one vector.
    """
    config = _unrolled(model.get_config())
    if type(model).__name__ == "Sequential":
        # Its input may have been left to the first call; from here on it is fixed.
        layers = [layer for layer in config["layers"] if layer["class_name"] != "InputLayer"]
        ((name, shape),) = shapes.items()
        tensor = keras.Input(batch_shape=(1, *shape), dtype=model.inputs[0].dtype, name=name)
        copy = keras.Sequential([tensor, *map(keras.layers.deserialize, layers)], name=model.name)
    else:
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer":
                layer["config"]["batch_shape"] = (1, *shapes[layer["config"]["name"]])
        copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def _unrolled(value: Any) -> Any:
    """A configuration with `unroll` set wherever a layer has that setting, in wrappers and models within too."""
    if isinstance(value, dict):
        copy = {key: _unrolled(item) for key, item in value.items()}
        if "unroll" in copy and "return_sequences" in copy:
            # A stateful layer starts from zero here, as after a reset.
            copy |= {"unroll": True, "stateful": False}
        return copy
    if isinstance(value, list | tuple):
        return type(value)(_unrolled(item) for item in value)
    return value


def to_tflite(
    tf: Any, model: Any, shapes: Mapping[str, tuple[int, ...]], calibration: Sequence[FloatArray] | None
) -> bytes:
    """What TFLiteConverter makes of a rebuilt model; the same model and versions give the same bytes.

    Args:
        tf: the module tensorflow.
        model: as `rebuild` gives it.
        shapes: input name -> shape of one vector, in the model's order.
        calibration: one float32 array (N, *shape) an input: int8 throughout; None: float32.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [
        tf.TensorSpec((1, *shape), tensor.dtype, name=f"input_{index}")
        for index, (shape, tensor) in enumerate(zip(shapes.values(), model.inputs, strict=True))
    ]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def compute(*tensors: Any) -> Any:
        return tf.nest.flatten(model(list(tensors) if len(tensors) > 1 else tensors[0], training=False))

    # Frozen: left as variables, the weights would be resources that an initialiser has to fill, which TFLM lacks.
    frozen = convert_variables_to_constants_v2(compute.get_concrete_function(), lower_control_flow=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _one_by_one(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        # The new one gives other bytes from one process to the next (TensorFlow 2.21).
        converter.experimental_new_quantizer = False
    return bytes(converter.convert())


def _one_by_one(calibration: Sequence[FloatArray]) -> Iterator[list[FloatArray]]:
    for index in range(len(calibration[0])):
        yield [np.asarray(array[index : index + 1], np.float32) for array in calibration]
