"""From a model graph to the header the rnn engine is built with.

Supported: LSTM, Dense, Activation, ReLU, Softmax, Dropout and its kind, Flatten, Reshape; any wiring of them in which
every layer reads one tensor. What isn't supported is refused by name before anything is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.packed import PackedModel
from harness.model.rnn_builder import Builder, Value
from harness.model.rnn_settings import (
    ACTIVATIONS,
    GATE_ACTIVATIONS,
    activation_of,
    bias_of,
    check_limit,
    refuse_settings,
    units_of,
    weight_of,
)

# Do nothing at inference.
_TRAINING_ONLY = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
)


def pack_rnn(graph: ModelGraph) -> PackedModel:
    """Pack a model for the rnn engine.

    Args:
        graph: float32 model; shapes without the batch dimension, all lengths known.

    Returns:
        The engine's header, the exact arena it needs, and its size and work. Reproducible byte for byte.

    Raises:
        UsageError: a layer or setting the engine has no kernel for (the message names it and lists what is supported),
            or sizes beyond the format's.
    """
    blob, arena_bytes, macs = pack_blob(graph)
    title = f"a {graph.framework} model, SHA-256 {graph.source_sha256.hex()}"
    return PackedModel(
        engine="rnn",
        model_sha256=graph.source_sha256,
        sources={"hil_model.h": fmt.c_header(blob, title=title)},
        arena_bytes=arena_bytes,
        model_bytes=len(blob),
        macs=macs,
    )


def pack_blob(graph: ModelGraph) -> tuple[bytes, int, int]:
    """As `pack_rnn`, down to the blob (rnn_format.py) itself, the arena in bytes and the multiply-accumulates."""
    builder = Builder(graph)
    for index, layer in enumerate(graph.layers):
        kind = layer.kind
        add = _LAYERS.get(kind)
        if add is None:
            raise UsageError(
                f"layer {layer.name!r} is a {kind}, which the rnn engine does not support",
                hint=f"supported layers: {', '.join(sorted(_LAYERS))}",
            )
        add(builder, index, layer)
    return builder.finish()


def _add_lstm(builder: Builder, index: int, layer: LayerSpec) -> None:
    config = layer.config
    refuse_settings(layer, "go_backwards", "return_state", "stateful", "time_major", "zero_output_for_mask")
    source = builder.source(layer)
    units = units_of(layer, "units", fmt.MAX_UNITS)
    if len(source.shape) != 2:
        raise UsageError(f"layer {layer.name!r} (LSTM) reads shape {source.shape}, not (steps, features)")
    steps, inputs = source.shape
    check_limit(layer, "time steps", steps, fmt.MAX_STEPS)
    check_limit(layer, "features", inputs, fmt.MAX_UNITS)
    activation = activation_of(layer, "activation", "tanh", GATE_ACTIVATIONS)
    recurrent_activation = activation_of(layer, "recurrent_activation", "sigmoid", GATE_ACTIVATIONS)
    sequences = bool(config.get("return_sequences", False))
    weights = fmt.lstm_weights(
        weight_of(layer, "kernel", (inputs, 4 * units)),
        weight_of(layer, "recurrent_kernel", (units, 4 * units)),
        bias_of(layer, 4 * units),
    )

    h = builder.state(units)
    c = builder.state(units)
    z = builder.scratch(4 * (units + units % 2))
    if sequences:
        result = builder.result(layer, (steps, units))
    elif layer.name in builder.graph.outputs:
        result = builder.result(layer, (units,))  # not in h: an output must outlive a reset of the state
    else:
        result = h
    builder.ops.append(
        lambda place: fmt.LstmOp(
            layer=index,
            steps=steps,
            inputs=inputs,
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            return_sequences=sequences,
            src=place(source),
            dst=place(result),
            h=place(h),
            c=place(c),
            z=place(z),
            weights=weights,
        )
    )
    builder.values[layer.name] = result
    builder.macs += steps * 4 * units * (inputs + units)


def _add_dense(builder: Builder, index: int, layer: LayerSpec) -> None:
    source = builder.source(layer)
    outputs = units_of(layer, "units", fmt.MAX_WIDTH)
    steps, inputs = source.steps, source.width
    check_limit(layer, "rows", steps, fmt.MAX_STEPS)
    check_limit(layer, "inputs", inputs, fmt.MAX_WIDTH)
    activation = activation_of(layer, "activation", "linear", ACTIVATIONS)
    weights = fmt.dense_weights(weight_of(layer, "kernel", (inputs, outputs)), bias_of(layer, outputs))
    result = builder.result(layer, (*source.shape[:-1], outputs))
    builder.ops.append(
        lambda place: fmt.DenseOp(
            layer=index,
            steps=steps,
            inputs=inputs,
            outputs=outputs,
            activation=activation,
            src=place(source),
            dst=place(result),
            weights=weights,
        )
    )
    builder.values[layer.name] = result
    builder.macs += steps * inputs * outputs


def _add_activation(builder: Builder, index: int, layer: LayerSpec) -> None:
    _activate(builder, index, layer, activation_of(layer, "activation", "linear", ACTIVATIONS))


def _add_relu(builder: Builder, index: int, layer: LayerSpec) -> None:
    refuse_settings(layer, "max_value", "negative_slope", "threshold")
    _activate(builder, index, layer, fmt.Activation.RELU)


def _add_softmax(builder: Builder, index: int, layer: LayerSpec) -> None:
    if layer.config.get("axis", -1) not in (-1, len(builder.source(layer).shape)):
        raise UsageError(
            f"layer {layer.name!r} (Softmax) has axis={layer.config['axis']}; the rnn engine takes the last axis"
        )
    _activate(builder, index, layer, fmt.Activation.SOFTMAX)


def _activate(builder: Builder, index: int, layer: LayerSpec, activation: fmt.Activation) -> None:
    source = builder.source(layer)
    check_limit(layer, "rows", source.steps, fmt.MAX_STEPS)
    check_limit(layer, "features", source.width, fmt.MAX_WIDTH)
    result = builder.result(layer, source.shape)
    builder.ops.append(
        lambda place: fmt.ActivationOp(
            layer=index,
            steps=source.steps,
            width=source.width,
            activation=activation,
            src=place(source),
            dst=place(result),
        )
    )
    builder.values[layer.name] = result


def _add_nothing(builder: Builder, index: int, layer: LayerSpec) -> None:
    _alias(builder, index, layer, builder.source(layer).shape)


def _add_reshape(builder: Builder, index: int, layer: LayerSpec) -> None:
    """Flatten and Reshape: rows follow each other in memory as they do in Keras, so only the shape changes."""
    if layer.config.get("data_format") == "channels_first":
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has data_format='channels_first', "
            "which the rnn engine does not support"
        )
    count = math.prod(builder.source(layer).shape)
    shape = (count,) if layer.kind == "Flatten" else layer.output_shape
    if 0 in shape and shape.count(0) == 1:  # a length the model leaves open
        shape = tuple(size or count // math.prod(other for other in shape if other) for size in shape)
    if math.prod(shape) != count:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) turns {count} numbers into shape {shape}")
    _alias(builder, index, layer, shape)


def _add_input(builder: Builder, index: int, layer: LayerSpec) -> None:
    if layer.name not in builder.graph.inputs:
        _alias(builder, index, layer, builder.source(layer).shape)


def _alias(builder: Builder, index: int, layer: LayerSpec, shape: tuple[int, ...]) -> None:
    source = builder.source(layer)
    if not 1 <= len(shape) <= fmt.MAX_DIMS:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has shape {shape}; the rnn engine takes 1 to {fmt.MAX_DIMS}"
        )
    if layer.name in builder.graph.outputs and source.state is not None:
        # An output must outlive a reset of the state: copy it out.
        result = builder.result(layer, shape)
        width = math.prod(shape)
        builder.ops.append(
            lambda place: fmt.ActivationOp(
                layer=index,
                steps=1,
                width=width,
                activation=fmt.Activation.LINEAR,
                src=place(source),
                dst=place(result),
            )
        )
        builder.values[layer.name] = result
        return
    builder.values[layer.name] = Value(shape, buffer=source.buffer, state=source.state)


_Add = Callable[[Builder, int, LayerSpec], None]
_LAYERS: Mapping[str, _Add] = {
    "Activation": _add_activation,
    "Dense": _add_dense,
    "Flatten": _add_reshape,
    "InputLayer": _add_input,
    "LSTM": _add_lstm,
    "ReLU": _add_relu,
    "Reshape": _add_reshape,
    "Softmax": _add_softmax,
    **dict.fromkeys(_TRAINING_ONLY, _add_nothing),
}
