"""The structure of a .tflite as a `ModelGraph`: operators in the place of layers, without weights."""

from __future__ import annotations

import math
import re

from harness.model.graph import LayerSpec, ModelGraph
from harness.model.tflite_read import TfliteModel, TfliteOperator, TfliteTensor

# What TensorFlow's SavedModel exporter puts around the name the user gave.
_EXPORTER_WORDS = re.compile(r"^serving_default_|:\d+$")
_NUMBERS = ("FLOAT32", "FLOAT16", "INT8", "INT16", "UINT8")


def input_shapes(model: TfliteModel) -> dict[str, tuple[int, ...]]:
    """Name -> shape without the batch dimension, in the model's order; names are made unique and never empty."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, tensor in enumerate(model.inputs):
        name = _EXPORTER_WORDS.sub("", tensor.name) or f"input_{index}"
        shapes[f"{name}_{index}" if name in shapes else name] = tensor.shape[1:]
    return shapes


def describe(model: TfliteModel, *, sha256: bytes, framework: str, notes: tuple[str, ...] = ()) -> ModelGraph:
    """The main subgraph.

    Args:
        model: what was read.
        sha256: of the .tflite, 32 bytes.
        framework: what computed the golden outputs.
        notes: likewise.
    """
    inputs = input_shapes(model)
    makers = dict(zip(model.main.inputs, inputs, strict=True))
    layers = []
    for index, op in enumerate(model.main.operators):
        name = f"{index}_{op.name}"
        sources = tuple(makers[tensor] for tensor in op.inputs if tensor in makers)
        shape = model.main.tensors[op.outputs[0]].shape[1:] if op.outputs else ()
        layers.append(LayerSpec(name, op.name, {"version": op.version}, {}, sources, shape))
        makers |= dict.fromkeys(op.outputs, name)
    outputs = tuple(makers.get(tensor, model.main.tensors[tensor].name) for tensor in model.main.outputs)
    return ModelGraph(sha256, framework, inputs, tuple(layers), outputs, notes)


def parameters(model: TfliteModel) -> int:
    """Number of weights: elements of all constant tensors that hold numbers, not shapes or indices."""

    def is_weight(tensor: TfliteTensor) -> bool:
        return tensor.constant_bytes > 0 and (tensor.dtype in _NUMBERS or tensor.scale > 0)

    return sum(math.prod(tensor.shape) for graph in model.subgraphs for tensor in graph.tensors if is_weight(tensor))


def ends_in_softmax(model: TfliteModel) -> bool:
    """Whether an output is a softmax's, as classifiers have it; a quantised one may be converted back after it."""
    makers: dict[int, TfliteOperator] = {tensor: op for op in model.main.operators for tensor in op.outputs}
    for tensor in model.main.outputs:
        op = makers.get(tensor)
        while op is not None and op.name in ("DEQUANTIZE", "QUANTIZE", "RESHAPE") and op.inputs:
            op = makers.get(op.inputs[0])
        if op is not None and op.name == "SOFTMAX":
            return True
    return False
