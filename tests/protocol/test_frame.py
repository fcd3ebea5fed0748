"""Frames in dirty streams: none wrong is accepted, none right is lost to its neighbours."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocol.frame import (
    MAX_SEGMENT_BYTES,
    ConsoleText,
    Frame,
    FrameSplitter,
    encode_frame,
    encode_message,
)

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    seq=st.integers(0, 0xFFFF),
    session=st.integers(0, 0xFFFFFFFF),
    body=st.binary(max_size=600) | st.integers(0, 600).map(bytes),
)
EXAMPLES = [
    Frame(0x03, 1, 0x1D5C0FFE, bytes(range(24))),
    Frame(0x83, 2, 0x1D5C0FFE, bytes(12)),
    Frame(0x02, 3, 0x01010101, b""),
    Frame(0xFF, 4, 0xFFFFFFFF, b"\xff\x01text"),
]


def wire(frame: Frame) -> bytes:
    return encode_message(frame.type, frame.seq, frame.session, frame.body)


def frames_in(data: bytes) -> list[Frame]:
    return [event for event in FrameSplitter().feed(data) if isinstance(event, Frame)]


@given(st.lists(frames, max_size=6), st.data())
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(map(wire, sent))
    splitter = FrameSplitter()
    received: list[Frame | ConsoleText] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received == sent
    assert splitter.bad_frames == 0


@given(st.binary(max_size=300), frames, st.binary(max_size=300))
def test_a_frame_survives_any_junk_around_it(before: bytes, frame: Frame, after: bytes) -> None:
    assert frame in frames_in(before + wire(frame) + after)


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_nothing_raises_and_random_bytes_are_no_frames(pieces: list[bytes]) -> None:
    splitter = FrameSplitter()
    for piece in pieces:
        assert not any(isinstance(event, Frame) for event in splitter.feed(piece))


def test_memory_stays_bounded_without_a_delimiter() -> None:
    splitter = FrameSplitter()
    for _ in range(300):
        splitter.feed(b"\x80" * 4096)
        assert len(splitter._pending) <= MAX_SEGMENT_BYTES
    assert splitter.bad_frames > 0
    assert splitter.feed(wire(EXAMPLES[0])) == [EXAMPLES[0]]


def test_text_between_frames_is_console_output_and_costs_none() -> None:
    stream = b"boot\r\n" + wire(EXAMPLES[0]) + b"\x1b[32mI (31) heap free\x1b[0m\n" + wire(EXAMPLES[1]) + b"panic"
    splitter = FrameSplitter()
    assert splitter.feed(stream) == [
        ConsoleText(b"boot\r\n"),
        EXAMPLES[0],
        ConsoleText(b"\x1b[32mI (31) heap free\x1b[0m\n"),
        EXAMPLES[1],
    ]
    assert splitter.pending_text() == b"panic"
    assert splitter.bad_frames == 0


def test_half_a_frame_is_no_pending_text() -> None:
    splitter = FrameSplitter()
    splitter.feed(wire(EXAMPLES[0])[:-5])
    assert splitter.pending_text() == b""


def _faults(stream: bytes) -> list[tuple[str, bytes]]:
    spoilt = []
    for at in range(len(stream)):
        head, byte, tail = stream[:at], stream[at], stream[at + 1 :]
        spoilt.append((f"drop {at}", head + tail))
        spoilt.append((f"double {at}", head + bytes([byte, byte]) + tail))
        spoilt += [(f"flip bit {bit} of {at}", head + bytes([byte ^ 1 << bit]) + tail) for bit in range(8)]
        spoilt += [(f"insert {new} at {at}", head + bytes([new, byte]) + tail) for new in (0, 1, 0x41, 0xAA, 0xFF)]
    return spoilt


@pytest.mark.parametrize("text", [b"", b"log line\n"])
def test_one_fault_anywhere_costs_one_frame_at_most_and_never_yields_a_wrong_one(text: bytes) -> None:
    stream = text.join([b"", *map(wire, EXAMPLES), b""])
    for fault, spoilt in _faults(stream):
        received = frames_in(spoilt)
        assert all(frame in EXAMPLES for frame in received), fault
        assert len(received) >= len(EXAMPLES) - 1, fault


def test_a_frame_shorter_than_its_header_is_none() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(encode_frame(b"\x02\x01\x00\x01\x00\x00")) == []
    assert splitter.bad_frames == 1


def test_a_longer_stream_of_noise_holds_no_frame() -> None:
    splitter = FrameSplitter()
    for _ in range(100):
        assert not any(isinstance(event, Frame) for event in splitter.feed(os.urandom(20000)))
