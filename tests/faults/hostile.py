"""A device that means harm, as a program on a pty: `python -m tests.faults.hostile BEHAVIOUR`. It knows the protocol.

Until its moment it is a correct device of one float32 input vector of three and one output, their sum.
"""

from __future__ import annotations

import math
import os
import struct
import sys
from collections.abc import Callable

from harness.protocol.frame import Frame, FrameSplitter, encode_message
from harness.protocol.ids import DType, ErrorCode, MessageType, ResetReason
from harness.protocol.info import ArenaInfo, DeviceInfo, EngineStatusInfo, TensorSpec, encode_info
from harness.protocol.messages import (
    Boot,
    DeviceStats,
    ErrorReply,
    InferRecord,
    LogLine,
    decode_infer,
    encode_boot,
    encode_error,
    encode_log,
    encode_result,
    encode_stats,
)

EVIL = "\x1b[2J\x1b]0;owned\x07[/dram]\r\n::error::boom\n##[error]x\u202e\x00\x9b31m"
FLOOD = b"\x1b[31m::stop-commands::x [bold]" * 2000
IN, OUT = TensorSpec(DType.FLOAT32, (3,)), TensorSpec(DType.FLOAT32, (1,))
HONEST = DeviceInfo(
    protocol_version=1,
    board="esp32",
    mcu="evil",
    engine="echo",
    engine_version="1",
    build_id=bytes(range(16)),
    model_sha256=bytes(range(32)),
    inputs=(IN,),
    outputs=(OUT,),
    arena=ArenaInfo(4096, 2048, 16),
    cpu_hz=0,
    tick_hz=1_000_000,
    max_frame_bytes=256,
    rx_buffer_bytes=512,
    reset_reason=ResetReason.POWER_ON,
)


def info(**changes: object) -> DeviceInfo:
    values = {name: getattr(HONEST, name) for name in HONEST.__dataclass_fields__}
    return DeviceInfo(**{**values, **changes})  # type: ignore[arg-type]


INFOS = {
    "huge shapes": info(inputs=(TensorSpec(DType.FLOAT32, (65535,) * 8),)),
    "shapes that overflow to the right count": info(outputs=(TensorSpec(DType.INT8, (32768,) * 5 + (0,)),)),
    "no outputs": info(outputs=()),
    "no inputs": info(inputs=()),
    "no elements": info(outputs=(TensorSpec(DType.FLOAT32, (0,)),)),
    "NaN scale": info(outputs=(TensorSpec(DType.INT8, (1,), math.nan, 0),)),
    "infinite scale": info(inputs=(TensorSpec(DType.INT8, (3,), math.inf, 2**31 - 1),)),
    "no room": info(rx_buffer_bytes=0),
    "evil names": info(board=EVIL[:60], mcu=EVIL[:60], engine_version=EVIL[:60]),
    "evil mcu": info(mcu=EVIL[:80], engine_version=EVIL[:80]),
    "failed engine": info(engine_status=EngineStatusInfo(7, 0xFFFFFFFF, EVIL)),
    "many inputs": info(inputs=(IN,) * 3000),
    "lying arena": info(arena=ArenaInfo(4096, 16, 0xFFFFFFFF)),
}


class Hostile:
    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.session = 0

    def say(self, data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    def reply(self, request: Frame, kind: int, body: bytes, *, seq: int | None = None) -> None:
        self.say(encode_message(kind, request.seq if seq is None else seq, self.session, body))

    def serve(self) -> None:
        splitter = FrameSplitter()
        if self.behaviour == "endless text":
            self.for_ever(lambda: FLOOD)
        if self.behaviour == "endless zeros":
            self.for_ever(lambda: bytes(5000))
        if self.behaviour == "endless ones":
            self.for_ever(lambda: b"\xff" * 5000)
        while True:
            for event in splitter.feed(os.read(0, 65536)):
                if isinstance(event, Frame):
                    self.answer(event)

    def for_ever(self, make: Callable[[], bytes]) -> None:
        while True:
            self.say(make())

    def answer(self, frame: Frame) -> None:
        if frame.type == MessageType.HELLO:
            self.session = int.from_bytes(frame.body[:4], "little")
            body = encode_info(self.session, INFOS.get(self.behaviour, HONEST))
            if self.behaviour == "INFO with a lying length":
                body = body[:4] + b"\x02\xff" + b"x"
            if self.behaviour == "logs for an answer":
                log = encode_message(MessageType.LOG, 0, self.session, encode_log(LogLine(1, EVIL * 20)))
                self.for_ever(lambda: log)
            self.reply(frame, MessageType.INFO, body)
        elif frame.type == MessageType.INFER:
            self.infer(frame)
        elif frame.type == MessageType.STATS:
            body = encode_stats(DeviceStats(arena_guard_intact=True))
            self.reply(frame, MessageType.STATS_REPLY, b"\x03\xff" if self.behaviour == "lying statistics" else body)
        elif frame.type == MessageType.PING:
            self.reply(frame, MessageType.PONG, frame.body)
        else:
            error = ErrorReply(ErrorCode.UNKNOWN_TYPE, frame.type, frame.type, "")
            self.reply(frame, MessageType.ERROR, encode_error(error))

    def infer(self, frame: Frame) -> None:
        flags, vectors = decode_infer(frame.body, 12)
        records = [InferRecord(7, struct.pack("<f", sum(struct.unpack("<3f", vector)))) for vector in vectors]
        right = encode_result(flags, records)
        match self.behaviour:
            case "results too short":
                self.reply(frame, MessageType.RESULT, right[:-1])
            case "results too many":
                self.reply(frame, MessageType.RESULT, encode_result(flags, records * 2))
            case "results for others":
                wrong = encode_result(flags, [InferRecord(7, struct.pack("<f", -1))] * len(records))
                for seq in (frame.seq - 1000, frame.seq + 1000, frame.seq ^ 0x8000, 0):
                    self.reply(frame, MessageType.RESULT, wrong, seq=seq & 0xFFFF)
                self.reply(frame, MessageType.RESULT, right)
            case "only results for others":
                while True:
                    for seq in range(1, 0x10000, 255):
                        self.reply(frame, MessageType.RESULT, right, seq=seq if seq != frame.seq else seq + 1)
            case "pongs for results":
                self.reply(frame, MessageType.PONG, right)
            case "logs for results":
                log = encode_message(MessageType.LOG, 0, self.session, encode_log(LogLine(9, EVIL)))
                self.for_ever(lambda: log)
            case "text for results":
                self.for_ever(lambda: FLOOD)
            case "boots for results":
                boot = encode_boot(Boot(ResetReason.UNKNOWN, 0xFFFFFFFF))
                self.say(encode_message(MessageType.BOOT, 0, 0, boot))
            case "evil errors":
                self.reply(frame, MessageType.ERROR, bytes([99]) + encode_error(ErrorReply(0, 3, 2**32 - 1, EVIL))[1:])
            case "sessions of others":
                self.session ^= 1
                self.reply(frame, MessageType.RESULT, right)
            case "refusals for ever":
                self.reply(frame, MessageType.ERROR, encode_error(ErrorReply(ErrorCode.OUT_OF_ORDER, 3, 0, "")))
            case "evil console":
                self.say(EVIL.encode("utf-8", "replace") + FLOOD[:3000] + b"\r\n")
                self.reply(frame, MessageType.RESULT, right)
            case "NaN":
                nan = [InferRecord(0xFFFFFFFF, struct.pack("<f", math.nan))] * len(records)
                self.reply(frame, MessageType.RESULT, encode_result(flags, nan))
            case _:
                self.reply(frame, MessageType.RESULT, right)


if __name__ == "__main__":
    Hostile(sys.argv[1]).serve()
