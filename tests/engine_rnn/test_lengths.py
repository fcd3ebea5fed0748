"""Lengths that travel with the vector: steps beyond them do not count, in every recurrent layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.lengths import with_lengths
from harness.model.rnn_pack import PackedBlob, pack, pack_int8
from tests.engine_rnn.engine import Engine, Init
from tests.engine_rnn.reference import dense_layer, graph, recurrent_layer, run, run_scaled

KINDS = ["LSTM", "GRU", "SimpleRNN", "PeepholeLSTM", "CoupledLSTM"]
STEPS, FEATURES = 6, 3
TOLERANCE = 1e-6


def recurrent(seed: int, kind: str, **config: object) -> ModelGraph:
    rng = np.random.default_rng(seed)
    layer = recurrent_layer(rng, kind, "a", "x", (STEPS, FEATURES), 5, **config)
    return graph({"x": (STEPS, FEATURES)}, [layer])


def loaded(engine: Engine, model: ModelGraph) -> PackedBlob:
    packed = pack(model)
    engine.load(packed.blob)
    assert engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
    return packed


def invoke(engine: Engine, x: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    engine.reset()
    return np.frombuffer(engine.invoke_bytes(x.astype("<f4").tobytes() + np.int16(length).tobytes()), "<f4")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.booleans(), st.booleans(), st.booleans())
def test_the_engine_is_the_reference_for_every_length(
    sanitized_engine: Engine, seed: int, kind: str, sequences: bool, backwards: bool, zero: bool
) -> None:
    how = {"return_sequences": sequences, "go_backwards": backwards, "zero_output_for_mask": zero}
    model = with_lengths(recurrent(seed, kind, **how))
    packed = loaded(sanitized_engine, model)
    assert packed.input_bytes == 4 * STEPS * FEATURES + 2
    x = np.random.default_rng(seed).normal(0, 1, (STEPS, FEATURES)).astype(np.float32)
    for length in range(1, STEPS + 1):
        inputs = {"x": x, "lengths": np.array([length], np.float32)}
        (wanted,), scale = run_scaled(model, inputs)
        assert np.abs(invoke(sanitized_engine, x, length) - wanted.reshape(-1)).max() <= TOLERANCE * scale


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_of_a_length_gives_what_its_first_steps_alone_give(engine: Engine, kind: str) -> None:
    model = recurrent(1, kind)
    loaded(engine, with_lengths(model))
    x = np.random.default_rng(2).normal(0, 1, (STEPS, FEATURES)).astype(np.float32)
    results = []
    for length in range(1, STEPS + 1):
        short = replace(model, inputs={"x": (length, FEATURES)})
        got = invoke(engine, x, length)
        assert np.abs(got - run(short, {"x": x[:length]})[0]).max() < 1e-5
        noisy = x.copy()
        noisy[length:] = 1e6
        assert np.array_equal(invoke(engine, noisy, length), got)
        results.append(got)
    assert len({result.tobytes() for result in results}) == STEPS


@pytest.mark.parametrize("length", [-32768, -1, 0, STEPS + 1, 32767])
def test_a_length_that_no_host_sends_stays_inside_the_arena(sanitized_engine: Engine, length: int) -> None:
    loaded(sanitized_engine, with_lengths(recurrent(1, "LSTM", return_sequences=True)))
    x = np.ones((STEPS, FEATURES), np.float32)
    got = invoke(sanitized_engine, x, length)
    wanted = np.zeros_like(got) if length <= 0 else invoke(sanitized_engine, x, STEPS)
    assert np.array_equal(got, wanted)


def test_every_byte_of_the_structure_set_to_extremes_stays_inside(sanitized_engine: Engine) -> None:
    packed = pack(with_lengths(recurrent(1, "GRU")))
    for at in range(len(packed.blob) - 400):
        for value in (0, 1, 3, 0x7F, 0x80, 0xFF):
            sanitized_engine.load(packed.blob[:at] + bytes([value]) + packed.blob[at + 1 :])
            if sanitized_engine.init(packed.arena_bytes).code == 0:
                size = sum(sanitized_engine.input_bytes())
                if size < 100_000:
                    sanitized_engine.invoke_bytes(b"\x7f" * size)


def test_a_model_that_would_not_look_at_them_is_refused() -> None:
    rng = np.random.default_rng(0)
    flat = LayerSpec("flat", "Flatten", {}, {}, ("x",), (STEPS * FEATURES,))
    dense = dense_layer(rng, "d", "flat", (STEPS * FEATURES,), 2)
    masking = LayerSpec("mask", "Masking", {"mask_value": 0.0}, {}, ("x",), (STEPS, FEATURES))
    own_mask = recurrent_layer(rng, "LSTM", "a", "mask", (STEPS, FEATURES), 3)
    for layers in ([flat, dense], [masking, own_mask]):
        with pytest.raises(UsageError, match="no recurrent layer of the model would look at them"):
            pack(with_lengths(graph({"x": (STEPS, FEATURES)}, layers)))


def test_integers_throughout_have_no_masks() -> None:
    model = with_lengths(recurrent(1, "LSTM"))
    vectors = [np.ones((2, STEPS, FEATURES), np.float32), np.ones((2, 1), np.float32)]
    with pytest.raises(UsageError, match=r"'lengths mask' \(LengthMask\) has no integer form"):
        pack_int8(model, vectors)
