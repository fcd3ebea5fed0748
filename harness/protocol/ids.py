"""Every number of the wire protocol. The only place to add one.

`firmware/lib/hil_protocol/src/hil_protocol_ids.h` is generated from this file
(`python -m harness.protocol.generate_header`, `--check` in CI); docs/protocol.md says what each means.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

PROTOCOL_VERSION = 1

HEADER_BYTES = 7  # type u8, seq u16, session u32
CRC_BYTES = 4
NO_SESSION = 0  # a device that has not heard HELLO since its last boot
REPLY_BIT = 0x80


class MessageType(IntEnum):
    """Requests are below 0x40; the reply to request R is R | 0x80; 0xC0 and up are unsolicited."""

    HELLO = 0x01
    PING = 0x02
    INFER = 0x03
    SET_ARENA = 0x04
    RESET_STATE = 0x05
    REBOOT = 0x06
    STATS = 0x07
    BAUD = 0x08
    LINK_TEST = 0x09
    LAYER_TRACE = 0x0A
    INFO = 0x81
    PONG = 0x82
    RESULT = 0x83
    ARENA = 0x84
    STATE_RESET = 0x85
    REBOOTING = 0x86
    STATS_REPLY = 0x87
    BAUD_SET = 0x88
    LINK_TESTED = 0x89
    LAYER_TRACED = 0x8A
    BOOT = 0xC0
    LOG = 0xC1
    ERROR = 0xFF


class InferFlag(IntFlag):
    """Flags of INFER, echoed in RESULT."""

    KEEP_STATE = 0x01  # do not clear recurrent state before each vector


class InfoTag(IntEnum):
    """TLV tags of INFO. A receiver skips tags it does not know."""

    PROTOCOL_VERSION = 1  # u8, the version this session speaks
    BOARD = 2  # text: catalogue id
    MCU = 3  # text
    ENGINE = 4  # text: name
    ENGINE_VERSION = 5  # text
    BUILD_ID = 6  # 16 bytes
    MODEL_SHA256 = 7  # 32 bytes
    INPUT = 8  # tensor descriptor; repeated, in order
    OUTPUT = 9  # tensor descriptor; repeated, in order
    ARENA = 10  # capacity u32, size in use by the engine setting u32, bytes used u32
    CLOCK = 11  # cpu_hz u32, tick_hz u32
    LIMITS = 12  # max_frame_bytes u16, rx_buffer_bytes u16
    BOOT = 13  # reset_reason u8, boot_count u32 (0: unknown)
    ENGINE_STATUS = 14  # error code u8 (0 ready), detail u32, text
    DEVICE_UID = 15  # bytes: the chip's own serial number


class StatsTag(IntEnum):
    """TLV tags of STATS_REPLY. Absent where the platform can't tell."""

    STACK_FREE_MIN = 1  # u32 bytes never touched since boot
    HEAP_FREE_MIN = 2  # u32 bytes
    RX_FRAMES = 3  # u32 frames accepted
    RX_BAD_FRAMES = 4  # u32 frames dropped (COBS or CRC)
    RX_OVERRUNS = 5  # u32 bytes lost before the firmware saw them
    ARENA_GUARD = 6  # u8: 1 intact, 0 overwritten
    ARENA = 7  # as InfoTag.ARENA
    STACK_BYTES = 8  # u32 bytes the stack may use
    ARENA_MEMORY = 9  # u8: MemoryKind of the arena; only where the board has a choice


class MemoryKind(IntEnum):
    """Kinds of RAM. External RAM is larger and several times slower."""

    SRAM = 1
    PSRAM = 2


class DType(IntEnum):
    """Element types of tensors."""

    FLOAT32 = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    UINT8 = 5


class ErrorCode(IntEnum):
    """Codes of ERROR. `detail` is the u32 named beside each."""

    UNKNOWN_TYPE = 1  # the type
    BAD_LENGTH = 2  # expected body length
    NOT_IN_SESSION = 3  # the device's session id; 0: it has rebooted
    OUT_OF_ORDER = 4  # seq of the last effectful request
    VERSION = 5  # proto_min | proto_max << 8
    ENGINE_NOT_READY = 6  # the engine's own detail
    ARENA_TOO_SMALL = 7  # bytes missing; 0: unknown
    ARENA_TOO_LARGE = 8  # capacity in bytes
    INVOKE_FAILED = 9  # index of the vector within the frame
    BAD_INPUT = 10  # expected bytes per vector
    UNSUPPORTED = 11  # the flag or feature
    MODEL_INVALID = 12  # offset in the model where it went wrong
    INTERNAL = 13  # line or 0


class ResetReason(IntEnum):
    """Why the device started."""

    UNKNOWN = 0
    POWER_ON = 1
    EXTERNAL = 2
    SOFTWARE = 3
    WATCHDOG = 4
    BROWN_OUT = 5
    FAULT = 6


class LogLevel(IntEnum):
    """Levels of LOG."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3
