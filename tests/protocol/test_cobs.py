"""COBS: every byte string survives, no zero goes out, nonsense is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.protocol import cobs

awkward = st.lists(st.sampled_from([b"\0", b"\x01", b"\xff", b"\xaa" * 253, b"\xbb" * 254, b"\xcc" * 255]), max_size=12)


def by_the_book(data: bytes) -> bytes:
    """The byte-by-byte encoder of the paper: slow, independent of ours."""
    out, code_at, code = bytearray(1), 0, 1
    for index, byte in enumerate(data):
        if byte:
            out.append(byte)
            code += 1
        full = code == 0xFF and index + 1 < len(data)
        if byte == 0 or full:
            out[code_at], code_at, code = code, len(out), 1
            out.append(0)
    out[code_at] = code
    return bytes(out)


@given(st.binary(max_size=2000) | awkward.map(b"".join))
@example(b"")
@example(b"\x11" * 254)
@example(b"\x11" * 254 + b"\0")
@example(b"\x11" * 508)
def test_roundtrip_without_zeros_within_the_bound_and_canonical(data: bytes) -> None:
    encoded = cobs.encode(data)
    assert 0 not in encoded
    assert len(encoded) <= cobs.encoded_bound(len(data))
    assert cobs.decode(encoded) == data
    assert encoded == by_the_book(data)


def test_a_needless_last_code_is_taken() -> None:
    assert cobs.decode(b"\xff" + b"\x11" * 254 + b"\x01") == b"\x11" * 254


@pytest.mark.parametrize("encoded", [b"", b"\x02", b"\x05abc", b"\x01\x00", b"\xff" + b"\x11" * 253])
def test_what_is_cut_short_or_empty_is_refused(encoded: bytes) -> None:
    with pytest.raises(cobs.CobsError):
        cobs.decode(encoded)


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_are_refused(encoded: bytes) -> None:
    with contextlib.suppress(cobs.CobsError):
        assert len(cobs.decode(encoded)) <= len(encoded)
