"""From a model graph to the header the rnn engine is built with.

What isn't supported is refused by name, with what is, before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.model.graph import FloatArray, LayerSpec, ModelGraph
from harness.model.lengths import MASK_KIND
from harness.model.packed import PackedModel, TracePoint
from harness.model.rnn_builder import Builder, Integers
from harness.model.rnn_c_header import c_header
from harness.model.rnn_calibrate import calibrate
from harness.model.rnn_encode import activations_of, kind_of, layout_of
from harness.model.rnn_fold import fold
from harness.model.rnn_int8 import add_int8
from harness.model.rnn_layers import (
    add_activation,
    add_concatenate,
    add_cropping,
    add_dense,
    add_elu,
    add_input,
    add_leaky_relu,
    add_length_mask,
    add_masking,
    add_merge,
    add_nothing,
    add_relu,
    add_repeat_vector,
    add_reshape,
    add_softmax,
    add_time_distributed,
)
from harness.model.rnn_recurrent import add_bidirectional, add_recurrent
from harness.model.rnn_scale import add_batch_normalization, add_normalization, add_rescaling

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


@dataclass(frozen=True, slots=True)
class PackedBlob:
    """A packed model before it becomes a header.

    Attributes:
        input_bytes, output_bytes: of one vector and of its result.
        ops, activations, layouts: bit n: OpKind n, Activation n, Layout n is used.
    """

    blob: bytes
    arena_bytes: int
    macs: int
    input_bytes: int
    output_bytes: int
    ops: int
    activations: int
    layouts: int
    trace: tuple[TracePoint, ...]


def pack_rnn(
    graph: ModelGraph, *, int8_weights: bool = False, calibration: Sequence[FloatArray] | None = None
) -> PackedModel:
    """Pack a model for the rnn engine.

    Args:
        graph: float32 model; shapes without the batch dimension, all lengths known.
        int8_weights: keep the weights of recurrent and Dense layers in int8, a scale a row; what is computed with stays
            float32.
        calibration: vectors, (N, *shape) of each input: compute in integers throughout, in the ranges these give.

    Returns:
        The engine's header, the exact arena it needs, and its size and work. Reproducible byte for byte.

    Raises:
        UsageError: a layer or setting the engine has no kernel for (the message names it and lists what is supported),
            or sizes beyond the format's.
    """
    packed = pack(graph, int8_weights=int8_weights) if calibration is None else pack_int8(graph, calibration)
    title = f"a {graph.framework} model, SHA-256 {graph.source_sha256.hex()}"
    return PackedModel(
        engine="rnn",
        model_sha256=graph.source_sha256,
        sources={
            "hil_model.h": c_header(
                packed.blob, title=title, ops=packed.ops, activations=packed.activations, layouts=packed.layouts
            ),
        },
        arena_bytes=packed.arena_bytes,
        model_bytes=len(packed.blob),
        macs=packed.macs,
        trace=packed.trace,
        input_bytes=packed.input_bytes,
        output_bytes=packed.output_bytes,
        quantised="int8" if calibration is not None else "int8-weights" if int8_weights else "",
    )


def pack_blob(graph: ModelGraph) -> tuple[bytes, int, int]:
    """As `pack_rnn`, down to the blob (rnn_format.py) itself, the arena in bytes and the multiply-accumulates."""
    packed = pack(graph)
    return packed.blob, packed.arena_bytes, packed.macs


def pack(graph: ModelGraph, *, int8_weights: bool = False) -> PackedBlob:
    """As `pack_rnn`, without the header."""
    for layer in graph.layers:
        if layer.kind not in _LAYERS:
            raise UsageError(
                f"layer {layer.name!r} is a {layer.kind}, which the rnn engine does not support",
                hint=f"supported layers: {', '.join(SUPPORTED_LAYERS)}",
            )
    graph = fold(graph)
    masks = [layer for layer in graph.layers if layer.kind == MASK_KIND]
    # Whole numbers: as they are, in 16 bits.
    builder = Builder(graph, int8_weights, {layer.inputs[1]: Integers(0.0, 0, bits=16) for layer in masks})
    for index, layer in enumerate(graph.layers):
        first_op, macs = builder.op_count, builder.macs
        _LAYERS[layer.kind](builder, index, layer)
        builder.layer_done(index, first_op, builder.macs - macs)
    if any(builder.masks[layer.name] not in builder.used_masks for layer in masks):
        raise UsageError(
            "the vectors have lengths, and no recurrent layer of the model would look at them",
            hint="a Masking layer in the model tells padding by its value; without lengths, all steps count",
        )
    return _finished(builder)


def pack_int8(graph: ModelGraph, calibration: Sequence[FloatArray]) -> PackedBlob:
    """As `pack_rnn` with calibration vectors, without the header."""
    graph = fold(graph)
    ranges = calibrate(graph, calibration)
    builder = Builder(graph, integers={name: ranges.values[name] for name in graph.inputs})
    for index, layer in enumerate(graph.layers):
        first_op, macs = builder.op_count, builder.macs
        add_int8(builder, index, layer, ranges)
        builder.layer_done(index, first_op, builder.macs - macs)
    return _finished(builder)


def _finished(builder: Builder) -> PackedBlob:
    ops, blob, arena_bytes, trace = builder.finish()
    return PackedBlob(
        blob=blob,
        arena_bytes=arena_bytes,
        macs=builder.macs,
        input_bytes=sum(builder.bytes_of(name) for name in builder.graph.inputs),
        output_bytes=sum(builder.bytes_of(name) for name in builder.graph.outputs),
        ops=sum(1 << kind for kind in {kind_of(op) for op in ops}),
        activations=sum(1 << number for number in {number for op in ops for number in activations_of(op)}),
        layouts=sum(1 << number for number in {layout_of(op) for op in ops}),
        trace=trace,
    )


_Add = Callable[[Builder, int, LayerSpec], None]
_LAYERS: Mapping[str, _Add] = {
    "Activation": add_activation,
    "Add": add_merge,
    "Average": add_merge,
    "BatchNormalization": add_batch_normalization,
    "Bidirectional": add_bidirectional,
    "Concatenate": add_concatenate,
    "Cropping1D": add_cropping,
    "Dense": add_dense,
    "ELU": add_elu,
    "Flatten": add_reshape,
    "GRU": add_recurrent,
    "InputLayer": add_input,
    "LSTM": add_recurrent,
    "LeakyReLU": add_leaky_relu,
    MASK_KIND: add_length_mask,
    "Masking": add_masking,
    "Maximum": add_merge,
    "Minimum": add_merge,
    "Multiply": add_merge,
    "RNN": add_recurrent,
    "Normalization": add_normalization,
    "ReLU": add_relu,
    "RepeatVector": add_repeat_vector,
    "Rescaling": add_rescaling,
    "Reshape": add_reshape,
    "SimpleRNN": add_recurrent,
    "Softmax": add_softmax,
    "Subtract": add_merge,
    "TimeDistributed": add_time_distributed,
    **dict.fromkeys(_TRAINING_ONLY, add_nothing),
}

SUPPORTED_LAYERS: tuple[str, ...] = tuple(sorted(set(_LAYERS) - {MASK_KIND}))
"""Class names of the layers the rnn engine computes."""
