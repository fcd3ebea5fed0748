"""Bodies: what is encoded is decoded, what is cut short or nonsense is a MessageError and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocol import messages as m
from harness.protocol.ids import DType, MemoryKind, ResetReason
from tests.vectors.make_wire_records import INFO, STATS

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
text = st.text(max_size=50)
tensors = st.builds(
    m.TensorSpec,
    st.sampled_from(DType),
    st.lists(u16, max_size=4).map(tuple),
    st.floats(width=32, min_value=0, allow_nan=False, allow_infinity=False),
    st.integers(-(2**31), 2**31 - 1),
)
arenas = st.builds(m.ArenaInfo, u32, u32, u32)
infos = st.builds(
    m.DeviceInfo,
    protocol_version=u8,
    board=text,
    mcu=text,
    engine=text,
    engine_version=text,
    build_id=st.binary(min_size=16, max_size=16),
    model_sha256=st.binary(min_size=32, max_size=32),
    inputs=st.lists(tensors, max_size=3).map(tuple),
    outputs=st.lists(tensors, max_size=3).map(tuple),
    arena=arenas,
    cpu_hz=u32,
    tick_hz=st.integers(1, 2**32 - 1),
    max_frame_bytes=st.integers(128, 0xFFFF),
    rx_buffer_bytes=u16,
    reset_reason=st.sampled_from(ResetReason),
    boot_count=u32,
    engine_status=st.builds(m.EngineStatusInfo, u8, u32, text),
    device_uid=st.binary(max_size=16),
)
stats = st.builds(
    m.DeviceStats,
    *[st.none() | u32] * 5,
    st.none() | st.booleans(),
    st.none() | arenas,
    st.none() | u32,
    st.none() | st.sampled_from(MemoryKind),
)
VECTOR_BYTES = 5
records = st.builds(m.InferRecord, u32, st.binary(min_size=VECTOR_BYTES, max_size=VECTOR_BYTES))
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "hello": m.decode_hello,
    "info": m.decode_info,
    "infer": lambda body: m.decode_infer(body, VECTOR_BYTES),
    "result": lambda body: m.decode_result(body, VECTOR_BYTES),
    "set_arena": m.decode_set_arena,
    "arena": m.decode_arena,
    "stats": m.decode_stats,
    "boot": m.decode_boot,
    "log": m.decode_log,
    "error": m.decode_error,
}


@given(u32, infos)
def test_info_roundtrip(nonce: int, info: m.DeviceInfo) -> None:
    assert m.decode_info(m.encode_info(nonce, info)) == (nonce, info)


@given(stats)
def test_stats_roundtrip(given_stats: m.DeviceStats) -> None:
    assert m.decode_stats(m.encode_stats(given_stats)) == given_stats


@given(u8, st.lists(records, max_size=20))
def test_result_and_infer_roundtrip(flags: int, given_records: list[m.InferRecord]) -> None:
    assert m.decode_result(m.encode_result(flags, given_records), VECTOR_BYTES) == (flags, given_records)
    vectors = [record.output for record in given_records]
    assert m.decode_infer(m.encode_infer(flags, vectors), VECTOR_BYTES) == (flags, vectors)


@given(u32, u8, u8, text, st.sampled_from(ResetReason), arenas)
def test_small_messages_roundtrip(
    number: int, a: int, b: int, words: str, reason: ResetReason, arena: m.ArenaInfo
) -> None:
    assert m.decode_hello(m.encode_hello(m.Hello(number, a, b))) == m.Hello(number, a, b)
    assert m.decode_set_arena(m.encode_set_arena(number)) == number
    assert m.decode_arena(m.encode_arena(arena)) == arena
    assert m.decode_boot(m.encode_boot(m.Boot(reason, number))) == m.Boot(reason, number)
    assert m.decode_log(m.encode_log(m.LogLine(a, words))) == m.LogLine(a, words)
    error = m.ErrorReply(a, b, number, words)
    assert m.decode_error(m.encode_error(error)) == error


@given(st.binary(max_size=400))
def test_decoders_raise_message_errors_only(body: bytes) -> None:
    for decode in DECODERS.values():
        with contextlib.suppress(m.MessageError):
            decode(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("hello", m.encode_hello(m.Hello(1, 1, 1))),
        ("infer", m.encode_infer(0, [b"12345", b"67890"])),
        ("result", m.encode_result(0, [m.InferRecord(7, b"12345")])),
        ("set_arena", m.encode_set_arena(5)),
        ("arena", m.encode_arena(m.ArenaInfo(1, 2, 3))),
        ("boot", m.encode_boot(m.Boot(ResetReason.FAULT, 3))),
    ],
)
def test_a_body_cut_anywhere_or_too_long_is_refused(name: str, body: bytes) -> None:
    for size in range(len(body)):
        with pytest.raises(m.MessageError):
            DECODERS[name](body[:size])
    with pytest.raises(m.MessageError):
        DECODERS[name](body + b"\0")


def test_an_info_or_stats_cut_anywhere_is_refused_or_lacks_what_was_cut() -> None:
    info = m.encode_info(1, INFO)
    for size in range(len(info)):
        with contextlib.suppress(m.MessageError):
            assert m.decode_info(info[:size])[1] != INFO
    body = m.encode_stats(STATS)
    for size in range(len(body)):
        with contextlib.suppress(m.MessageError):
            assert m.decode_stats(body[:size]) != STATS


def test_unknown_tags_are_skipped() -> None:
    unknown = bytes([200, 3]) + b"new"
    info = m.encode_info(1, INFO)
    assert m.decode_info(info[:4] + unknown + info[4:]) == (1, INFO)
    assert m.decode_stats(unknown + m.encode_stats(STATS)) == STATS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda info: info + bytes([2, 1]) + b"x",  # BOARD twice
        lambda info: info[:4] + bytes([8, 2, 99, 0]) + info[4:],  # INPUT of an unknown dtype
        lambda info: info[:4] + bytes([8, 2, 1, 200]) + info[4:],  # INPUT of 200 dimensions
        lambda info: info.replace(bytes([12, 4, 0, 1]), bytes([12, 4, 10, 0])),  # frames of 10 bytes
    ],
)
def test_nonsense_in_info_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(m.MessageError):
        m.decode_info(spoil(m.encode_info(1, INFO)))


def test_a_later_versions_reset_reason_and_error_code_are_no_errors() -> None:
    assert m.decode_boot(bytes([99, 0, 0, 0, 0])).reset_reason == ResetReason.UNKNOWN
    assert m.decode_error(bytes([99, 3, 1, 0, 0, 0])).code == 99


def test_values_that_do_not_fit_are_refused_when_encoding() -> None:
    for build in (
        lambda: m.encode_hello(m.Hello(1 << 32, 1, 1)),
        lambda: m.encode_infer(0, [b"x"] * 256),
        lambda: m.encode_set_arena(-1),
        lambda: m.encode_stats(m.DeviceStats(stack_bytes=1 << 32)),
    ):
        with pytest.raises(m.MessageError):
            build()


@given(tensors)
def test_tensor_bytes_are_elements_times_size(tensor: m.TensorSpec) -> None:
    sizes = {"float32": 4, "int8": 1, "int16": 2, "int32": 4, "uint8": 1}
    count = 1
    for dimension in tensor.shape:
        count *= dimension
    assert tensor.nbytes == count * sizes[tensor.numpy_dtype]
