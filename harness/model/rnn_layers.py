"""Layers without recurrent state, one function each: it adds the layer's ops to the builder and names its output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import LayerSpec
from harness.model.rnn_builder import Builder, Mask, Unknown, Value
from harness.model.rnn_scale import add_batch_normalization, add_rescaling
from harness.model.rnn_settings import (
    ACTIVATIONS,
    activation_of,
    bias_of,
    check_limit,
    refuse_settings,
    units_of,
    weight_of,
)
from harness.model.rnn_weights import affine_block


def add_dense(builder: Builder, index: int, layer: LayerSpec) -> None:
    _dense(builder, index, layer, "")


def _dense(builder: Builder, index: int, layer: LayerSpec, prefix: str) -> None:
    source = builder.source(layer)
    refuse_settings(layer, f"{prefix}lora_rank", f"{prefix}quantization_config")
    outputs = units_of(layer, f"{prefix}units", fmt.MAX_WIDTH)
    steps, inputs = source.steps, source.width
    check_limit(layer, "rows", steps, fmt.MAX_STEPS)
    check_limit(layer, "inputs", inputs, fmt.MAX_WIDTH)
    activation = activation_of(layer, f"{prefix}activation", "linear", ACTIVATIONS)
    kernel, bias = weight_of(layer, "kernel", (inputs, outputs)), bias_of(layer, outputs, prefix)
    weights = affine_block(kernel, bias, first=inputs, int8=builder.int8_weights)
    result = builder.output(layer, (*source.shape[:-1], outputs))
    builder.macs += steps * inputs * outputs
    builder.emit(
        lambda place: fmt.DenseOp(
            layer=index,
            steps=steps,
            inputs=inputs,
            outputs=outputs,
            activation=activation,
            src=place(source),
            dst=place(result),
            weights=weights,
            layout=fmt.Layout.INT8_WEIGHTS if builder.int8_weights else fmt.Layout.FLOAT32,
        ),
        [source, result],
    )
    builder.name(index, layer, result, builder.mask_of(layer))


def add_activation(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    _activate(builder, index, layer, activation_of(layer, f"{prefix}activation", "linear", ACTIVATIONS))


def add_relu(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    config = layer.config
    slope, top = config.get(f"{prefix}negative_slope") or 0.0, config.get(f"{prefix}max_value")
    refuse_settings(layer, f"{prefix}threshold")
    if top is not None and (top != 6.0 or slope):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has max_value={top!r}, negative_slope={slope!r}; "
            "the rnn engine takes max_value=6 with no slope, or none"
        )
    if slope:
        _activate(builder, index, layer, fmt.Activation.LEAKY_RELU, float(str(slope)))
    else:
        _activate(builder, index, layer, fmt.Activation.RELU6 if top is not None else fmt.Activation.RELU)


def add_leaky_relu(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    slope = layer.config.get(f"{prefix}negative_slope", 0.3)
    _activate(builder, index, layer, fmt.Activation.LEAKY_RELU, float(str(slope)))


def add_elu(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    _activate(builder, index, layer, fmt.Activation.ELU, float(str(layer.config.get(f"{prefix}alpha", 1.0))))


def add_softmax(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    if layer.config.get(f"{prefix}axis", -1) not in (-1, len(builder.source(layer).shape)):
        raise UsageError(
            f"layer {layer.name!r} (Softmax) has axis={layer.config[f'{prefix}axis']}; it must be the last"
        )
    if builder.mask_of(layer) is not None:
        raise UsageError(f"layer {layer.name!r} (Softmax) reads a masked tensor, which the rnn engine does not support")
    _activate(builder, index, layer, fmt.Activation.SOFTMAX)


def _activate(
    builder: Builder, index: int, layer: LayerSpec, activation: fmt.Activation, alpha: float = math.nan
) -> None:
    source = builder.source(layer)
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
    if math.isnan(alpha):
        alpha = 0.2 if activation is fmt.Activation.LEAKY_RELU else 1.0  # what Keras takes for the bare name
    result = builder.output(layer, source.shape)
    builder.emit(
        lambda place: fmt.ActivationOp(
            layer=index,
            steps=source.steps,
            width=source.width,
            activation=activation,
            src=place(source),
            dst=place(result),
            src_stride=source.width,
            dst_stride=source.width,
            alpha=alpha,
        ),
        [source, result],
    )
    builder.name(index, layer, result, builder.mask_of(layer))


def add_masking(builder: Builder, index: int, layer: LayerSpec) -> None:
    source = builder.source(layer)
    if len(source.shape) != 2:
        raise UsageError(f"layer {layer.name!r} (Masking) reads shape {source.shape}, not (steps, features)")
    value = layer.config.get("mask_value", 0.0)
    if not isinstance(value, int | float):
        raise UsageError(f"layer {layer.name!r} (Masking) has mask_value={value!r}; the rnn engine takes one number")
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
    result = builder.output(layer, source.shape)
    mask = builder.scratch(-(-source.steps // 4))
    builder.mask_sources[mask] = layer.inputs[0]
    builder.emit(
        lambda place: fmt.MaskOp(
            layer=index,
            steps=source.steps,
            width=source.width,
            value=float(value),
            src=place(source),
            dst=place(result),
            mask=place(mask),
        ),
        [source, result, mask],
    )
    builder.name(index, layer, result, mask)


def add_length_mask(builder: Builder, index: int, layer: LayerSpec) -> None:
    """The layer `harness.model.lengths` adds: the values stay as they are, and get a mask."""
    source, length = builder.sources(layer)
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    mask = builder.scratch(-(-source.steps // 4))
    builder.mask_sources[mask] = layer.name
    builder.emit(
        lambda place: fmt.LengthMaskOp(layer=index, steps=source.steps, length=place(length), mask=place(mask)),
        [length, mask],
    )
    builder.name(index, layer, source, mask)


_MERGES: Mapping[str, fmt.MergeMode] = {
    "Add": fmt.MergeMode.ADD,
    "Average": fmt.MergeMode.ADD,
    "Maximum": fmt.MergeMode.MAXIMUM,
    "Minimum": fmt.MergeMode.MINIMUM,
    "Multiply": fmt.MergeMode.MULTIPLY,
    "Subtract": fmt.MergeMode.SUBTRACT,
}


def add_merge(builder: Builder, index: int, layer: LayerSpec) -> None:
    """Two or more tensors of one shape, element by element, in the order in which they are listed."""
    values = builder.sources(layer)
    if len(values) < 2 or len({value.shape for value in values}) != 1:
        shapes = [value.shape for value in values]
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) merges shapes {shapes}; the rnn engine merges equal shapes"
        )
    result = builder.output(layer, values[0].shape)
    so_far = values[0]
    for number, value in enumerate(values[1:], 2):
        divisor = float(len(values)) if layer.kind == "Average" and number == len(values) else 1.0
        _merge(builder, index, _MERGES[layer.kind], divisor, so_far, value, result)
        so_far = result
    builder.name(index, layer, result, _merged_mask(builder, layer))


def _merge(
    builder: Builder, index: int, mode: fmt.MergeMode, divisor: float, one: Value, other: Value, result: Value
) -> None:
    builder.emit(
        lambda place: fmt.MergeOp(
            layer=index,
            count=result.count,
            mode=mode,
            divisor=divisor,
            a=place(one),
            b=place(other),
            dst=place(result),
        ),
        [one, other, result],
    )


def _merged_mask(builder: Builder, layer: LayerSpec) -> Mask:
    return None if all(builder.masks.get(name) is None for name in layer.inputs) else Unknown()


def add_concatenate(builder: Builder, index: int, layer: LayerSpec) -> None:
    values = builder.sources(layer)
    ndim = len(values[0].shape)
    if layer.config.get("axis", -1) not in (-1, ndim):
        raise UsageError(
            f"layer {layer.name!r} (Concatenate) has axis={layer.config['axis']}; the rnn engine joins the last axis"
        )
    if len({value.shape[:-1] for value in values}) != 1:
        raise UsageError(f"layer {layer.name!r} (Concatenate) joins shapes {[value.shape for value in values]}")
    width = sum(value.width for value in values)
    check_limit(layer, "rows", values[0].steps, fmt.MAX_STEPS)
    check_limit(layer, "features", width, fmt.MAX_WIDTH)
    result = builder.output(layer, (*values[0].shape[:-1], width))
    at = 0
    for value in values:
        _copy_rows(builder, index, value, result.shaped(result.shape, skip_floats=at), value.width, width)
        at += value.width
    builder.name(index, layer, result, _merged_mask(builder, layer))


def _copy_rows(builder: Builder, index: int, source: Value, result: Value, src_stride: int, dst_stride: int) -> None:
    builder.emit(
        lambda place: fmt.ActivationOp(
            layer=index,
            steps=result.steps,
            width=source.width,
            activation=fmt.Activation.LINEAR,
            src=place(source),
            dst=place(result),
            src_stride=src_stride,
            dst_stride=dst_stride,
        ),
        [source, result],
    )


def add_repeat_vector(builder: Builder, index: int, layer: LayerSpec) -> None:
    source = builder.source(layer)
    times = units_of(layer, "n", fmt.MAX_STEPS)
    if len(source.shape) != 1:
        raise UsageError(f"layer {layer.name!r} (RepeatVector) reads shape {source.shape}, not (features,)")
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
    result = builder.output(layer, (times, source.width))
    _copy_rows(builder, index, source, result, 0, source.width)
    builder.name(index, layer, result, None)


def add_nothing(builder: Builder, index: int, layer: LayerSpec, prefix: str = "") -> None:
    builder.name(index, layer, builder.source(layer), builder.mask_of(layer))


def add_reshape(builder: Builder, index: int, layer: LayerSpec) -> None:
    """Flatten and Reshape: rows follow each other in memory as they do in Keras, so only the shape changes."""
    source = builder.source(layer)
    if layer.config.get("data_format") == "channels_first":
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has data_format='channels_first', "
            "which the rnn engine does not support"
        )
    count = source.count
    shape = (count,) if layer.kind == "Flatten" else layer.output_shape
    if 0 in shape and shape.count(0) == 1:  # a length the model leaves open
        shape = tuple(size or count // math.prod(other for other in shape if other) for size in shape)
    if math.prod(shape) != count:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) turns {count} numbers into shape {shape}")
    if not 1 <= len(shape) <= fmt.MAX_DIMS:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has shape {shape}; the rnn engine takes 1 to {fmt.MAX_DIMS}"
        )
    builder.name(index, layer, source.shaped(shape), None)


def add_cropping(builder: Builder, index: int, layer: LayerSpec) -> None:
    """Cropping1D: the steps that stay follow each other in memory already."""
    source = builder.source(layer)
    cropping = layer.config.get("cropping")
    if len(source.shape) != 2 or not isinstance(cropping, tuple | list) or len(cropping) != 2:
        raise UsageError(f"layer {layer.name!r} (Cropping1D) has cropping={cropping!r} on shape {source.shape}")
    first, last = int(cropping[0]), source.shape[0] - int(cropping[1])
    if not 0 <= first < last <= source.shape[0]:
        raise UsageError(f"layer {layer.name!r} (Cropping1D) leaves no steps of {source.shape[0]}")
    rows = source.shaped((last - first, source.width), skip_floats=first * source.width)
    builder.name(index, layer, rows, None)


def add_input(builder: Builder, index: int, layer: LayerSpec) -> None:
    if layer.name not in builder.graph.inputs:
        add_nothing(builder, index, layer)


_PER_STEP = {
    "Activation": add_activation,
    "BatchNormalization": add_batch_normalization,
    "Dense": _dense,
    "Dropout": add_nothing,
    "ELU": add_elu,
    "LeakyReLU": add_leaky_relu,
    "ReLU": add_relu,
    "Rescaling": add_rescaling,
    "Softmax": add_softmax,
}


def add_time_distributed(builder: Builder, index: int, layer: LayerSpec) -> None:
    """A layer on each step: these work on the last axis alone, so rows are rows."""
    kind = str(layer.config.get("layer.kind"))
    add = _PER_STEP.get(kind)
    source = builder.source(layer)
    if add is None or len(source.shape) < 2:
        raise UsageError(
            f"layer {layer.name!r} is a TimeDistributed {kind} on shape {source.shape}, "
            "which the rnn engine does not support",
            hint=f"supported within TimeDistributed: {', '.join(sorted(_PER_STEP))}",
        )
    axis = layer.config.get("layer.axis")
    if isinstance(axis, int) and axis > 0:  # counted without the steps
        layer = replace(layer, config={**layer.config, "layer.axis": axis + 1})
    add(builder, index, layer, "layer.")
