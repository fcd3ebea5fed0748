"""Layers in integers throughout: scales and weights for the rnn engine's int8 ops (rnn_format.h: the equations)."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import FloatArray, LayerSpec
from harness.model.rnn_builder import Builder, Integers, Value
from harness.model.rnn_calibrate import Ranges, cell_bits
from harness.model.rnn_settings import ACTIVATIONS, activation_of, bias_of, check_limit, units_of, weight_of

_ROW = struct.Struct("<4iBBH")
_Q12 = 4096.0
_Q15 = 32768.0
_Flag = fmt.RecurrentFlag


def fixed_point(factor: float) -> tuple[int, int]:
    """(multiplier, shift) with multiplier / 2^shift nearest to `factor`; multiplier below 2^31, shift 1 to 62."""
    if factor <= 0.0:
        return 0, 1
    fraction, exponent = math.frexp(factor)
    multiplier, shift = round(fraction * (1 << 31)), 31 - exponent
    if multiplier == 1 << 31:
        multiplier, shift = multiplier >> 1, shift - 1
    while shift > 62:
        multiplier, shift = (multiplier + 1) >> 1, shift - 1
    if shift < 1:
        raise UsageError(f"a scale of {factor:g} is beyond what int8 layers take", hint="scale the model's inputs")
    return multiplier, shift


def add_int8(builder: Builder, index: int, layer: LayerSpec, ranges: Ranges) -> None:
    """Add one layer of those `rnn_calibrate.check_int8` takes."""
    source = builder.source(layer)
    match layer.kind:
        case "LSTM":
            _lstm(builder, index, layer, ranges)
        case "Dense":
            _dense(builder, index, layer, ranges)
        case "Activation":
            _float(builder, index, layer, activation_of(layer, "activation", "linear", ACTIVATIONS), ranges)
        case "ReLU":
            _float(builder, index, layer, fmt.Activation.RELU, ranges)
        case "Softmax":
            _float(builder, index, layer, fmt.Activation.SOFTMAX, ranges)
        case _:
            shape = source.shape
            if layer.kind in ("Flatten", "Reshape"):
                shape = (source.count,) if layer.kind == "Flatten" else layer.output_shape
            if math.prod(shape) != source.count:
                raise UsageError(f"layer {layer.name!r} ({layer.kind}) turns {source.count} numbers into shape {shape}")
            _name(builder, layer.name, source.shaped(shape), builder.integers.get(layer.inputs[0]))


def _name(builder: Builder, name: str, value: Value, how: Integers | None) -> None:
    builder.values[name] = value
    if how is not None:
        builder.integers[name] = how


def _quantised(builder: Builder, index: int, name: str, ranges: Ranges) -> tuple[Value, Integers]:
    """The value in int8, converted by an op of its own if it is float32."""
    value = builder.values[name]
    if name in builder.integers:
        return value, builder.integers[name]
    how = ranges.values[name]
    result = builder.result(name, value.shape, bits=8)
    _convert(builder, index, value, result, how, back=False)
    return result, how


def _convert(builder: Builder, index: int, source: Value, result: Value, how: Integers, *, back: bool) -> None:
    builder.emit(
        lambda place: fmt.QuantiseOp(
            layer=index,
            back=back,
            count=source.count,
            scale=how.scale,
            zero_point=how.zero_point,
            src=place(source),
            dst=place(result),
        ),
        [source, result],
    )


def _float(builder: Builder, index: int, layer: LayerSpec, activation: fmt.Activation, ranges: Ranges) -> None:
    """An activation on float32; the result stays float32."""
    name = layer.inputs[0]
    source = builder.values[name]
    if name in builder.integers:
        source = builder.result(name, source.shape)
        _convert(builder, index, builder.values[name], source, builder.integers[name], back=True)
    _activate(builder, index, layer, source, activation)


def _activate(builder: Builder, index: int, layer: LayerSpec, source: Value, activation: fmt.Activation) -> None:
    result = builder.output(layer, source.shape)
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
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
        ),
        [source, result],
    )
    _name(builder, layer.name, result, None)


def _rows(kernel: FloatArray) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Kernel (inputs, outputs) as int8 rows (outputs, inputs), and the scale of each row."""
    top = np.abs(kernel).max(axis=0).astype(np.float64)
    scale = np.where(top > 0, top / 127.0, 1.0)
    return np.clip(np.rint(kernel / scale), -127, 127).astype(np.int8).T, scale


def _padded(block: bytes) -> bytes:
    return block.ljust(-(-len(block) // 4) * 4, b"\0")


def _lstm(builder: Builder, index: int, layer: LayerSpec, ranges: Ranges) -> None:
    source, how = _quantised(builder, index, layer.inputs[0], ranges)
    units = units_of(layer, "units", fmt.MAX_UNITS)
    steps, inputs = source.shape
    check_limit(layer, "time steps", steps, fmt.MAX_STEPS)
    check_limit(layer, "features", inputs, fmt.MAX_UNITS if how.bits == 8 else fmt.MAX_WIDE_INPUTS)
    w, w_scale = _rows(weight_of(layer, "kernel", (inputs, 4 * units)))
    u, u_scale = _rows(weight_of(layer, "recurrent_kernel", (units, 4 * units)))
    bias = np.clip(np.rint(bias_of(layer, 4 * units) * _Q12), -32768, 32767).astype(int)
    out = ranges.values[layer.name]
    rows, weights = b"", b""
    for j in range(4 * units):
        x_multiplier, x_shift = fixed_point(how.scale * w_scale[j] * _Q12)
        h_multiplier, h_shift = fixed_point(out.scale * u_scale[j] * _Q12)
        start = -how.zero_point * int(w[j].astype(int).sum())
        rows += _ROW.pack(start, int(bias[j]), x_multiplier, h_multiplier, x_shift, h_shift, 0)
        weights += w[j].tobytes() + u[j].tobytes()
    multiplier, shift = fixed_point(1.0 / (_Q15 * out.scale))
    sequences = bool(layer.config.get("return_sequences", False))
    result = builder.result(layer.name, (steps, units) if sequences else (units,), bits=8)
    h = builder.state(f"{layer.name}/h", -(-units // 4))
    c = builder.state(f"{layer.name}/c", -(-units // 2))
    z = builder.scratch(2 * units)
    flags = _Flag.RETURN_SEQUENCES if sequences else _Flag.NONE
    if layer.config.get("go_backwards"):
        flags |= _Flag.GO_BACKWARDS
    if how.bits == 16:
        flags |= _Flag.WIDE_INPUTS
    builder.macs += steps * 4 * units * (inputs + units)
    builder.emit(
        lambda place: fmt.LstmInt8Op(
            layer=index,
            flags=flags,
            steps=steps,
            inputs=inputs,
            units=units,
            cell_bits=cell_bits(ranges.cells[layer.name]),
            h_shift=shift,
            h_multiplier=multiplier,
            src=place(source),
            dst=place(result),
            h=place(h),
            c=place(c),
            z=place(z),
            weights=rows + _padded(weights),
        ),
        [source, result, h, c, z],
    )
    _name(builder, layer.name, result, out)


def _dense(builder: Builder, index: int, layer: LayerSpec, ranges: Ranges) -> None:
    source, how = _quantised(builder, index, layer.inputs[0], ranges)
    outputs = units_of(layer, "units", fmt.MAX_WIDTH)
    steps, inputs = source.steps, source.width
    check_limit(layer, "rows", steps, fmt.MAX_STEPS)
    check_limit(layer, "inputs", inputs, fmt.MAX_WIDTH)
    activation = activation_of(layer, "activation", "linear", ACTIVATIONS)
    w, w_scale = _rows(weight_of(layer, "kernel", (inputs, outputs)))
    biases = bias_of(layer, outputs)
    out = ranges.values[f"{layer.name}:sums"]
    rows = b""
    for j in range(outputs):
        multiplier, shift = fixed_point(how.scale * w_scale[j] / out.scale)
        start = -how.zero_point * int(w[j].astype(int).sum())
        bias = max(-(1 << 30), min(1 << 30, round(float(biases[j]) / (how.scale * w_scale[j]))))
        rows += _ROW.pack(start, bias, multiplier, 0, shift, 1, 0)
    plain = activation in (fmt.Activation.LINEAR, fmt.Activation.RELU)
    result = builder.result(layer.name, (*source.shape[:-1], outputs), bits=8)
    builder.macs += steps * inputs * outputs
    builder.emit(
        lambda place: fmt.DenseInt8Op(
            layer=index,
            steps=steps,
            inputs=inputs,
            outputs=outputs,
            zero_point=out.zero_point,
            lowest=out.zero_point if activation is fmt.Activation.RELU else -128,
            src=place(source),
            dst=place(result),
            weights=rows + _padded(w.tobytes()),
        ),
        [source, result],
    )
    if plain:
        _name(builder, layer.name, result, out)
        return
    wide = builder.output(layer, result.shape)
    _convert(builder, index, result, wide, out, back=True)
    _activate(builder, index, layer, wide, activation)
