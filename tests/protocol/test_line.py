"""BAUD and LINK_TEST bodies, and the pattern whose wrong bits are counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocol import line
from harness.protocol.tlv import MessageError

U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


@given(U32, U16)
def test_baud_survives_the_wire(baud: int, lease_ms: int) -> None:
    request = line.BaudRequest(baud, lease_ms)
    assert line.decode_baud(line.encode_baud(request)) == request
    assert line.decode_baud_set(line.encode_baud_set(baud)) == baud


@given(U16, U16, U32)
def test_link_test_survives_the_wire(down: int, up: int, errors: int) -> None:
    assert line.decode_link_test(line.encode_link_test(line.LinkTest(down, up))) == line.LinkTest(down, up)
    tested = line.LinkTested(down, errors)
    assert line.decode_link_tested(line.encode_link_tested(tested)) == tested


@given(st.binary(max_size=12))
def test_a_malformed_body_is_a_message_error_and_nothing_else(body: bytes) -> None:
    for decode in (line.decode_baud, line.decode_baud_set, line.decode_link_test, line.decode_link_tested):
        try:
            decode(body)
        except MessageError:
            continue


def test_the_pattern_is_that_of_the_specification_and_holds_every_value() -> None:
    assert line.pattern(1000) == bytes(((197 * i + 85) ^ (i >> 3)) % 256 for i in range(1000))
    assert set(line.pattern(1024)) == set(range(256))


@given(st.integers(1, 200), st.lists(st.integers(0, 8 * 200 - 1), unique=True, max_size=20))
def test_each_flipped_bit_counts_once(size: int, flips: list[int]) -> None:
    received = bytearray(line.pattern(size))
    flips = [bit for bit in flips if bit < 8 * size]
    for bit in flips:
        received[bit // 8] ^= 1 << bit % 8
    assert line.bit_errors(bytes(received), size) == len(flips)


def test_a_missing_byte_counts_eight_and_what_comes_behind_counts_nothing() -> None:
    assert line.bit_errors(line.pattern(9), 10) == 8
    assert line.bit_errors(line.pattern(10) + b"noise", 10) == 0
    assert line.bit_errors(b"", 10) == 80


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_what_does_not_fit_its_field_is_a_message_error(value: int) -> None:
    with pytest.raises(MessageError):
        line.encode_baud_set(value)
