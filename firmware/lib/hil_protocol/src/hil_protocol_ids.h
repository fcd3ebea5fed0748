/* Generated from harness/protocol/ids.py by `python -m harness.protocol.generate_header`: edit that.
 * What each number means on the wire: docs/protocol.md. */
/* clang-format off */
#ifndef HIL_PROTOCOL_IDS_H
#define HIL_PROTOCOL_IDS_H

#define HIL_PROTOCOL_VERSION 1
#define HIL_HEADER_BYTES 7                   /* type u8, seq u16, session u32 */
#define HIL_CRC_BYTES 4
#define HIL_NO_SESSION 0                     /* a device that has not heard HELLO since its last boot */
#define HIL_REPLY_BIT 0x80

/* MessageType: Requests are below 0x40; the reply to request R is R | 0x80; 0xC0 and up are unsolicited. */
#define HIL_MSG_HELLO 0x01
#define HIL_MSG_PING 0x02
#define HIL_MSG_INFER 0x03
#define HIL_MSG_SET_ARENA 0x04
#define HIL_MSG_RESET_STATE 0x05
#define HIL_MSG_REBOOT 0x06
#define HIL_MSG_STATS 0x07
#define HIL_MSG_BAUD 0x08
#define HIL_MSG_LINK_TEST 0x09
#define HIL_MSG_LAYER_TRACE 0x0A
#define HIL_MSG_INFO 0x81
#define HIL_MSG_PONG 0x82
#define HIL_MSG_RESULT 0x83
#define HIL_MSG_ARENA 0x84
#define HIL_MSG_STATE_RESET 0x85
#define HIL_MSG_REBOOTING 0x86
#define HIL_MSG_STATS_REPLY 0x87
#define HIL_MSG_BAUD_SET 0x88
#define HIL_MSG_LINK_TESTED 0x89
#define HIL_MSG_LAYER_TRACED 0x8A
#define HIL_MSG_BOOT 0xC0
#define HIL_MSG_LOG 0xC1
#define HIL_MSG_ERROR 0xFF

/* InferFlag: Flags of INFER, echoed in RESULT. */
#define HIL_INFER_FLAG_KEEP_STATE 0x01       /* do not clear recurrent state before each vector */

/* InfoTag: TLV tags of INFO. A receiver skips tags it does not know. */
#define HIL_INFO_TAG_PROTOCOL_VERSION 1      /* u8, the version this session speaks */
#define HIL_INFO_TAG_BOARD 2                 /* text: catalogue id */
#define HIL_INFO_TAG_MCU 3                   /* text */
#define HIL_INFO_TAG_ENGINE 4                /* text: name */
#define HIL_INFO_TAG_ENGINE_VERSION 5        /* text */
#define HIL_INFO_TAG_BUILD_ID 6              /* 16 bytes */
#define HIL_INFO_TAG_MODEL_SHA256 7          /* 32 bytes */
#define HIL_INFO_TAG_INPUT 8                 /* tensor descriptor; repeated, in order */
#define HIL_INFO_TAG_OUTPUT 9                /* tensor descriptor; repeated, in order */
#define HIL_INFO_TAG_ARENA 10                /* capacity u32, size in use by the engine setting u32, bytes used u32 */
#define HIL_INFO_TAG_CLOCK 11                /* cpu_hz u32, tick_hz u32 */
#define HIL_INFO_TAG_LIMITS 12               /* max_frame_bytes u16, rx_buffer_bytes u16 */
#define HIL_INFO_TAG_BOOT 13                 /* reset_reason u8, boot_count u32 (0: unknown) */
#define HIL_INFO_TAG_ENGINE_STATUS 14        /* error code u8 (0 ready), detail u32, text */
#define HIL_INFO_TAG_DEVICE_UID 15           /* bytes: the chip's own serial number */

/* StatsTag: TLV tags of STATS_REPLY. Absent where the platform can't tell. */
#define HIL_STATS_TAG_STACK_FREE_MIN 1       /* u32 bytes never touched since boot */
#define HIL_STATS_TAG_HEAP_FREE_MIN 2        /* u32 bytes */
#define HIL_STATS_TAG_RX_FRAMES 3            /* u32 frames accepted */
#define HIL_STATS_TAG_RX_BAD_FRAMES 4        /* u32 frames dropped (COBS or CRC) */
#define HIL_STATS_TAG_RX_OVERRUNS 5          /* u32 bytes lost before the firmware saw them */
#define HIL_STATS_TAG_ARENA_GUARD 6          /* u8: 1 intact, 0 overwritten */
#define HIL_STATS_TAG_ARENA 7                /* as InfoTag.ARENA */
#define HIL_STATS_TAG_STACK_BYTES 8          /* u32 bytes the stack may use */
#define HIL_STATS_TAG_ARENA_MEMORY 9         /* u8: MemoryKind of the arena; only where the board has a choice */

/* MemoryKind: Kinds of RAM. External RAM is larger and several times slower. */
#define HIL_MEMORY_SRAM 1
#define HIL_MEMORY_PSRAM 2

/* DType: Element types of tensors. */
#define HIL_DTYPE_FLOAT32 1
#define HIL_DTYPE_INT8 2
#define HIL_DTYPE_INT16 3
#define HIL_DTYPE_INT32 4
#define HIL_DTYPE_UINT8 5

/* ErrorCode: Codes of ERROR. `detail` is the u32 named beside each. */
#define HIL_ERR_UNKNOWN_TYPE 1               /* the type */
#define HIL_ERR_BAD_LENGTH 2                 /* expected body length */
#define HIL_ERR_NOT_IN_SESSION 3             /* the device's session id; 0: it has rebooted */
#define HIL_ERR_OUT_OF_ORDER 4               /* seq of the last effectful request */
#define HIL_ERR_VERSION 5                    /* proto_min | proto_max << 8 */
#define HIL_ERR_ENGINE_NOT_READY 6           /* the engine's own detail */
#define HIL_ERR_ARENA_TOO_SMALL 7            /* bytes missing; 0: unknown */
#define HIL_ERR_ARENA_TOO_LARGE 8            /* capacity in bytes */
#define HIL_ERR_INVOKE_FAILED 9              /* index of the vector within the frame */
#define HIL_ERR_BAD_INPUT 10                 /* expected bytes per vector */
#define HIL_ERR_UNSUPPORTED 11               /* the flag or feature */
#define HIL_ERR_MODEL_INVALID 12             /* offset in the model where it went wrong */
#define HIL_ERR_INTERNAL 13                  /* line or 0 */

/* ResetReason: Why the device started. */
#define HIL_RESET_UNKNOWN 0
#define HIL_RESET_POWER_ON 1
#define HIL_RESET_EXTERNAL 2
#define HIL_RESET_SOFTWARE 3
#define HIL_RESET_WATCHDOG 4
#define HIL_RESET_BROWN_OUT 5
#define HIL_RESET_FAULT 6

/* LogLevel: Levels of LOG. */
#define HIL_LOG_DEBUG 0
#define HIL_LOG_INFO 1
#define HIL_LOG_WARNING 2
#define HIL_LOG_ERROR 3

#endif
