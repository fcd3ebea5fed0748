"""Bodies of the small messages. Decoders raise MessageError on any malformed body and nothing else.

INFO, the long one, is in info.py; its types and functions can be had from here too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from harness.protocol.ids import MemoryKind, ResetReason, StatsTag
from harness.protocol.info import (
    ArenaInfo,
    DeviceInfo,
    EngineStatusInfo,
    TensorSpec,
    decode_arena,
    decode_info,
    decode_reset_reason,
    encode_arena,
    encode_info,
)
from harness.protocol.tlv import MessageError, item, iterate, pack, text_of, unpack

__all__ = [
    "ArenaInfo",
    "Boot",
    "DeviceInfo",
    "DeviceStats",
    "EngineStatusInfo",
    "ErrorReply",
    "Hello",
    "InferRecord",
    "LogLine",
    "MessageError",
    "TensorSpec",
    "decode_arena",
    "decode_boot",
    "decode_error",
    "decode_hello",
    "decode_infer",
    "decode_info",
    "decode_log",
    "decode_result",
    "decode_set_arena",
    "decode_stats",
    "encode_arena",
    "encode_boot",
    "encode_error",
    "encode_hello",
    "encode_infer",
    "encode_info",
    "encode_log",
    "encode_result",
    "encode_set_arena",
    "encode_stats",
]

INFER_HEAD_BYTES = 2  # flags u8, count u8
TICKS_BYTES = 4
MAX_VECTORS_PER_FRAME = 255  # count is a u8

_HELLO = struct.Struct("<IBB")
_COUNTED = struct.Struct("<BB")
_U32 = struct.Struct("<I")
_BOOT = struct.Struct("<BI")
_ERROR = struct.Struct("<BBI")


@dataclass(frozen=True, slots=True)
class Hello:
    """HELLO: the nonce becomes the session id; versions `proto_min` to `proto_max` are offered."""

    nonce: int
    proto_min: int
    proto_max: int


@dataclass(frozen=True, slots=True)
class InferRecord:
    """One vector's part of RESULT: ticks spent in invoke, and the output tensors' bytes."""

    ticks: int
    output: bytes


@dataclass(frozen=True, slots=True)
class DeviceStats:
    """STATS_REPLY. None: the platform can't tell."""

    stack_free_min_bytes: int | None = None
    heap_free_min_bytes: int | None = None
    rx_frames: int | None = None
    rx_bad_frames: int | None = None
    rx_overruns: int | None = None
    arena_guard_intact: bool | None = None
    arena: ArenaInfo | None = None
    stack_bytes: int | None = None
    arena_memory: MemoryKind | None = None


@dataclass(frozen=True, slots=True)
class Boot:
    """BOOT: why the device started; `boot_count` 0 means unknown."""

    reset_reason: ResetReason
    boot_count: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """LOG: `level` as ids.LogLevel; `text` is the device's, so untrusted."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """ERROR: `code` as ids.ErrorCode, or a later version's number; `text` is the device's, so untrusted."""

    code: int
    request_type: int
    detail: int
    text: str


def encode_hello(hello: Hello) -> bytes:
    return pack(_HELLO, "HELLO", hello.nonce, hello.proto_min, hello.proto_max)


def decode_hello(body: bytes) -> Hello:
    return Hello(*unpack(_HELLO, body, "HELLO"))


def encode_infer(flags: int, vectors: Sequence[bytes]) -> bytes:
    """`vectors`: each the concatenated input tensors; 1 to 255 of them, all of one length."""
    return pack(_COUNTED, "INFER", flags, len(vectors)) + b"".join(vectors)


def decode_infer(body: bytes, vector_bytes: int) -> tuple[int, list[bytes]]:
    """(flags, vectors); every vector has `vector_bytes` bytes."""
    flags, pieces = _decode_counted(body, vector_bytes, "INFER")
    return flags, pieces


def encode_result(flags: int, records: Sequence[InferRecord]) -> bytes:
    body = b"".join(pack(_U32, "RESULT", record.ticks) + record.output for record in records)
    return pack(_COUNTED, "RESULT", flags, len(records)) + body


def decode_result(body: bytes, output_bytes: int) -> tuple[int, list[InferRecord]]:
    """(flags, records); every output has `output_bytes` bytes."""
    flags, pieces = _decode_counted(body, TICKS_BYTES + output_bytes, "RESULT")
    return flags, [InferRecord(int.from_bytes(piece[:TICKS_BYTES], "little"), piece[TICKS_BYTES:]) for piece in pieces]


def _decode_counted(body: bytes, piece_bytes: int, what: str) -> tuple[int, list[bytes]]:
    if len(body) < INFER_HEAD_BYTES:
        raise MessageError(f"{what}: {len(body)} bytes, at least {INFER_HEAD_BYTES}")
    flags, count = body[0], body[1]
    if len(body) != INFER_HEAD_BYTES + count * piece_bytes:
        raise MessageError(f"{what}: {len(body)} bytes, not {INFER_HEAD_BYTES} + {count} x {piece_bytes}")
    starts = (INFER_HEAD_BYTES + index * piece_bytes for index in range(count))
    return flags, [body[start : start + piece_bytes] for start in starts]


def encode_set_arena(size_bytes: int) -> bytes:
    return pack(_U32, "SET_ARENA", size_bytes)


def decode_set_arena(body: bytes) -> int:
    return unpack(_U32, body, "SET_ARENA")[0]


def encode_boot(boot: Boot) -> bytes:
    return pack(_BOOT, "BOOT", boot.reset_reason, boot.boot_count)


def decode_boot(body: bytes) -> Boot:
    reason, count = unpack(_BOOT, body, "BOOT")
    return Boot(decode_reset_reason(reason), count)


def encode_log(line: LogLine) -> bytes:
    return pack(struct.Struct("<B"), "LOG", line.level) + line.text.encode()


def decode_log(body: bytes) -> LogLine:
    if not body:
        raise MessageError("LOG: empty")
    return LogLine(body[0], text_of(body[1:]))


def encode_error(error: ErrorReply) -> bytes:
    return pack(_ERROR, "ERROR", error.code, error.request_type, error.detail) + error.text.encode()


def decode_error(body: bytes) -> ErrorReply:
    code, request_type, detail = unpack(_ERROR, body[: _ERROR.size], "ERROR")
    return ErrorReply(code, request_type, detail, text_of(body[_ERROR.size :]))


_STATS_U32 = {
    StatsTag.STACK_FREE_MIN: "stack_free_min_bytes",
    StatsTag.HEAP_FREE_MIN: "heap_free_min_bytes",
    StatsTag.RX_FRAMES: "rx_frames",
    StatsTag.RX_BAD_FRAMES: "rx_bad_frames",
    StatsTag.RX_OVERRUNS: "rx_overruns",
    StatsTag.STACK_BYTES: "stack_bytes",
}


def encode_stats(stats: DeviceStats) -> bytes:
    body = b""
    for tag, field in _STATS_U32.items():
        value: int | None = getattr(stats, field)
        if value is not None:
            body += item(tag, pack(_U32, field, value))
    if stats.arena_guard_intact is not None:
        body += item(StatsTag.ARENA_GUARD, bytes([stats.arena_guard_intact]))
    if stats.arena is not None:
        body += item(StatsTag.ARENA, encode_arena(stats.arena))
    if stats.arena_memory is not None:
        body += item(StatsTag.ARENA_MEMORY, bytes([stats.arena_memory]))
    return body


def decode_stats(body: bytes) -> DeviceStats:
    numbers: dict[str, int] = {}
    guard: bool | None = None
    arena: ArenaInfo | None = None
    memory: MemoryKind | None = None
    for tag, value in iterate(body):
        if tag == StatsTag.ARENA_MEMORY:
            if len(value) != 1:
                raise MessageError(f"ARENA_MEMORY: {len(value)} bytes, not 1")
            # A later firmware may know other kinds.
            memory = MemoryKind(value[0]) if value[0] in set(MemoryKind) else None
        elif tag == StatsTag.ARENA_GUARD:
            if len(value) != 1:
                raise MessageError(f"ARENA_GUARD: {len(value)} bytes, not 1")
            guard = value[0] == 1
        elif tag == StatsTag.ARENA:
            arena = decode_arena(value)
        else:
            name = next((field for known, field in _STATS_U32.items() if known == tag), None)
            if name is not None:
                numbers[name] = unpack(_U32, value, name)[0]
    return DeviceStats(
        stack_free_min_bytes=numbers.get("stack_free_min_bytes"),
        heap_free_min_bytes=numbers.get("heap_free_min_bytes"),
        rx_frames=numbers.get("rx_frames"),
        rx_bad_frames=numbers.get("rx_bad_frames"),
        rx_overruns=numbers.get("rx_overruns"),
        arena_guard_intact=guard,
        arena=arena,
        stack_bytes=numbers.get("stack_bytes"),
        arena_memory=memory,
    )
