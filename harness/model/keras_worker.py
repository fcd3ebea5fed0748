"""The process that gives a model file to Keras: `python -m harness.model.keras_worker OPTIONS`, started by `golden`.

What OPTIONS may ask for besides golden outputs; all else is as in `worker`:

- no inputs: the model's inputs as JSON, [[name, shape], ...]
- "layers": an npz with the array "layer/<name>" of every layer for one vector
- "unroll" (input name -> shape of one vector, in the model's order): the model with its time steps spelled out as
  .tflite; int8 if stdin has vectors to calibrate with
- "tflite": the npz has the model too, as an array "model" of bytes, and full TensorFlow Lite computes it

Each vector is computed by itself (batch size 1), as a board does it: a golden output then depends on its own vector
alone, to the last bit, and not on what else was in the batch.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn  # Keras ships no types.

import numpy as np
from numpy.typing import NDArray

from harness.compare.metrics import Array
from harness.model import golden_file, keras_graph, keras_unroll, lengths, tflite_graph, tflite_reference
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray, ModelGraph
from harness.model.tflite_read import read_tflite
from harness.model.worker import RefusedError, checked_digest, reason_of, serve, vectors_of

# https://www.tensorflow.org/api_docs/python/tf/Graph#name_scope
_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*")
_NOT_IN_SCOPE = re.compile(r"[^A-Za-z0-9_.\\/-]")


def main(arguments: list[str]) -> NoReturn:
    """Answer one request and end."""
    serve(arguments[0], _answer)


def _answer(options: Mapping[str, Any], request: bytes) -> bytes:
    if options["tflite"]:
        return _answer_of_tflite(options, request)
    digest = checked_digest(options)

    import keras
    import tensorflow as tf

    from harness.model import keras_cells  # noqa: F401  (registers them, so that models with them can be loaded)

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    model = _load(keras, Path(options["model"]))
    if options["inputs"] is None:
        return json.dumps([[tensor.name, tensor.shape[1:]] for tensor in model.inputs]).encode()
    if options.get("unroll"):
        return _unrolled(keras, tf, model, options, request)
    inputs = vectors_of(options, request)
    mask = _mask(inputs.pop(lengths.NAME), inputs) if len(inputs) > len(model.inputs) else None
    inputs = _in_model_order(model, inputs)
    if options.get("layers"):
        return _layer_outputs(keras, tf, model, inputs, mask)
    shapes = {name: array.shape[1:] for name, array in inputs.items()}
    try:
        outputs = _outputs(tf, model, inputs, mask, stateful=options["stateful"])
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(f"Keras can't run the model: {reason_of(error)}") from None
    try:
        layers, output_names = keras_graph.describe(_with_fixed_shapes(keras, model, shapes), shapes)
    except keras_graph.GraphError as error:
        raise RefusedError(str(error), error.hint) from None
    graph = ModelGraph(
        source_sha256=digest,
        framework=f"keras {keras.__version__}",
        inputs=shapes,
        layers=layers,
        outputs=output_names,
        notes=(f"golden outputs by tensorflow {tf.__version__}, one vector at a time",),
    )
    if mask is not None:
        graph = lengths.with_lengths(graph)
    return golden_file.encode(
        Golden(outputs, graph, bytes.fromhex(options["vectors_sha256"]), options["stateful"]),
    )


def _unrolled(keras: Any, tf: Any, model: Any, options: Mapping[str, Any], request: bytes) -> bytes:
    shapes = {str(name): tuple(shape) for name, shape in options["unroll"].items()}
    calibration = tuple(vectors_of(options, request).values()) or None
    try:
        rebuilt = keras_unroll.rebuild(keras, model, shapes)
        with _names_tensorflow_takes(rebuilt):
            return keras_unroll.to_tflite(tf, rebuilt, shapes, calibration)
    except Exception as error:
        raise RefusedError(
            f"the model can't be converted with its time steps unrolled: {reason_of(error)}",
            "run it with --engine rnn, or build it from LSTM and Dense layers",
        ) from None


def _mask(counts: FloatArray, inputs: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
    """(vectors, steps): the steps that count."""
    (vectors,) = inputs.values()
    return np.asarray(np.arange(vectors.shape[1]) < counts, np.bool_)


def _layer_outputs(
    keras: Any, tf: Any, model: Any, inputs: Mapping[str, FloatArray], mask: NDArray[np.bool_] | None
) -> bytes:
    """npz with the first output of every layer for the first vector, recurrent state cleared; no batch dimension."""
    tensors = keras_graph.layer_tensors(model)
    # Uses of a layer in another model are not part of this one: Keras can't reach them from its inputs.
    levels = getattr(model, "_nodes_by_depth", None)  # a Sequential has none, and nothing nested to leave out
    known = levels and {id(tensor) for nodes in levels.values() for node in nodes for tensor in node.output_tensors}
    tensors = {name: tensor for name, tensor in tensors.items() if known is None or id(tensor) in known}
    for layer in _all_layers(model):
        if getattr(layer, "stateful", False):
            layer.reset_state()
    try:
        every = keras.Model(model.inputs, list(tensors.values()))
        batch = model.inputs[0].shape[0] or 1
        rows = [tf.constant(np.repeat(array[:1], batch, axis=0)) for array in inputs.values()]
        masked = None if mask is None else tf.constant(np.repeat(mask[:1], batch, axis=0))
        results = every(rows if len(rows) > 1 else rows[0], training=False, mask=masked)
    except Exception as error:
        raise RefusedError(f"Keras can't show the outputs of its layers: {reason_of(error)}") from None
    stream = io.BytesIO()
    named = zip(tensors, tf.nest.flatten(results), strict=True)
    np.savez(stream, **{f"layer/{name}": np.asarray(tensor, np.float32)[0] for name, tensor in named})
    return stream.getvalue()


def _answer_of_tflite(options: Mapping[str, Any], request: bytes) -> bytes:
    with np.load(io.BytesIO(request), allow_pickle=False) as npz:
        data = npz["model"].tobytes()
    inputs = vectors_of(options, request)

    import tensorflow as tf

    try:
        outputs = tflite_reference.outputs(tf.lite, data, tuple(inputs.values()), stateful=options["stateful"])
    except tflite_reference.RefusedError as error:
        raise RefusedError(f"TensorFlow Lite {error.what}: {reason_of(error)}", "convert the model again") from None
    graph = tflite_graph.describe(
        read_tflite(data),
        sha256=bytes.fromhex(options["model_sha256"]),
        framework=f"tflite {tf.__version__}",
        notes=("golden outputs by full TensorFlow Lite, one vector at a time",),
    )
    return golden_file.encode(
        Golden(outputs, graph, bytes.fromhex(options["vectors_sha256"]), options["stateful"]),
    )


def _load(keras: Any, path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = reason_of(error)
        hint = None
        if "ambda" in reason or "safe_mode" in reason or "unsafe" in reason:
            hint = "the file holds code (a Lambda layer or the like), which is not run; use Keras' own layers instead"
        elif "Could not locate" in reason or "custom" in reason:
            hint = "only Keras' own layers can be loaded; build the model from them"
        raise RefusedError(f"Keras can't load the model: {reason}", hint) from None


def _in_model_order(model: Any, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    if type(model).__name__ == "Sequential" and len(inputs) == 1:
        return dict(inputs)
    names = [tensor.name for tensor in model.inputs]
    if set(names) != set(inputs):
        raise RefusedError(f"Keras calls the model's inputs {', '.join(names)}, its file {', '.join(inputs)}")
    return {name: inputs[name] for name in names}


def _outputs(
    tf: Any, model: Any, inputs: Mapping[str, FloatArray], mask: NDArray[np.bool_] | None, *, stateful: bool
) -> tuple[FloatArray, ...]:
    recurrent = [layer for layer in _all_layers(model) if getattr(layer, "stateful", False)]
    if stateful and not recurrent:
        raise RefusedError("no layer of the model is stateful", "train it with stateful=True, or set stateful = false")
    # A model built for a fixed batch gets the vector that many times; the rows don't depend on each other.
    batch = model.inputs[0].shape[0] or 1

    @tf.function  # type: ignore[untyped-decorator]
    def compute(tensors: Any, mask: Any) -> Any:
        return model(tensors if len(tensors) > 1 else tensors[0], training=False, mask=mask)

    rows: list[list[FloatArray]] = []

    def one(array: Array, index: int) -> Any:
        return tf.constant(np.repeat(array[index : index + 1], batch, axis=0))

    with _names_tensorflow_takes(model):
        for index in range(len(next(iter(inputs.values())))):
            if not stateful:
                for layer in recurrent:
                    layer.reset_state()
            masked = None if mask is None else one(mask, index)
            result = compute([one(array, index) for array in inputs.values()], masked)
            rows.append([np.asarray(tensor, np.float32)[0] for tensor in tf.nest.flatten(result)])
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


@contextmanager
def _names_tensorflow_takes(model: Any) -> Iterator[None]:
    """Keras lets a model or layer be called anything ("my model"); as scopes of a TensorFlow graph few characters may
    stand. What is computed does not depend on names.
    """
    before = [(layer, layer.name) for layer in model._flatten_layers() if not _SCOPE.fullmatch(layer.name)]
    for layer, name in before:
        layer.name = "s" + _NOT_IN_SCOPE.sub("_", name)
    try:
        yield
    finally:
        for layer, name in before:
            layer.name = name


def _all_layers(model: Any) -> Iterator[Any]:
    for layer in model._flatten_layers():
        if layer is not model and hasattr(layer, "reset_state"):
            yield layer


def _with_fixed_shapes(keras: Any, model: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The model; where it leaves lengths open, a copy built for those of the vectors, so that every shape is known."""
    if all(None not in tensor.shape[1:] for tensor in model.inputs):
        return model
    tensors = [
        keras.Input(batch_shape=(tensor.shape[0], *shape), dtype=tensor.dtype, name=name)
        for tensor, (name, shape) in zip(model.inputs, shapes.items(), strict=True)
    ]
    copy = keras.models.clone_model(model, input_tensors=tensors)
    copy.set_weights(model.get_weights())
    return copy


if __name__ == "__main__":
    main(sys.argv[1:])
