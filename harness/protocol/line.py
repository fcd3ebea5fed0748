"""Bodies of BAUD and LINK_TEST, and the pattern both ends know. Decoders raise MessageError on any malformed body."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from harness.protocol.tlv import MessageError, pack, unpack

__all__ = [
    "BaudRequest",
    "LinkTest",
    "LinkTested",
    "MessageError",
    "bit_errors",
    "decode_baud",
    "decode_baud_set",
    "decode_link_test",
    "decode_link_tested",
    "encode_baud",
    "encode_baud_set",
    "encode_link_test",
    "encode_link_tested",
    "pattern",
]

_BAUD = struct.Struct("<IH")
_U32 = struct.Struct("<I")
_LINK_TEST = struct.Struct("<HH")
_LINK_TESTED = struct.Struct("<HI")


@dataclass(frozen=True, slots=True)
class BaudRequest:
    """BAUD: run at `baud` until no frame has come for `lease_ms` of waiting."""

    baud: int
    lease_ms: int


@dataclass(frozen=True, slots=True)
class LinkTest:
    """LINK_TEST: `down_bytes` of pattern follow the request, `up_bytes` are to follow the reply."""

    down_bytes: int
    up_bytes: int


@dataclass(frozen=True, slots=True)
class LinkTested:
    """LINK_TESTED: pattern bytes the device got, and wrong bits in them."""

    received_bytes: int
    bit_errors: int


def encode_baud(request: BaudRequest) -> bytes:
    return pack(_BAUD, "BAUD", request.baud, request.lease_ms)


def decode_baud(body: bytes) -> BaudRequest:
    return BaudRequest(*unpack(_BAUD, body, "BAUD"))


def encode_baud_set(baud: int) -> bytes:
    return pack(_U32, "BAUD_SET", baud)


def decode_baud_set(body: bytes) -> int:
    return unpack(_U32, body, "BAUD_SET")[0]


def encode_link_test(test: LinkTest) -> bytes:
    return pack(_LINK_TEST, "LINK_TEST", test.down_bytes, test.up_bytes)


def decode_link_test(body: bytes) -> LinkTest:
    return LinkTest(*unpack(_LINK_TEST, body, "LINK_TEST"))


def encode_link_tested(tested: LinkTested) -> bytes:
    return pack(_LINK_TESTED, "LINK_TESTED", tested.received_bytes, tested.bit_errors)


def decode_link_tested(body: bytes) -> LinkTested:
    return LinkTested(*unpack(_LINK_TESTED, body, "LINK_TESTED"))


def pattern(size: int) -> bytes:
    """The first `size` bytes of the pattern: all values, and long and short runs of equal bits."""
    return bytes((index * 197 + 85 ^ index >> 3) & 0xFF for index in range(size))


def bit_errors(received: bytes, expected_bytes: int) -> int:
    """Wrong bits of a received pattern; each missing byte counts as eight."""
    expected = pattern(min(len(received), expected_bytes))
    wrong = int.from_bytes(received[: len(expected)], "little") ^ int.from_bytes(expected, "little")
    return wrong.bit_count() + 8 * (expected_bytes - len(expected))
