"""The process that gives a model file to Keras: `python -m harness.model.keras_worker OPTIONS`, started by `golden`.

stdin: npz with an array "input/<name>" for each input. stdout: a golden file and exit code 0, or a JSON object with
"error" and "hint" and exit code 3. Anything else means it crashed or ran into a limit. Where OPTIONS names no inputs,
the answer is the model's inputs as JSON: [[name, shape], ...]; with "layers", an npz with the array "layer/<name>" of
every layer for one vector. Where it says "tflite", the npz has the model too, as an
array "model" of bytes, and full TensorFlow Lite computes it.

Each vector is computed by itself (batch size 1), as a board does it: a golden output then depends on its own vector
alone, to the last bit, and not on what else was in the batch.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn  # Keras ships no types.

import numpy as np

from harness.model import golden_file, keras_graph, tflite_graph, tflite_reference
from harness.model.golden_file import Golden
from harness.model.graph import FloatArray, ModelGraph
from harness.model.tflite_read import read_tflite

EXIT_REFUSED = 3
PR_SET_PDEATHSIG = 1
REASON_CHARACTERS = 300


class _RefusedError(Exception):
    """The model can't be used: what is wrong, and what to try."""

    def __init__(self, error: str, hint: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


def main(arguments: list[str]) -> NoReturn:
    """Answer one request and end."""
    options = json.loads(arguments[0])
    _limit(options["memory_bytes"], options["cpu_s"], options["parent"])
    # Native code prints to fd 1 as it likes; the answer goes to a descriptor of its own.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        content, code = _answer(options, sys.stdin.buffer.read()), 0
    except _RefusedError as refused:
        content, code = json.dumps({"error": refused.error, "hint": refused.hint}).encode(), EXIT_REFUSED
    with answer:
        answer.write(content)
    # TensorFlow's own exit handlers take a while and have nothing to save.
    os._exit(code)


def _limit(memory_bytes: int, cpu_s: int, parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for what, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 1 << 30),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _answer(options: Mapping[str, Any], request: bytes) -> bytes:
    if options["tflite"]:
        return _answer_of_tflite(options, request)
    path = Path(options["model"])
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    if digest.hex() != options["model_sha256"]:
        raise _RefusedError("the file changed while it was being read", "run again once it is written")

    import keras
    import tensorflow as tf

    from harness.model import keras_cells  # noqa: F401  (registers them, so that models with them can be loaded)

    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    model = _load(keras, path)
    if options["inputs"] is None:
        return json.dumps([[tensor.name, tensor.shape[1:]] for tensor in model.inputs]).encode()
    inputs = _in_model_order(model, _vectors(options, request))
    if options.get("layers"):
        return _layer_outputs(keras, tf, model, inputs)
    shapes = {name: array.shape[1:] for name, array in inputs.items()}
    try:
        outputs = _outputs(tf, model, inputs, options["stateful"])
    except _RefusedError:
        raise
    except Exception as error:
        raise _RefusedError(f"Keras can't run the model: {_reason(error)}") from None
    try:
        layers, output_names = keras_graph.describe(_with_fixed_shapes(keras, model, shapes), shapes)
    except keras_graph.GraphError as error:
        raise _RefusedError(str(error), "use a Sequential or functional model") from None
    graph = ModelGraph(
        source_sha256=digest,
        framework=f"keras {keras.__version__}",
        inputs=shapes,
        layers=layers,
        outputs=output_names,
        notes=(f"golden outputs by tensorflow {tf.__version__}, one vector at a time",),
    )
    return golden_file.encode(
        Golden(outputs, graph, bytes.fromhex(options["vectors_sha256"]), options["stateful"]),
    )


def _layer_outputs(keras: Any, tf: Any, model: Any, inputs: Mapping[str, FloatArray]) -> bytes:
    """npz with the first output of every layer for the first vector, recurrent state cleared; no batch dimension."""
    tensors = keras_graph.layer_tensors(model)
    # Uses of a layer in another model are not part of this one: Keras can't reach them from its inputs.
    known = (
        {id(tensor) for node in model._nodes for tensor in node.output_tensors} if hasattr(model, "_nodes") else None
    )
    tensors = {name: tensor for name, tensor in tensors.items() if known is None or id(tensor) in known}
    for layer in _all_layers(model):
        if getattr(layer, "stateful", False):
            layer.reset_state()
    try:
        every = keras.Model(model.inputs, list(tensors.values()))
        batch = model.inputs[0].shape[0] or 1
        rows = [tf.constant(np.repeat(array[:1], batch, axis=0)) for array in inputs.values()]
        results = every(rows if len(rows) > 1 else rows[0], training=False)
    except Exception as error:
        raise _RefusedError(f"Keras can't show the outputs of its layers: {_reason(error)}") from None
    stream = io.BytesIO()
    named = zip(tensors, tf.nest.flatten(results), strict=True)
    np.savez(stream, **{f"layer/{name}": np.asarray(tensor, np.float32)[0] for name, tensor in named})
    return stream.getvalue()


def _answer_of_tflite(options: Mapping[str, Any], request: bytes) -> bytes:
    with np.load(io.BytesIO(request), allow_pickle=False) as npz:
        data = npz["model"].tobytes()
    inputs = _vectors(options, request)

    import tensorflow as tf

    try:
        outputs = tflite_reference.outputs(tf.lite, data, tuple(inputs.values()), stateful=options["stateful"])
    except tflite_reference.RefusedError as error:
        raise _RefusedError(f"TensorFlow Lite {error.what}: {_reason(error)}", "convert the model again") from None
    graph = tflite_graph.describe(
        read_tflite(data),
        sha256=bytes.fromhex(options["model_sha256"]),
        framework=f"tflite {tf.__version__}",
        notes=("golden outputs by full TensorFlow Lite, one vector at a time",),
    )
    return golden_file.encode(
        Golden(outputs, graph, bytes.fromhex(options["vectors_sha256"]), options["stateful"]),
    )


def _vectors(options: Mapping[str, Any], request: bytes) -> dict[str, FloatArray]:
    with np.load(io.BytesIO(request), allow_pickle=False) as npz:
        return {name: np.asarray(npz[f"input/{name}"], np.float32) for name in options["inputs"]}


def _load(keras: Any, path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = _reason(error)
        hint = None
        if "ambda" in reason or "safe_mode" in reason or "unsafe" in reason:
            hint = "the file holds code (a Lambda layer or the like), which is not run; use Keras' own layers instead"
        elif "Could not locate" in reason or "custom" in reason:
            hint = "only Keras' own layers can be loaded; build the model from them"
        raise _RefusedError(f"Keras can't load the model: {reason}", hint) from None


def _in_model_order(model: Any, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    if type(model).__name__ == "Sequential" and len(inputs) == 1:
        return dict(inputs)
    names = [tensor.name for tensor in model.inputs]
    if set(names) != set(inputs):
        raise _RefusedError(f"Keras calls the model's inputs {', '.join(names)}, its file {', '.join(inputs)}")
    return {name: inputs[name] for name in names}


def _outputs(tf: Any, model: Any, inputs: Mapping[str, FloatArray], stateful: bool) -> tuple[FloatArray, ...]:
    recurrent = [layer for layer in _all_layers(model) if getattr(layer, "stateful", False)]
    if stateful and not recurrent:
        raise _RefusedError("no layer of the model is stateful", "train it with stateful=True, or set stateful = false")
    # A model built for a fixed batch gets the vector that many times; the rows don't depend on each other.
    batch = model.inputs[0].shape[0] or 1

    @tf.function  # type: ignore[untyped-decorator]
    def compute(tensors: Any) -> Any:
        return model(tensors if len(tensors) > 1 else tensors[0], training=False)

    rows: list[list[FloatArray]] = []
    for index in range(len(next(iter(inputs.values())))):
        if not stateful:
            for layer in recurrent:
                layer.reset_state()
        result = compute([tf.constant(np.repeat(array[index : index + 1], batch, axis=0)) for array in inputs.values()])
        rows.append([np.asarray(tensor, np.float32)[0] for tensor in tf.nest.flatten(result)])
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


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


def _reason(error: Exception) -> str:
    """An exception as one printable line."""
    # Keras wraps what went wrong in the whole configuration of the layer it went wrong in.
    text = " ".join(f"{error}".rpartition("Exception encountered:")[2].split()) or type(error).__name__
    text = "".join(c for c in text if c.isprintable())
    return text if len(text) <= REASON_CHARACTERS else text[: REASON_CHARACTERS - 3] + "..."


if __name__ == "__main__":
    main(sys.argv[1:])
