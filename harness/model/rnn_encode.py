"""Writes the blob of `rnn_format`: the records of its ops, byte by byte, and their weights."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from harness.model.rnn_format import (
    BLOB_ALIGNMENT,
    FORMAT_VERSION,
    MAGIC,
    MAX_DIMS,
    Activation,
    ActivationOp,
    DenseInt8Op,
    DenseOp,
    Layout,
    LengthMaskOp,
    LstmInt8Op,
    MaskOp,
    MergeOp,
    Op,
    OpKind,
    QuantiseOp,
    RecurrentOp,
    ScaleOp,
    Tensor,
)

_HEADER = struct.Struct("<4sHBB5II")
_TENSOR = struct.Struct("<BBH4HfiI")
_OP = struct.Struct("<BBHHH")
_RECURRENT = struct.Struct("<HHHBBHH7I")
_DENSE = struct.Struct("<HHHBB3I")
_ACTIVATION = struct.Struct("<HHB3xHHf2I")
_MASK = struct.Struct("<HHf3I")
_LENGTH_MASK = struct.Struct("<HH2I")
_SCALE = struct.Struct("<HH3I")
_MERGE = struct.Struct("<IB3xf3I")
_LSTM_INT8 = struct.Struct("<HHHBBi6I")
_DENSE_INT8 = struct.Struct("<HHHbb3I")
_QUANTISE = struct.Struct("<Ifi2I")
# The format's own numbers, those of harness.protocol.ids.DType, so that they can't change under it.
_DTYPE_OF_BITS = {32: 1, 8: 2, 16: 3}


def encode_blob(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], ops: Sequence[Op], *, arena_bytes: int, state_bytes: int
) -> bytes:
    """Write a blob: a multiple of `BLOB_ALIGNMENT` bytes, the same for the same arguments. Equal weights stand once."""
    tensors = b"".join(_encode_tensor(tensor) for tensor in (*inputs, *outputs))
    ops_at = _HEADER.size + len(tensors)
    weights_at = _aligned(ops_at + sum(len(_encode_op(op, 0)) for op in ops))
    records = bytearray()
    weights = bytearray()
    known: dict[bytes, int] = {}
    for op in ops:
        offset = 0
        if isinstance(op, RecurrentOp | DenseOp | ScaleOp | LstmInt8Op | DenseInt8Op):
            offset = known.setdefault(op.weights, weights_at + len(weights))
            if offset == weights_at + len(weights):
                weights += op.weights.ljust(_aligned(len(op.weights)), b"\0")
        records += _encode_op(op, offset)
    body = (tensors + bytes(records)).ljust(weights_at - _HEADER.size, b"\0") + bytes(weights)
    header = _HEADER.pack(
        MAGIC,
        FORMAT_VERSION,
        len(inputs),
        len(outputs),
        _HEADER.size + len(body),
        arena_bytes,
        state_bytes,
        len(ops),
        ops_at,
        0,
    )
    return header + body


def kind_of(op: Op) -> OpKind:
    """The number an op goes by."""
    match op:
        case RecurrentOp():
            return op.kind
        case DenseOp():
            return OpKind.DENSE
        case ActivationOp():
            return OpKind.ACTIVATION
        case MaskOp():
            return OpKind.MASK
        case LengthMaskOp():
            return OpKind.LENGTH_MASK
        case ScaleOp():
            return OpKind.SCALE
        case MergeOp():
            return OpKind.MERGE
        case LstmInt8Op():
            return OpKind.LSTM_INT8
        case DenseInt8Op():
            return OpKind.DENSE_INT8
        case QuantiseOp():
            return OpKind.QUANTISE


def activations_of(op: Op) -> tuple[Activation, ...]:
    """The activations an op computes."""
    match op:
        case RecurrentOp():
            return op.activation, op.recurrent_activation
        case DenseOp() | ActivationOp():
            return (op.activation,)
        case _:
            return ()


def layout_of(op: Op) -> Layout:
    """How its weights are stored; FLOAT32 where there are none."""
    return op.layout if isinstance(op, RecurrentOp | DenseOp | ScaleOp) else Layout.FLOAT32


def _aligned(offset: int) -> int:
    return -(-offset // BLOB_ALIGNMENT) * BLOB_ALIGNMENT


def _encode_tensor(tensor: Tensor) -> bytes:
    dims = (*tensor.shape, *(1,) * (MAX_DIMS - len(tensor.shape)))
    return _TENSOR.pack(
        _DTYPE_OF_BITS[tensor.bits], len(tensor.shape), 0, *dims, tensor.scale, tensor.zero_point, tensor.arena
    )


def _encode_op(op: Op, weights: int) -> bytes:
    flags = int(op.back) if isinstance(op, QuantiseOp) else 0
    if isinstance(op, RecurrentOp | LstmInt8Op):
        flags = op.flags
    fields = _encode_fields(op, weights)
    return _OP.pack(kind_of(op), layout_of(op), _OP.size + len(fields), op.layer, flags) + fields


def _encode_fields(op: Op, weights: int) -> bytes:
    match op:
        case RecurrentOp():
            sizes = (op.steps, op.inputs, op.units, op.activation, op.recurrent_activation, op.dst_stride, 0)
            return _RECURRENT.pack(*sizes, op.src, op.dst, op.h, op.c, op.z, op.mask, weights)
        case DenseOp():
            return _DENSE.pack(op.steps, op.inputs, op.outputs, op.activation, 0, op.src, op.dst, weights)
        case ActivationOp():
            strides = (op.src_stride, op.dst_stride)
            return _ACTIVATION.pack(op.steps, op.width, op.activation, *strides, op.alpha, op.src, op.dst)
        case MaskOp():
            return _MASK.pack(op.steps, op.width, op.value, op.src, op.dst, op.mask)
        case LengthMaskOp():
            return _LENGTH_MASK.pack(op.steps, 0, op.length, op.mask)
        case ScaleOp():
            return _SCALE.pack(op.steps, op.width, op.src, op.dst, weights)
        case MergeOp():
            return _MERGE.pack(op.count, op.mode, op.divisor, op.a, op.b, op.dst)
        case LstmInt8Op():
            numbers = (op.steps, op.inputs, op.units, op.cell_bits, op.h_shift, op.h_multiplier)
            return _LSTM_INT8.pack(*numbers, op.src, op.dst, op.h, op.c, op.z, weights)
        case DenseInt8Op():
            counts = (op.steps, op.inputs, op.outputs, op.zero_point, op.lowest)
            return _DENSE_INT8.pack(*counts, op.src, op.dst, weights)
        case QuantiseOp():
            factor = op.scale if op.back else 1.0 / op.scale
            return _QUANTISE.pack(op.count, factor, op.zero_point, op.src, op.dst)
