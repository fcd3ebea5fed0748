"""Golden wire records: `name hex(header+body) hex(frame)`, one per message type and one per awkward COBS case.

    python -m tests.vectors.make_wire_records          writes wire_records.txt
    python -m tests.vectors.make_wire_records --check  exits 1 if it differs

The Python tests and the firmware's tests read the same file: a record that changes is a change of the wire format.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

from harness.protocol import line, trace
from harness.protocol import messages as m
from harness.protocol.frame import encode_frame
from harness.protocol.ids import DType, ErrorCode, InferFlag, LogLevel, MessageType, ResetReason

RECORDS_PATH = Path(__file__).with_name("wire_records.txt")
SESSION = 0x1D5C0FFE
INFO = m.DeviceInfo(
    protocol_version=1,
    board="host",
    mcu="host",
    engine="echo",
    engine_version="1",
    build_id=bytes(range(16)),
    model_sha256=bytes(range(32)),
    inputs=(m.TensorSpec(DType.FLOAT32, (3,)),),
    outputs=(m.TensorSpec(DType.FLOAT32, (1,)),),
    arena=m.ArenaInfo(4096, 4096, 16),
    cpu_hz=0,
    tick_hz=1_000_000,
    max_frame_bytes=256,
    rx_buffer_bytes=512,
    reset_reason=ResetReason.POWER_ON,
    boot_count=1,
    device_uid=b"\x0a\x00\x0b",
)
STATS = m.DeviceStats(2048, 1024, 7, 1, 0, True, m.ArenaInfo(4096, 2048, 16), 8192)


def _header(kind: MessageType, seq: int, session: int = SESSION) -> bytes:
    return struct.pack("<BHI", kind, seq, session)


def payloads() -> dict[str, bytes]:
    """Header and body of every record, by name; those of a message type tell one session from HELLO to REBOOT."""
    t = MessageType
    vectors = [struct.pack("<3f", 1, 2, 3), struct.pack("<3f", 0.5, 0, -0.5)]
    records = [m.InferRecord(40, struct.pack("<f", 6)), m.InferRecord(39, struct.pack("<f", 0))]
    missing = m.ErrorReply(ErrorCode.ARENA_TOO_SMALL, t.SET_ARENA, 8, "8 bytes missing")
    named = {
        "boot": _header(t.BOOT, 0, 0) + m.encode_boot(m.Boot(ResetReason.POWER_ON, 1)),
        "hello": _header(t.HELLO, 1, 0) + m.encode_hello(m.Hello(SESSION, 1, 1)),
        "info": _header(t.INFO, 1) + m.encode_info(SESSION, INFO),
        "ping": _header(t.PING, 2) + b"ping",
        "pong": _header(t.PONG, 2) + b"ping",
        "set_arena": _header(t.SET_ARENA, 3) + m.encode_set_arena(2048),
        "arena": _header(t.ARENA, 3) + m.encode_arena(m.ArenaInfo(4096, 2048, 16)),
        "infer": _header(t.INFER, 4) + m.encode_infer(0, vectors),
        "result": _header(t.RESULT, 4) + m.encode_result(0, records),
        "reset_state": _header(t.RESET_STATE, 5),
        "state_reset": _header(t.STATE_RESET, 5),
        "infer_keep_state": _header(t.INFER, 6) + m.encode_infer(InferFlag.KEEP_STATE, vectors[:1]),
        "result_keep_state": _header(t.RESULT, 6) + m.encode_result(InferFlag.KEEP_STATE, records[:1]),
        "set_arena_too_small": _header(t.SET_ARENA, 7) + m.encode_set_arena(8),
        "error": _header(t.ERROR, 7) + m.encode_error(missing),
        "stats": _header(t.STATS, 8),
        "stats_reply": _header(t.STATS_REPLY, 8) + m.encode_stats(STATS),
        "baud": _header(t.BAUD, 9) + line.encode_baud(line.BaudRequest(921600, 1000)),
        "baud_set": _header(t.BAUD_SET, 9) + line.encode_baud_set(921600),
        "link_test": _header(t.LINK_TEST, 10) + line.encode_link_test(line.LinkTest(4, 2)),
        "link_tested": _header(t.LINK_TESTED, 10) + line.encode_link_tested(line.LinkTested(4, 1)),
        "layer_trace": _header(t.LAYER_TRACE, 11) + trace.encode_trace(trace.TraceRequest(1, 2, 12, 4, vectors[0])),
        "layer_traced": _header(t.LAYER_TRACED, 11) + trace.encode_traced(trace.TraceReply(3, 40, vectors[0][:4])),
        "log": _header(t.LOG, 0) + m.encode_log(m.LogLine(LogLevel.WARNING, "brown-out near: 2.9 V")),
        "reboot": _header(t.REBOOT, 12),
        "rebooting": _header(t.REBOOTING, 12),
        "unknown_type": struct.pack("<BHI", 0x3F, 0xFFFF, 0xFFFFFFFF),
    }
    ping = _header(t.PING, 0x0101, 0x01010101)  # no zero of its own, so the run lengths below are exact
    for size in (246, 247, 248, 249):
        # With the 7 bytes of the header: runs of 253 to 256 bytes without a zero, the CRC's four not counted.
        named[f"cobs_run_{size + len(ping)}"] = ping + b"\xaa" * size
    zeros = struct.pack("<BHI", t.PING, 0, 0)
    named |= {
        "cobs_zeros": zeros + bytes(64),
        "cobs_zeros_300": zeros + bytes(300),
        "cobs_zero_last": ping + b"\x11" * 20 + b"\0",
        "cobs_alternating": ping + b"\0\x01" * 40,
        "cobs_full_run_then_zero": ping + b"\xbb" * 247 + b"\0" + b"\xcc" * 254 + b"\0\0",
        "cobs_two_full_runs": ping + b"\xdd" * (2 * 254 - 7),
        "cobs_ff": ping + b"\xff" * 260,
    }
    # The frame's data ends in the CRC: search for bodies whose whole data is one or two exactly full runs.
    for full in (1, 2):
        named[f"cobs_ends_with_full_run_{full}"] = _without_zero_crc(ping, 254 * full - 4)
    return named


def _without_zero_crc(head: bytes, size: int) -> bytes:
    """`head` and filling, `size` bytes together, whose CRC holds no zero byte."""
    for filler in range(1, 256):
        payload = head + bytes([filler]) * (size - len(head))
        if 0 not in struct.pack("<I", zlib.crc32(payload)):
            return payload
    raise AssertionError("no filling found")


def text() -> str:
    lines = [f"{name} {payload.hex()} {encode_frame(payload).hex()}\n" for name, payload in payloads().items()]
    return "".join(lines)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return 0 if RECORDS_PATH.read_text() == text() else 1
    RECORDS_PATH.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
