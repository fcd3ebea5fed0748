"""Full TensorFlow Lite, the reference for a model that came converted. Only for the worker process that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any  # TensorFlow ships no types.

import numpy as np

from harness.model.graph import FloatArray
from harness.model.tflite_quantise import dequantise, quantise
from harness.model.tflite_read import read_tflite
from harness.model.tflm_runtime import tensor_spec


class RefusedError(Exception):
    """TensorFlow Lite does not take the model; `what` it could not do, the text is its reason."""

    def __init__(self, what: str, reason: object) -> None:
        super().__init__(str(reason))
        self.what = what


def outputs(lite: Any, data: bytes, inputs: Sequence[FloatArray], *, stateful: bool) -> tuple[FloatArray, ...]:
    """Outputs of every vector by itself.

    Args:
        lite: the module tf.lite.
        data: a well-formed .tflite.
        inputs: one array a model input, float32 (N, *shape without batch); quantised here where the model is.
        stateful: keep recurrent state from each vector to the next; else it starts at zero for each.

    Returns:
        One array a model output, float32 (N, *shape without batch), dequantised.

    Raises:
        RefusedError: it can't load or run the model.
    """
    model = read_tflite(data)
    try:
        # Without XNNPACK, whose sums depend on what the CPU offers.
        plain = lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = lite.Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=plain)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise RefusedError("can't load the model", error) from None
    stored = [quantise(array, tensor_spec(tensor)) for array, tensor in zip(inputs, model.inputs, strict=True)]
    columns: list[list[FloatArray]] = [[] for _ in model.outputs]
    try:
        for index in range(len(inputs[0])):
            if not stateful:
                # An LSTM keeps h and c from one invoke to the next, here as in TFLM.
                interpreter.reset_all_variables()
            for tensor, array, place in zip(model.inputs, stored, interpreter.get_input_details(), strict=True):
                interpreter.set_tensor(place["index"], array[index].reshape(tensor.shape))
            interpreter.invoke()
            for tensor, column, place in zip(model.outputs, columns, interpreter.get_output_details(), strict=True):
                value = np.asarray(interpreter.get_tensor(place["index"]))
                column.append(dequantise(value, tensor_spec(tensor)).reshape(tensor.shape[1:]))
    except (ValueError, RuntimeError) as error:
        raise RefusedError("can't run the model", error) from None
    return tuple(np.stack(column) for column in columns)
