"""INFO, a device's answer to HELLO: who it is, what it computes, what it can take."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from harness.protocol.ids import DType, InfoTag, ResetReason
from harness.protocol.tlv import MessageError, item, iterate, pack, text_of, unpack

BUILD_ID_BYTES = 16
SHA256_BYTES = 32
MAX_DIMS = 8
MIN_FRAME_BYTES = 128  # the firmware asks as much of a build: INFO must fit

_DTYPES = {
    DType.FLOAT32: ("float32", 4),
    DType.INT8: ("int8", 1),
    DType.INT16: ("int16", 2),
    DType.INT32: ("int32", 4),
    DType.UINT8: ("uint8", 1),
}
_U32 = struct.Struct("<I")
_ARENA = struct.Struct("<III")
_CLOCK = struct.Struct("<II")
_LIMITS = struct.Struct("<HH")
_BOOT = struct.Struct("<BI")
_STATUS = struct.Struct("<BI")
_QUANTISATION = struct.Struct("<fi")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor without its batch dimension. `scale` and `zero_point` are 0 where it is not quantised."""

    dtype: DType
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of one tensor, C-contiguous, without padding."""
        return math.prod(self.shape) * _DTYPES[self.dtype][1]

    @property
    def numpy_dtype(self) -> str:
        """Name of the element type as numpy spells it; the wire is little-endian."""
        return _DTYPES[self.dtype][0]


@dataclass(frozen=True, slots=True)
class ArenaInfo:
    """Bytes the firmware holds, bytes the engine may use, bytes it does use."""

    capacity_bytes: int
    size_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class EngineStatusInfo:
    """`code` 0: ready; else ids.ErrorCode with its `detail`. `text` is the device's, so untrusted."""

    code: int
    detail: int
    text: str


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """INFO. Texts are the device's own words, so untrusted. `boot_count` 0: unknown; `device_uid` may be empty."""

    protocol_version: int
    board: str
    mcu: str
    engine: str
    engine_version: str
    build_id: bytes
    model_sha256: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    arena: ArenaInfo
    cpu_hz: int
    tick_hz: int
    max_frame_bytes: int
    rx_buffer_bytes: int
    reset_reason: ResetReason = ResetReason.UNKNOWN
    boot_count: int = 0
    engine_status: EngineStatusInfo = EngineStatusInfo(0, 0, "")
    device_uid: bytes = b""

    @property
    def input_bytes(self) -> int:
        """Bytes of one vector: all input tensors, in order."""
        return sum(tensor.nbytes for tensor in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Bytes of one result: all output tensors, in order."""
        return sum(tensor.nbytes for tensor in self.outputs)


def encode_info(nonce: int, info: DeviceInfo) -> bytes:
    parts = [
        pack(_U32, "INFO", nonce),
        item(InfoTag.PROTOCOL_VERSION, pack(struct.Struct("<B"), "PROTOCOL_VERSION", info.protocol_version)),
        item(InfoTag.BOARD, info.board.encode()),
        item(InfoTag.MCU, info.mcu.encode()),
        item(InfoTag.ENGINE, info.engine.encode()),
        item(InfoTag.ENGINE_VERSION, info.engine_version.encode()),
        item(InfoTag.BUILD_ID, info.build_id),
        item(InfoTag.MODEL_SHA256, info.model_sha256),
        *(item(InfoTag.INPUT, encode_tensor(tensor)) for tensor in info.inputs),
        *(item(InfoTag.OUTPUT, encode_tensor(tensor)) for tensor in info.outputs),
        item(InfoTag.ARENA, encode_arena(info.arena)),
        item(InfoTag.CLOCK, pack(_CLOCK, "CLOCK", info.cpu_hz, info.tick_hz)),
        item(InfoTag.LIMITS, pack(_LIMITS, "LIMITS", info.max_frame_bytes, info.rx_buffer_bytes)),
        item(InfoTag.BOOT, pack(_BOOT, "BOOT", info.reset_reason, info.boot_count)),
        item(
            InfoTag.ENGINE_STATUS,
            pack(_STATUS, "ENGINE_STATUS", info.engine_status.code, info.engine_status.detail)
            + info.engine_status.text.encode(),
        ),
        item(InfoTag.DEVICE_UID, info.device_uid),
    ]
    return b"".join(parts)


def decode_info(body: bytes) -> tuple[int, DeviceInfo]:
    """(nonce, info)."""
    (nonce,) = unpack(_U32, body[: _U32.size], "INFO nonce")
    single: dict[int, bytes] = {}
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    for tag, value in iterate(body[_U32.size :]):
        if tag == InfoTag.INPUT:
            inputs.append(decode_tensor(value))
        elif tag == InfoTag.OUTPUT:
            outputs.append(decode_tensor(value))
        elif tag in single:
            raise MessageError(f"INFO: tag {tag} twice")
        else:
            single[tag] = value

    def needed(tag: InfoTag, size: int | None = None) -> bytes:
        value = single.get(tag)
        if value is None:
            raise MessageError(f"INFO: no {tag.name}")
        if size is not None and len(value) != size:
            raise MessageError(f"INFO {tag.name}: {len(value)} bytes, not {size}")
        return value

    cpu_hz, tick_hz = unpack(_CLOCK, needed(InfoTag.CLOCK), "CLOCK")
    max_frame_bytes, rx_buffer_bytes = unpack(_LIMITS, needed(InfoTag.LIMITS), "LIMITS")
    if max_frame_bytes < MIN_FRAME_BYTES:
        raise MessageError(f"LIMITS: max_frame_bytes {max_frame_bytes}, at least {MIN_FRAME_BYTES}")
    if tick_hz == 0:
        raise MessageError("CLOCK: tick_hz 0")
    reason, boot_count = unpack(_BOOT, single.get(InfoTag.BOOT, bytes(_BOOT.size)), "BOOT")
    return nonce, DeviceInfo(
        protocol_version=needed(InfoTag.PROTOCOL_VERSION, 1)[0],
        board=text_of(needed(InfoTag.BOARD)),
        mcu=text_of(single.get(InfoTag.MCU, b"")),
        engine=text_of(needed(InfoTag.ENGINE)),
        engine_version=text_of(single.get(InfoTag.ENGINE_VERSION, b"")),
        build_id=needed(InfoTag.BUILD_ID, BUILD_ID_BYTES),
        model_sha256=needed(InfoTag.MODEL_SHA256, SHA256_BYTES),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        arena=decode_arena(needed(InfoTag.ARENA)),
        cpu_hz=cpu_hz,
        tick_hz=tick_hz,
        max_frame_bytes=max_frame_bytes,
        rx_buffer_bytes=rx_buffer_bytes,
        reset_reason=decode_reset_reason(reason),
        boot_count=boot_count,
        engine_status=_decode_status(single.get(InfoTag.ENGINE_STATUS, bytes(_STATUS.size))),
        device_uid=single.get(InfoTag.DEVICE_UID, b""),
    )


def encode_arena(arena: ArenaInfo) -> bytes:
    return pack(_ARENA, "ARENA", arena.capacity_bytes, arena.size_bytes, arena.used_bytes)


def decode_arena(body: bytes) -> ArenaInfo:
    return ArenaInfo(*unpack(_ARENA, body, "ARENA"))


def encode_tensor(tensor: TensorSpec) -> bytes:
    count = len(tensor.shape)
    if count > MAX_DIMS:
        raise MessageError(f"tensor: {count} dimensions, at most {MAX_DIMS}")
    head = pack(struct.Struct(f"<BB{count}H"), "tensor", tensor.dtype, count, *tensor.shape)
    return head + _QUANTISATION.pack(tensor.scale, tensor.zero_point)


def decode_tensor(value: bytes) -> TensorSpec:
    if len(value) < 2:
        raise MessageError(f"tensor: {len(value)} bytes")
    dtype, count = value[0], value[1]
    if dtype not in _DTYPES:
        raise MessageError(f"tensor: unknown dtype {dtype}")
    if count > MAX_DIMS:
        raise MessageError(f"tensor: {count} dimensions, at most {MAX_DIMS}")
    layout = struct.Struct(f"<{count}H")
    shape = unpack(layout, value[2 : 2 + layout.size], "tensor dimensions")
    rest = value[2 + layout.size :]
    if len(rest) != _QUANTISATION.size:
        raise MessageError(f"tensor: {len(value)} bytes, not {2 + layout.size + _QUANTISATION.size}")
    scale, zero_point = _QUANTISATION.unpack(rest)
    if not math.isfinite(scale) or scale < 0:
        raise MessageError(f"tensor: scale {scale}")
    return TensorSpec(DType(dtype), shape, scale, zero_point)


def decode_reset_reason(number: int) -> ResetReason:
    """A number of a later version reads as UNKNOWN."""
    return ResetReason(number) if number in _RESET_REASONS else ResetReason.UNKNOWN


def _decode_status(value: bytes) -> EngineStatusInfo:
    code, detail = unpack(_STATUS, value[: _STATUS.size], "ENGINE_STATUS")
    return EngineStatusInfo(code, detail, text_of(value[_STATUS.size :]))


_RESET_REASONS = frozenset(int(reason) for reason in ResetReason)
