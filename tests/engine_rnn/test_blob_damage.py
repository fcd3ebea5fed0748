"""A damaged blob is refused or computed with, but never makes the engine touch a byte outside blob and arena."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model.rnn_pack import pack_blob
from tests.engine_rnn.engine import Engine, Init
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, tutorial

MODEL_INVALID = 12
ARENA_TOO_SMALL = 7
HEADER_BYTES = 32
OPS = HEADER_BYTES + 2 * 24


def _try(engine: Engine, blob: bytes, arena_bytes: int) -> Init:
    """Everything a session does with a model, in an arena of exactly `arena_bytes`."""
    engine.load(blob)
    status = engine.init(arena_bytes)
    assert status.code in (0, MODEL_INVALID, ARENA_TOO_SMALL)
    size = sum(engine.input_bytes())
    if status.code == 0 and size < 400_000:
        assert status.used <= arena_bytes
        engine.invoke_bytes((np.ones(size // 4 + 1, "<f4").tobytes())[:size])
        engine.reset()
    return status


@pytest.fixture(scope="module")
def small() -> tuple[bytes, int]:
    rng = np.random.default_rng(0)
    layers = [
        lstm_layer(rng, "a", "x", (2, 1), 2, sequences=True),
        lstm_layer(rng, "b", "a", (2, 2), 3),
        dense_layer(rng, "c", "b", (3,), 9),
    ]
    blob, arena_bytes, _ = pack_blob(graph({"x": (2, 1)}, layers))
    return blob, arena_bytes


def test_every_byte_of_the_structure_set_to_every_extreme(sanitized_engine: Engine, small: tuple[bytes, int]) -> None:
    blob, arena_bytes = small
    end = struct.unpack_from("<I", blob, 24)[0] + 48 + 48 + 28
    assert end < len(blob)
    for at in range(end):
        for value in {0, 1, 2, 7, 0x7F, 0x80, 0xFF, blob[at] ^ 4} - {blob[at]}:
            _try(sanitized_engine, blob[:at] + bytes([value]) + blob[at + 1 :], arena_bytes)


def test_every_truncation_is_refused(sanitized_engine: Engine, small: tuple[bytes, int]) -> None:
    blob, arena_bytes = small
    for size in range(len(blob)):
        assert _try(sanitized_engine, blob[:size], arena_bytes).code == MODEL_INVALID


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 2**32 - 1)), min_size=1, max_size=4), st.booleans())
def test_words_replaced_at_random(
    sanitized_engine: Engine, small: tuple[bytes, int], changes: list[tuple[int, int]], grow: bool
) -> None:
    blob, arena_bytes = small
    damaged = bytearray(blob)
    for word, value in changes:
        struct.pack_into("<I", damaged, 4 * word, value & (0xFFFFFFFF if grow else 0x1FF))
    _try(sanitized_engine, bytes(damaged), arena_bytes)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(sanitized_engine: Engine, noise: bytes) -> None:
    assert _try(sanitized_engine, noise, 256).code == MODEL_INVALID
    assert _try(sanitized_engine, b"HRNN\x02\x00" + noise, 256).code in (MODEL_INVALID, ARENA_TOO_SMALL, 0)


@pytest.mark.parametrize(("offset", "what"), [(0, 0), (4, 0), (HEADER_BYTES, HEADER_BYTES), (OPS, OPS)])
def test_refusal_says_where(sanitized_engine: Engine, offset: int, what: int) -> None:
    blob, arena_bytes, _ = pack_blob(tutorial())
    damaged = blob[:offset] + b"\xee" + blob[offset + 1 :]
    assert _try(sanitized_engine, damaged, arena_bytes) == Init(MODEL_INVALID, what, 0)


def test_a_model_that_was_ready_is_gone_after_a_refusal(sanitized_engine: Engine) -> None:
    blob, arena_bytes, _ = pack_blob(tutorial())
    assert _try(sanitized_engine, blob, arena_bytes).code == 0
    assert _try(sanitized_engine, b"", arena_bytes) == Init(MODEL_INVALID, 0, 0)
