"""What a session promises on a clean line with a well-behaved device: the real firmware on a pty."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import DeviceError, UsageError
from harness.link.pipeline import vectors_per_frame, wire_bytes
from harness.link.serial_port import open_port
from harness.link.session import Session, VectorResult
from harness.protocol.ids import DType, ErrorCode, ResetReason
from harness.protocol.messages import TensorSpec
from tests.link.device import ProcessOnPty


def vector(*values: float) -> bytes:
    return struct.pack("<3f", *values)


def output(result: VectorResult) -> float:
    return struct.unpack("<f", result.output)[0]


def test_info_says_who_the_device_is(session: Session) -> None:
    assert (session.info.board, session.info.engine) == ("host", "echo")
    assert session.info.build_id == bytes(range(16))
    assert session.info.model_sha256 == bytes(range(32))
    assert session.info.inputs == (TensorSpec(DType.FLOAT32, (3,)),)
    assert session.info.outputs == (TensorSpec(DType.FLOAT32, (1,)),)
    assert (session.info.max_frame_bytes, session.info.rx_buffer_bytes) == (4096, 16384)
    assert session.info.reset_reason == ResetReason.POWER_ON
    assert session.info.engine_status.code == 0


def test_results_come_in_index_order_and_are_reported_once_each(session: Session) -> None:
    seen: list[VectorResult] = []
    results = session.infer([vector(i, 2, 3) for i in range(3000)], on_result=seen.append)
    assert [result.index for result in results] == list(range(3000))
    assert [output(result) for result in results] == [i + 5.0 for i in range(3000)]
    assert sorted(seen, key=lambda result: result.index) == results
    assert session.link_stats.resent_frames == 0


def test_several_vectors_share_a_frame(session: Session) -> None:
    session.infer([vector(1, 2, 3)] * 3000)
    assert session.link_stats.frames < 3000 / 20


def test_no_vectors_no_results(session: Session) -> None:
    assert session.infer([]) == []


def test_a_generator_is_read_as_there_is_room_and_not_kept(session: Session) -> None:
    read_ahead: list[int] = []
    received = 0

    def numbers() -> Iterator[bytes]:
        for i in range(20000):
            read_ahead.append(i - received)
            yield vector(i, 0, 0)

    def count(_: VectorResult) -> None:
        nonlocal received
        received += 1

    assert session.infer(numbers(), on_result=count, collect=False) == []
    assert received == 20000
    assert max(read_ahead) * 12 <= session.info.rx_buffer_bytes + 2 * session.info.max_frame_bytes


def test_state_is_cleared_before_each_vector(session: Session) -> None:
    assert [output(result) for result in session.infer([vector(1, 0, 0)] * 4)] == [1, 1, 1, 1]


def test_kept_state_goes_on_over_frames_and_calls(session: Session) -> None:
    first = session.infer([vector(1, 0, 0)] * 600, keep_state=True)
    assert [output(result) for result in first] == list(range(1, 601))
    assert output(session.infer([vector(1, 0, 0)], keep_state=True)[0]) == 601
    session.reset_state()
    assert output(session.infer([vector(1, 0, 0)], keep_state=True)[0]) == 1


def test_effectful_requests_work_after_more_pure_ones_than_half_the_sequence_numbers(session: Session) -> None:
    for _ in range(70):
        for _ in range(999):
            session._channel.next_seq()  # as if that many requests had been sent
        session.ping()
    assert session.set_arena(1024).size_bytes == 1024
    session.reset_state()


def test_a_vector_of_the_wrong_size_is_named(session: Session) -> None:
    with pytest.raises(UsageError, match="vector 2 has 11 bytes, the device's inputs take 12"):
        session.infer([vector(1, 2, 3), vector(1, 2, 3), b"x" * 11])
    assert output(session.infer([vector(1, 2, 3)])[0]) == 6


def test_a_failing_invoke_names_its_vector_and_leaves_the_session_usable(session: Session) -> None:
    vectors = [vector(i, 0, 0) for i in range(2000)]
    vectors[1234] = vector(float("inf"), 0, 0)
    with pytest.raises(DeviceError, match=r"INVOKE_FAILED to vector 1234 .*input is not finite") as caught:
        session.infer(vectors)
    assert caught.value.code == ErrorCode.INVOKE_FAILED
    assert output(session.infer([vector(1, 2, 3)])[0]) == 6
    assert session.set_arena(64).size_bytes == 64


def test_an_arena_too_small_says_what_is_missing_and_another_cures_it(session: Session) -> None:
    with pytest.raises(DeviceError, match="echo needs 16 bytes") as caught:
        session.set_arena(10)
    assert (caught.value.code, caught.value.detail) == (ErrorCode.ARENA_TOO_SMALL, 6)
    assert session.info.engine_status.code == ErrorCode.ARENA_TOO_SMALL
    with pytest.raises(DeviceError) as caught:
        session.infer([vector(1, 2, 3)])
    assert caught.value.code == ErrorCode.ARENA_TOO_SMALL
    assert session.set_arena(16).used_bytes == 16
    assert session.info.engine_status.code == 0
    assert session.info.arena.size_bytes == 16
    assert output(session.infer([vector(1, 2, 3)])[0]) == 6


def test_an_arena_beyond_the_capacity_is_refused_with_the_capacity(session: Session) -> None:
    with pytest.raises(DeviceError) as caught:
        session.set_arena(1 << 20)
    assert (caught.value.code, caught.value.detail) == (ErrorCode.ARENA_TOO_LARGE, 4096)


def test_stats_count_frames(session: Session) -> None:
    before = session.stats()
    session.ping(bytes(range(256)))
    after = session.stats()
    assert before.rx_frames is not None
    assert after.rx_frames == before.rx_frames + 2
    assert after.arena_guard_intact is True
    assert after.arena == session.info.arena


def test_a_write_beyond_the_arena_shows_in_the_stats(session: Session) -> None:
    session.ping(b"SMASH 0")
    assert session.stats().arena_guard_intact is False


def test_reboot_leads_to_a_session_with_the_next_boot(session: Session) -> None:
    boots = session.info.boot_count
    info = session.reboot()
    assert (info.boot_count, info.reset_reason) == (boots + 1, ResetReason.SOFTWARE)
    assert session.info == info
    assert output(session.infer([vector(1, 2, 3)])[0]) == 6


def test_console_text_is_kept_and_does_not_disturb(session: Session) -> None:
    session.ping(b"TEXT")
    assert session.console
    assert output(session.infer([vector(1, 2, 3)])[0]) == 6


def test_close_may_be_called_twice_and_gives_the_port_up(device: ProcessOnPty) -> None:
    for _ in range(2):
        opened = Session.open(open_port(device.port_name, 115200))
        opened.ping()
        opened.close()
        opened.close()


def test_a_board_with_small_buffers_gets_small_frames(small_firmware: Path) -> None:
    with (
        ProcessOnPty(str(small_firmware)) as device,
        Session.open(open_port(device.port_name, 115200)) as session,
    ):
        most = vectors_per_frame(session.info)
        assert most > 1
        assert 2 * wire_bytes(13 + 12 * most) <= session.info.rx_buffer_bytes
        results = session.infer([vector(i, 2, 3) for i in range(2000)])
        assert [output(result) for result in results] == [i + 5.0 for i in range(2000)]
        assert session.stats().rx_overruns == 0
