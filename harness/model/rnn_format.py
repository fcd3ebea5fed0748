"""The blob that the rnn engine reads, version 1: this file writes what firmware/lib/hil_engine_rnn/rnn_format.h reads.

All numbers little-endian, floats as exact IEEE 754 bit patterns. In order:

    header      32 bytes: magic "HRNN", version u16, input_count u8, output_count u8, blob_bytes u32, arena_bytes u32,
                state_bytes u32, op_count u32, ops u32 (blob offset of the first op), reserved u32
    tensors     24 bytes each, inputs then outputs: dtype u8, ndim u8, reserved u16, dims u16 x 4 (unused: 1),
                scale f32, zero_point i32, arena offset u32
    ops         kind u8, layout u8, bytes u16 (whole record), layer u16 (index in the source model), flags u16,
                then the fields of that kind
    weights     float32 blocks, each 16-byte aligned, in the kernels' reading order; zeros between and after
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MAGIC = b"HRNN"
FORMAT_VERSION = 1
BLOB_ALIGNMENT = 16
MAX_DIMS = 4
MAX_UNITS = 4096
MAX_WIDTH = 16384
MAX_STEPS = 16384
MAX_ARENA_BYTES = 1 << 26
#: A 16-bit int indexes at most this much; gcc-avr refuses larger objects.
AVR_MAX_BLOB_BYTES = 32767

_HEADER = struct.Struct("<4sHBB5II")
_TENSOR = struct.Struct("<BBH4HfiI")
_OP = struct.Struct("<BBHHH")
_LSTM = struct.Struct("<HHHBB6I")
_DENSE = struct.Struct("<HHHBB3I")
_ACTIVATION = struct.Struct("<HHB3x2I")
_DTYPE_FLOAT32 = 1  # harness.protocol.ids.DType.FLOAT32; the format's own number, so it can't change under it


class OpKind(IntEnum):
    """Kinds of ops."""

    LSTM = 1
    DENSE = 2
    ACTIVATION = 3


class Activation(IntEnum):
    """Activations, by Keras's names in lower case."""

    LINEAR = 0
    RELU = 1
    TANH = 2
    SIGMOID = 3
    HARD_SIGMOID = 4
    SOFTMAX = 5


FLAG_RETURN_SEQUENCES = 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """A float32 model input or output: shape without the batch dimension, and where it lies in the arena (bytes)."""

    shape: tuple[int, ...]
    arena: int


@dataclass(frozen=True, slots=True)
class LstmOp:
    """One LSTM layer. src, dst, h, c, z: arena offsets in bytes; weights as `lstm_weights` orders them."""

    layer: int
    steps: int
    inputs: int
    units: int
    activation: Activation
    recurrent_activation: Activation
    return_sequences: bool
    src: int
    dst: int
    h: int
    c: int
    z: int
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DenseOp:
    """One Dense layer over `steps` rows; weights as `dense_weights` orders them."""

    layer: int
    steps: int
    inputs: int
    outputs: int
    activation: Activation
    src: int
    dst: int
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ActivationOp:
    """One activation over `steps` rows of `width`."""

    layer: int
    steps: int
    width: int
    activation: Activation
    src: int
    dst: int


Op = LstmOp | DenseOp | ActivationOp


def lstm_weights(
    kernel: NDArray[np.float32], recurrent_kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put LSTM weights into the kernel's reading order.

    Args:
        kernel: (inputs, 4 units), gates i, f, c, o as Keras has them.
        recurrent_kernel: (units, 4 units).
        bias: (4 units,).

    Returns:
        Flat array. Per pair of units (a, b): biases {ia ib fa fb oa ob ca cb}, then the same eight per input, then per
        recurrent unit. An odd last unit is paired with zeros.
    """
    units = recurrent_kernel.shape[0]
    rows = np.concatenate([bias[np.newaxis], kernel, recurrent_kernel]).astype(np.float32, copy=False)
    gates = rows.reshape(len(rows), 4, units)[:, [0, 1, 3, 2], :]
    padded = np.zeros((len(rows), 4, units + units % 2), dtype=np.float32)
    padded[:, :, :units] = gates
    pairs = padded.reshape(len(rows), 4, -1, 2)
    return np.ascontiguousarray(pairs.transpose(2, 0, 1, 3)).reshape(-1)


def dense_weights(kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put Dense weights into the kernel's reading order.

    Args:
        kernel: (inputs, outputs).
        bias: (outputs,).

    Returns:
        Flat array. Per whole group of 8 outputs: 8 biases, then 8 weights per input; per remaining output: its bias,
        then its inputs.
    """
    rows = np.concatenate([bias[np.newaxis], kernel]).astype(np.float32, copy=False)
    whole = rows.shape[1] // 8 * 8
    groups = rows[:, :whole].reshape(len(rows), -1, 8).transpose(1, 0, 2)
    return np.concatenate([groups.reshape(-1), rows[:, whole:].T.reshape(-1)])


def encode_blob(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], ops: Sequence[Op], *, arena_bytes: int, state_bytes: int
) -> bytes:
    """Write a blob; a multiple of `BLOB_ALIGNMENT` bytes, the same for the same arguments."""
    tensors = b"".join(_encode_tensor(tensor) for tensor in (*inputs, *outputs))
    ops_at = _HEADER.size + len(tensors)
    weights_at = _aligned(ops_at + sum(_op_bytes(op) for op in ops))
    records = bytearray()
    weights = bytearray()
    for op in ops:
        offset = weights_at + len(weights)
        records += _encode_op(op, offset)
        if not isinstance(op, ActivationOp):
            weights += np.ascontiguousarray(op.weights, dtype="<f4").tobytes()
            weights += bytes(_aligned(len(weights)) - len(weights))
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


def _aligned(offset: int) -> int:
    return -(-offset // BLOB_ALIGNMENT) * BLOB_ALIGNMENT


def _encode_tensor(tensor: Tensor) -> bytes:
    dims = (*tensor.shape, *(1,) * (MAX_DIMS - len(tensor.shape)))
    return _TENSOR.pack(_DTYPE_FLOAT32, len(tensor.shape), 0, *dims, 0.0, 0, tensor.arena)


def _op_bytes(op: Op) -> int:
    match op:
        case LstmOp():
            return _OP.size + _LSTM.size
        case DenseOp():
            return _OP.size + _DENSE.size
        case ActivationOp():
            return _OP.size + _ACTIVATION.size


def _encode_op(op: Op, weights: int) -> bytes:
    size = _op_bytes(op)
    match op:
        case LstmOp():
            flags = FLAG_RETURN_SEQUENCES if op.return_sequences else 0
            return _OP.pack(OpKind.LSTM, 1, size, op.layer, flags) + _LSTM.pack(
                op.steps,
                op.inputs,
                op.units,
                op.activation,
                op.recurrent_activation,
                op.src,
                op.dst,
                op.h,
                op.c,
                op.z,
                weights,
            )
        case DenseOp():
            return _OP.pack(OpKind.DENSE, 1, size, op.layer, 0) + _DENSE.pack(
                op.steps, op.inputs, op.outputs, op.activation, 0, op.src, op.dst, weights
            )
        case ActivationOp():
            return _OP.pack(OpKind.ACTIVATION, 1, size, op.layer, 0) + _ACTIVATION.pack(
                op.steps, op.width, op.activation, op.src, op.dst
            )


def c_header(blob: bytes, *, title: str) -> str:
    """Generate hil_model.h: the blob as an array in flash.

    Args:
        blob: bytes of `encode_blob`.
        title: put into a comment; anything but printable ASCII is replaced, so a name can't end the comment.
    """
    safe = "".join(ch if " " <= ch <= "~" else "?" for ch in title).replace("*/", "* /")
    limit = f"an 8-bit AVR takes models of up to {AVR_MAX_BLOB_BYTES} bytes: use fewer units"
    lines = [", ".join(f"0x{byte:02x}" for byte in blob[at : at + 16]) for at in range(0, len(blob), 16)]
    body = ",\n  ".join(lines)
    return f"""/* Generated from {safe}: do not edit. Format: lib/hil_engine_rnn/README.md. */
#ifndef HIL_MODEL_H
#define HIL_MODEL_H

#include <stdint.h>

#define HIL_MODEL_BYTES {len(blob)}

#if defined(__AVR__)
#include <avr/pgmspace.h>
#if HIL_MODEL_BYTES > {AVR_MAX_BLOB_BYTES}
#error "this model takes {len(blob)} bytes; {limit}"
#endif
#define HIL_MODEL_PLACE PROGMEM
#else
#define HIL_MODEL_PLACE
#endif

static const uint8_t hil_model[HIL_MODEL_BYTES] __attribute__((aligned({BLOB_ALIGNMENT}))) HIL_MODEL_PLACE = {{
  {body}}};

#endif
"""
