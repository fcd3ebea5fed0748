"""Frames in a stream of bytes that may hold anything else too: banners, printf text, noise, halves of frames.

Wire form (docs/protocol.md): 0x00 | COBS(header | body | crc) | 0x00.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from harness.protocol import cobs
from harness.protocol.ids import CRC_BYTES, HEADER_BYTES

MAX_PAYLOAD_BYTES = 0xFFFF  # header + body + crc: INFO LIMITS says it in 16 bits
MAX_SEGMENT_BYTES = cobs.encoded_bound(MAX_PAYLOAD_BYTES)
_HEADER = struct.Struct("<BHI")
_CRC = struct.Struct("<I")
_TEXT_BYTES = bytes([*range(0x20, 0x7F), 0x08, 0x09, 0x0A, 0x0D, 0x1B])


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose CRC was right. `type` may be a number this version does not know."""

    type: int
    seq: int
    session: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ConsoleText:
    """Bytes that are no frame and look like text. Raw: they may hold control characters and broken UTF-8."""

    data: bytes


def encode_frame(payload: bytes) -> bytes:
    """`payload` (header and body) as it goes over the wire: with CRC, stuffed, between delimiters."""
    return b"\0" + cobs.encode(payload + _CRC.pack(zlib.crc32(payload))) + b"\0"


def encode_message(message_type: int, seq: int, session: int, body: bytes = b"") -> bytes:
    """A whole frame from its header fields (u8, u16, u32) and body."""
    return encode_frame(_HEADER.pack(message_type, seq, session) + body)


def decode_segment(segment: bytes) -> Frame | None:
    """What stood between two delimiters as a frame; None if COBS, length or CRC is wrong."""
    try:
        whole = cobs.decode(segment)
    except cobs.CobsError:
        return None
    if not HEADER_BYTES + CRC_BYTES <= len(whole) <= MAX_PAYLOAD_BYTES:
        return None
    payload = whole[:-CRC_BYTES]
    if zlib.crc32(payload) != _CRC.unpack_from(whole, len(payload))[0]:
        return None
    message_type, seq, session = _HEADER.unpack_from(payload)
    return Frame(message_type, seq, session, payload[HEADER_BYTES:])


def looks_like_text(data: bytes) -> bool:
    """Whether at most an eighth of the bytes is outside printable ASCII, tab, line ends, backspace and escape."""
    return len(data.translate(None, _TEXT_BYTES)) * 8 <= len(data)


class FrameSplitter:
    """Cuts a byte stream into frames and console text. Never raises; keeps at most MAX_SEGMENT_BYTES between calls.

    Attributes:
        bad_frames: stretches between delimiters that were neither a frame nor text.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self.bad_frames = 0

    def feed(self, data: bytes) -> list[Frame | ConsoleText]:
        """Takes the next bytes as they come, in pieces of any size; returns what they completed, in wire order."""
        head, *rest = data.split(b"\0")
        self._pending += head
        if not rest:
            return self._cut_overlong()
        segments = [bytes(self._pending), *rest[:-1]]
        self._pending = bytearray(rest[-1])
        events: list[Frame | ConsoleText] = []
        for segment in segments:
            if segment:
                self._take(segment, events)
        return events + self._cut_overlong()

    def pending_text(self) -> bytes:
        """Text that came after the last delimiter (a panic message before a hang, say); b"" if it is no text."""
        pending = bytes(self._pending)
        return pending if looks_like_text(pending) else b""

    def _take(self, segment: bytes, events: list[Frame | ConsoleText]) -> None:
        frame = decode_segment(segment) if len(segment) <= MAX_SEGMENT_BYTES else None
        if frame is not None:
            events.append(frame)
        elif looks_like_text(segment):
            events.append(ConsoleText(segment))
        else:
            self.bad_frames += 1

    def _cut_overlong(self) -> list[Frame | ConsoleText]:
        # No frame is that long: a program that prints, or a line at the wrong baud rate.
        if len(self._pending) <= MAX_SEGMENT_BYTES:
            return []
        events: list[Frame | ConsoleText] = []
        self._take(bytes(self._pending), events)
        self._pending.clear()
        return events
