"""The rules of sessions and repetition, frame by frame (docs/protocol.md)."""

from __future__ import annotations

import os
import struct

from harness.protocol.ids import ErrorCode, InferFlag, MessageType
from harness.protocol.messages import (
    Hello,
    decode_arena,
    decode_error,
    decode_info,
    decode_result,
    decode_stats,
    encode_hello,
    encode_infer,
    encode_set_arena,
)
from tests.tflm_device.conftest import Device, RawHost

NONCE = 0x1234ABCD
VECTOR = struct.pack("<3f", 4.6, 8, 304)


def hello(raw: RawHost, seq: int = 1, nonce: int = NONCE) -> None:
    frame = raw.ask(MessageType.HELLO, seq, 0, encode_hello(Hello(nonce, 1, 1)))
    assert (frame.type, frame.session) == (MessageType.INFO, nonce)
    assert decode_info(frame.body)[0] == nonce


def error_of(raw: RawHost, message_type: int, seq: int, session: int, body: bytes = b"") -> tuple[int, int]:
    frame = raw.ask(message_type, seq, session, body)
    assert frame.type == MessageType.ERROR
    error = decode_error(frame.body)
    assert (error.request_type, frame.seq) == (message_type, seq)
    return error.code, error.detail


def test_request_outside_a_session_is_not_executed(raw: RawHost) -> None:
    hello(raw)
    assert error_of(raw, MessageType.PING, 2, NONCE + 1) == (ErrorCode.NOT_IN_SESSION, NONCE)
    assert error_of(raw, MessageType.PING, 3, 0) == (ErrorCode.NOT_IN_SESSION, NONCE)


def test_fresh_boot_has_no_session(device: Device) -> None:
    device.session().reboot()
    raw = RawHost(device)
    try:
        # The reboot's own HELLO has made a session already: another id meets its number.
        code, detail = error_of(raw, MessageType.PING, 2, 5)
        assert code == ErrorCode.NOT_IN_SESSION
        assert detail != 5
    finally:
        raw.close()


def test_version_not_shared_is_refused(raw: RawHost) -> None:
    body = encode_hello(Hello(NONCE, 2, 9))
    assert error_of(raw, MessageType.HELLO, 1, 0, body) == (ErrorCode.VERSION, 1 | 1 << 8)


def test_hello_without_nonce_or_of_wrong_length_is_refused(raw: RawHost) -> None:
    assert error_of(raw, MessageType.HELLO, 1, 0, encode_hello(Hello(0, 1, 1)))[0] == ErrorCode.UNSUPPORTED
    assert error_of(raw, MessageType.HELLO, 1, 0, b"\1\2") == (ErrorCode.BAD_LENGTH, 6)


def test_repeated_effectful_request_is_answered_again_and_not_executed(raw: RawHost) -> None:
    hello(raw)
    body = encode_infer(InferFlag.KEEP_STATE, [VECTOR])
    first = raw.ask(MessageType.INFER, 2, NONCE, body)
    assert first.type == MessageType.RESULT
    assert raw.ask(MessageType.INFER, 2, NONCE, body) == first
    later = raw.ask(MessageType.INFER, 3, NONCE, body)
    outputs = [decode_result(frame.body, 4)[1][0].output for frame in (first, later)]
    assert outputs[0] != outputs[1], "had the repetition run, the state would have moved twice"


def test_old_effectful_request_is_out_of_order(raw: RawHost) -> None:
    hello(raw)
    assert raw.ask(MessageType.RESET_STATE, 9, NONCE).type == MessageType.STATE_RESET
    assert error_of(raw, MessageType.RESET_STATE, 8, NONCE) == (ErrorCode.OUT_OF_ORDER, 9)
    assert error_of(raw, MessageType.SET_ARENA, 9, NONCE, encode_set_arena(8000)) == (ErrorCode.OUT_OF_ORDER, 9)


def test_sequence_numbers_wrap(raw: RawHost) -> None:
    hello(raw, seq=0xFFFE)
    assert raw.ask(MessageType.RESET_STATE, 0xFFFF, NONCE).type == MessageType.STATE_RESET
    assert raw.ask(MessageType.RESET_STATE, 1, NONCE).type == MessageType.STATE_RESET
    assert error_of(raw, MessageType.RESET_STATE, 0xFFFF, NONCE) == (ErrorCode.OUT_OF_ORDER, 1)


def test_new_nonce_forgets_the_order_and_an_old_session(raw: RawHost) -> None:
    hello(raw)
    assert raw.ask(MessageType.RESET_STATE, 900, NONCE).type == MessageType.STATE_RESET
    hello(raw, seq=1, nonce=77)
    assert raw.ask(MessageType.RESET_STATE, 2, 77).type == MessageType.STATE_RESET
    assert error_of(raw, MessageType.PING, 3, NONCE) == (ErrorCode.NOT_IN_SESSION, 77)


def test_pure_requests_repeat_and_overtake_freely(raw: RawHost) -> None:
    hello(raw, seq=10)
    for seq in (20, 15, 20):
        frame = raw.ask(MessageType.PING, seq, NONCE, b"abc")
        assert (frame.type, frame.seq, frame.body) == (MessageType.PONG, seq, b"abc")


def test_unknown_types_flags_and_lengths_are_named(raw: RawHost) -> None:
    hello(raw)
    assert error_of(raw, 0x3F, 2, NONCE) == (ErrorCode.UNKNOWN_TYPE, 0x3F)
    assert error_of(raw, MessageType.INFER, 3, NONCE, b"\x80\0") == (ErrorCode.UNSUPPORTED, 0x80)
    assert error_of(raw, MessageType.INFER, 4, NONCE, b"") == (ErrorCode.BAD_LENGTH, 2)
    assert error_of(raw, MessageType.INFER, 5, NONCE, b"\0\1abc") == (ErrorCode.BAD_INPUT, 12)
    assert error_of(raw, MessageType.SET_ARENA, 6, NONCE, b"abc") == (ErrorCode.BAD_LENGTH, 4)
    assert error_of(raw, MessageType.STATS, 7, NONCE, b"abc") == (ErrorCode.BAD_LENGTH, 0)


def test_unsolicited_and_replies_are_not_answered(raw: RawHost) -> None:
    hello(raw)
    raw.send(MessageType.PONG, 5, NONCE)
    raw.send(MessageType.PING, 0, NONCE)
    assert raw.ask(MessageType.PING, 6, NONCE, b"next").body == b"next"


def test_spoilt_frames_are_counted_and_never_answered(raw: RawHost) -> None:
    hello(raw)
    os.write(raw._fd, b"\0\x05\x01\x02\x03\xff\0")
    frame = raw.ask(MessageType.STATS, 2, NONCE)
    stats = decode_stats(frame.body)
    assert stats.rx_bad_frames == 1
    assert stats.arena is not None
    assert stats.arena.size_bytes == 16384


def test_frame_longer_than_allowed_is_dropped(raw: RawHost) -> None:
    hello(raw)
    raw.send(MessageType.PING, 2, NONCE, bytes(5000))
    assert raw.ask(MessageType.PING, 3, NONCE, b"next").body == b"next"


def test_full_frame_of_vectors_is_answered_within_the_frame_limit(raw: RawHost) -> None:
    hello(raw)
    vectors = [VECTOR] * 255
    frame = raw.ask(MessageType.INFER, 2, NONCE, encode_infer(0, vectors))
    flags, records = decode_result(frame.body, 4)
    assert (flags, len(records)) == (0, 255)
    assert len({record.output for record in records}) == 1


def test_set_arena_answers_with_sizes(raw: RawHost) -> None:
    hello(raw)
    arena = decode_arena(raw.ask(MessageType.SET_ARENA, 2, NONCE, encode_set_arena(8000)).body)
    assert (arena.capacity_bytes, arena.size_bytes) == (65536, 8000)
    assert 0 < arena.used_bytes < 8000
