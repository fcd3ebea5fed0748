"""Layers that scale and shift each number: batch normalisation at inference, Normalization, Rescaling."""

from __future__ import annotations

import numpy as np

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import FloatArray, LayerSpec
from harness.model.rnn_builder import Builder, Value
from harness.model.rnn_settings import check_limit, weight_of
from harness.model.rnn_weights import float_block

_KERAS_EPSILON = 1e-7  # keras.config.epsilon(), the least deviation that Normalization divides by


def add_batch_normalization(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    """Inference form: one multiply-add a number, from the moving statistics."""
    source = builder.source(layer)
    scale, shift = batch_norm_of(layer, source.width, len(source.shape), prefix)
    result = builder.output(layer, source.shape)
    _scale(builder, index, layer, source, result, scale, shift)
    builder.name(index, layer, result, builder.mask_of(layer))


def batch_norm_of(layer: LayerSpec, width: int, ndim: int, prefix: str = "") -> tuple[FloatArray, FloatArray]:
    """(scale, shift) of a BatchNormalization: y = x * scale + shift, over the last axis of `ndim` (no batch).

    Raises:
        UsageError: it works on another axis.
    """
    config = layer.config
    axis = config.get(f"{prefix}axis", -1)
    if (axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis) not in (-1, ndim):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has axis={axis!r}; the rnn engine normalises the last axis"
        )
    mean, variance = (
        weight_of(layer, name, (width,)).astype(np.float64) for name in ("moving_mean", "moving_variance")
    )
    scale = 1.0 / np.sqrt(variance + float(str(config.get(f"{prefix}epsilon", 1e-3))))
    if config.get(f"{prefix}scale", True):
        scale = scale * weight_of(layer, "gamma", (width,))
    shift = -mean * scale
    if config.get(f"{prefix}center", True):
        shift = shift + weight_of(layer, "beta", (width,))
    return scale.astype(np.float32), shift.astype(np.float32)


def add_normalization(builder: Builder, index: int, layer: LayerSpec) -> None:
    """(x - mean) / deviation as Keras takes it: two ops, as one multiply-add would lose the digits of a large mean."""
    source = builder.source(layer)
    axis = layer.config.get("axis", -1)
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) > 1 or not set(axes) <= {None, -1, len(source.shape)}:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has axis={axis!r}; the rnn engine normalises the last axis, or all"
        )
    mean, variance = (_each(layer, name, source.width) for name in ("mean", "variance"))
    deviation = np.maximum(np.sqrt(variance), np.float32(_KERAS_EPSILON))
    zeros, ones = np.zeros(source.width, np.float32), np.ones(source.width, np.float32)
    result = builder.output(layer, source.shape)
    if layer.config.get("invert", False):
        _scale(builder, index, layer, source, result, deviation, mean)
    else:
        _scale(builder, index, layer, source, result, ones, -mean)
        _scale(builder, index, layer, result, result, (1.0 / deviation.astype(np.float64)).astype(np.float32), zeros)
    builder.name(index, layer, result, builder.mask_of(layer))


def add_rescaling(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    """x * scale + offset; each one number, or one a feature."""
    source = builder.source(layer)
    scale, offset = (_constant(layer, f"{prefix}{name}", source.width) for name in ("scale", "offset"))
    result = builder.output(layer, source.shape)
    _scale(builder, index, layer, source, result, scale, offset)
    builder.name(index, layer, result, builder.mask_of(layer))


def _each(layer: LayerSpec, name: str, width: int) -> FloatArray:
    """A weight with one number a feature; one number in all stands for each."""
    size = layer.weights[name].size if name in layer.weights else width
    return np.broadcast_to(weight_of(layer, name, (1 if size == 1 else width,)), (width,))


def _constant(layer: LayerSpec, key: str, width: int) -> FloatArray:
    value = layer.config.get(key)
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) not in (1, width) or not all(isinstance(number, int | float) for number in numbers):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has {key}={value!r}; the rnn engine takes one number, or {width}"
        )
    return np.broadcast_to(np.array(numbers, np.float32), (width,))


def _scale(
    builder: Builder,
    index: int,
    layer: LayerSpec,
    source: Value,
    result: Value,
    scale: FloatArray,
    shift: FloatArray,
) -> None:
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
    weights = float_block(np.concatenate([scale, shift]))
    builder.macs += source.count
    builder.emit(
        lambda place: fmt.ScaleOp(
            layer=index,
            steps=source.steps,
            width=source.width,
            src=place(source),
            dst=place(result),
            weights=weights,
        ),
        [source, result],
    )
