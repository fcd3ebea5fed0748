"""Between a model's real numbers and the integers a quantised tensor holds: real = scale * (stored - zero_point)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import FloatArray
from harness.protocol.messages import TensorSpec

StoredArray = NDArray[np.generic]


def quantise(values: FloatArray, spec: TensorSpec) -> StoredArray:
    """Real numbers as the tensor stores them, rounded to nearest (ties to even) and clipped to its range.

    float32 passes through; integers without a scale are rounded.

    Args:
        values: (N, *shape), finite.
        spec: of the tensor.
    """
    dtype = np.dtype(spec.numpy_dtype)
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype)
    limits = np.iinfo(dtype)
    scaled = np.asarray(values, np.float64)
    if spec.scale:
        scaled = scaled / spec.scale + spec.zero_point
    return np.ascontiguousarray(np.clip(np.rint(scaled), limits.min, limits.max).astype(dtype))


def dequantise(stored: StoredArray, spec: TensorSpec) -> FloatArray:
    """Stored integers as real numbers, float32; float32 passes through."""
    if stored.dtype.kind == "f" or not spec.scale:
        return np.asarray(stored, np.float32)
    return np.asarray((stored.astype(np.float64) - spec.zero_point) * spec.scale, np.float32)
