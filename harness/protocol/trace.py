"""Bodies of LAYER_TRACE: a look into the arena in the middle of an inference. Decoders raise MessageError only."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from harness.protocol.tlv import MessageError, pack

_REQUEST = struct.Struct("<HHIH")
_REPLY = struct.Struct("<HI")
REQUEST_HEAD_BYTES = _REQUEST.size
REPLY_HEAD_BYTES = _REPLY.size


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """LAYER_TRACE: run one vector's ops up to `end_op` (excluded), time those from `first_op` on, show arena bytes.

    `first_op` = `end_op` = 0 computes nothing. `vector`: the input tensors' bytes.
    """

    first_op: int
    end_op: int
    offset: int
    size_bytes: int
    vector: bytes


@dataclass(frozen=True, slots=True)
class TraceReply:
    """LAYER_TRACED: how many ops the model has, ticks spent in the ops asked for, and the arena's bytes."""

    op_count: int
    ticks: int
    data: bytes


def encode_trace(request: TraceRequest) -> bytes:
    head = pack(_REQUEST, "LAYER_TRACE", request.first_op, request.end_op, request.offset, request.size_bytes)
    return head + request.vector


def decode_trace(body: bytes) -> TraceRequest:
    if len(body) < _REQUEST.size:
        raise MessageError(f"LAYER_TRACE: {len(body)} bytes, at least {_REQUEST.size}")
    first_op, end_op, offset, size_bytes = _REQUEST.unpack_from(body)
    return TraceRequest(first_op, end_op, offset, size_bytes, body[_REQUEST.size :])


def encode_traced(reply: TraceReply) -> bytes:
    return pack(_REPLY, "LAYER_TRACED", reply.op_count, reply.ticks) + reply.data


def decode_traced(body: bytes) -> TraceReply:
    if len(body) < _REPLY.size:
        raise MessageError(f"LAYER_TRACED: {len(body)} bytes, at least {_REPLY.size}")
    op_count, ticks = _REPLY.unpack_from(body)
    return TraceReply(op_count, ticks, body[_REPLY.size :])
