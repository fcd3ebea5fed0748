"""Vectors that have lengths of their own: the length travels with the vector, as one more input of the model.

A vectors file with an array "lengths" adds that input, one whole number a vector, and a layer behind the model's own
input that masks every step from there on, as Keras' `model(x, mask=...)` does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.compare.metrics import Array
from harness.errors import UsageError
from harness.model.graph import FloatArray, LayerSpec, ModelGraph

NAME = "lengths"
MASK_KIND = "LengthMask"
_MASK_NAME = "lengths mask"  # no layer of Keras has a blank in its name


def with_lengths(graph: ModelGraph) -> ModelGraph:
    """The graph of a model with one input (steps, features), for vectors with lengths."""
    ((source, shape),) = graph.inputs.items()
    mask = LayerSpec(_MASK_NAME, MASK_KIND, {}, {}, (source, NAME), shape)
    readers = tuple(
        replace(layer, inputs=tuple(_MASK_NAME if name == source else name for name in layer.inputs))
        for layer in graph.layers
    )
    return replace(graph, inputs={source: shape, NAME: (1,)}, layers=(mask, *readers))


def lengths_of(where: str, lengths: Array, vectors: FloatArray) -> FloatArray:
    """The lengths of `vectors` (N, steps, features), checked: (N, 1) float32, whole numbers from 1 to `steps`.

    Raises:
        UsageError: they are not that, or the vectors have no steps; names the first wrong one.
    """
    if vectors.ndim != 3:
        raise UsageError(f"{where}: vectors of shape {vectors.shape[1:]} have no time steps that a length could count")
    count, steps = vectors.shape[:2]
    if lengths.shape not in ((count,), (count, 1)):
        raise UsageError(f"{where}: lengths of shape {lengths.shape} for {count} vectors", hint="one number a vector")
    if lengths.dtype.kind not in "iuf":
        raise UsageError(f"{where}: lengths are of type {lengths.dtype}, not whole numbers")
    values = lengths.reshape(count).astype(np.float64)
    bad = ~((values >= 1) & (values <= steps) & (values == np.floor(values)))
    if bad.any():
        index = int(np.argmax(bad))
        raise UsageError(
            f"{where}: the length of vector {index} is {values[index]:g}, not a whole number from 1 to {steps}"
        )
    return values.astype(np.float32)[:, np.newaxis]
