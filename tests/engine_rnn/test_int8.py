"""Integers throughout: the engine computes the integer equations bit for bit, and they stay near the float model."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_int8 import fixed_point
from harness.model.rnn_pack import PackedBlob, pack_int8
from tests.engine_rnn.engine import Engine, Init
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, recurrent_layer, run

HEADER, TENSOR, ROW = 32, 24, 20
INT8, INT16 = 2, 3
TANH = [min(32767, round(32768 * math.tanh(k / 32))) for k in range(257)]


def chain(seed: int) -> ModelGraph:
    rng = np.random.default_rng(seed)
    steps, features = (int(n) for n in rng.integers(1, 7, 2))
    first, second, third = (int(n) for n in rng.integers(1, 12, 3))
    sequences, backwards = bool(rng.random() < 0.5), bool(rng.random() < 0.3)
    lstm = lstm_layer(rng, "a", "x", (steps, features), first, sequences=sequences, go_backwards=backwards)
    layers = [lstm, dense_layer(rng, "b", "a", lstm.output_shape, second, activation="relu" if seed % 2 else "linear")]
    if sequences:
        layers.append(LayerSpec("flat", "Flatten", {}, {}, ("b",), (steps * second,)))
    layers.append(dense_layer(rng, "c", layers[-1].name, layers[-1].output_shape, third))
    return graph({"x": (steps, features)}, layers)


def packed_with_vectors(model: ModelGraph, seed: int) -> tuple[PackedBlob, NDArray[np.float32]]:
    vectors = np.random.default_rng(seed).normal(0, 1, (20, *model.inputs["x"])).astype(np.float32)
    return pack_int8(model, [vectors]), vectors


def io_specs(blob: bytes) -> list[tuple[float, int]]:
    return [struct.unpack_from("<fi", blob, HEADER + k * TENSOR + 12) for k in range(2)]


def rescale(v: int, multiplier: int, shift: int) -> int:
    return (v * multiplier + (1 << (shift - 1))) >> shift


def clip(v: int, bits: int) -> int:
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, v))


def tanh_q15(x: int) -> int:
    index, rest = divmod(abs(x), 128)
    y = TANH[256] if index >= 256 else TANH[index] + (((TANH[index + 1] - TANH[index]) * rest + 64) >> 7)
    return -y if x < 0 else y


def sigmoid_q15(x: int) -> int:
    return min(32767, (tanh_q15(x >> 1) + 32769) >> 1)


def shift_right(v: int, bits: int) -> int:
    return v if bits == 0 else (v + (1 << (bits - 1))) >> bits


def rows_of(blob: bytes, at: int, rows: int, width: int) -> list[tuple[tuple[int, ...], list[int]]]:
    """Per row: its six numbers, and its weights."""
    found = []
    for j in range(rows):
        numbers = struct.unpack_from("<4iBB", blob, at + j * ROW)
        weights = np.frombuffer(blob, np.int8, width, at + rows * ROW + j * width)
        found.append((numbers, [int(w) for w in weights]))
    return found


def interpret(blob: bytes, x: list[list[int]]) -> list[int]:
    """The blob's integer ops in Python's integers, by the equations of rnn_format.h."""
    op_count, at = struct.unpack_from("<II", blob, 20)
    rows = x
    for _ in range(op_count):
        kind, _, size, _, flags = struct.unpack_from("<BBHHH", blob, at)
        if kind == 11:
            steps, inputs, units, bits, h_shift, h_mult = struct.unpack_from("<HHHBBi", blob, at + 8)
            table = rows_of(blob, struct.unpack_from("<I", blob, at + 40)[0], 4 * units, inputs + units)
            h, c, out = [0] * units, [0] * units, []
            for row in reversed(rows) if flags & 2 else rows:
                z = []
                for (start, bias, xm, hm, xs, hs), w in table:
                    a = rescale(start + sum(p * q for p, q in zip(w, row, strict=False)), xm, xs)
                    b = rescale(sum(p * q for p, q in zip(w[inputs:], h, strict=True)), hm, hs)
                    z.append(clip(clip(a, 16) + clip(b, 16) + clip(bias, 16), 16))
                i, f, g, o = (z[k * units : (k + 1) * units] for k in range(4))
                for j in range(units):
                    kept = shift_right(sigmoid_q15(f[j]) * c[j], 15)
                    c[j] = clip(kept + shift_right(sigmoid_q15(i[j]) * tanh_q15(g[j]), 30 - bits), 16)
                    cell = shift_right(c[j], bits - 12) if bits >= 12 else clip(c[j] << (12 - bits), 16)
                    y = shift_right(sigmoid_q15(o[j]) * tanh_q15(cell), 15)
                    h[j] = clip(rescale(y, h_mult, h_shift), 8)
                out.append(list(h))
            rows = out if flags & 1 else [h]
        else:
            assert kind == 12
            steps, inputs, outputs, zero, lowest = struct.unpack_from("<HHHbb", blob, at + 8)
            table = rows_of(blob, struct.unpack_from("<I", blob, at + 24)[0], outputs, inputs)
            flat = [v for row in rows for v in row]
            rows = []
            for t in range(steps):
                row = flat[t * inputs : (t + 1) * inputs]
                sums = []
                for (start, bias, multiplier, _, shift, _), w in table:
                    total = start + bias + sum(p * q for p, q in zip(w, row, strict=True))
                    sums.append((total, multiplier, shift))
                rows.append([max(lowest, clip(clip(rescale(v, m, s), 16) + zero, 8)) for v, m, s in sums])
        at += size
    return [v for row in rows for v in row]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_the_engine_computes_the_integer_equations_bit_for_bit_and_near_the_float_model(
    sanitized_engine: Engine, seed: int
) -> None:
    model = chain(seed)
    packed, vectors = packed_with_vectors(model, seed)
    (in_scale, in_zero), (out_scale, out_zero) = io_specs(packed.blob)
    sanitized_engine.load(packed.blob)
    assert sanitized_engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
    assert sanitized_engine.init(packed.arena_bytes - 1).code != 0
    assert sanitized_engine.init(packed.arena_bytes).code == 0
    errors, spread = [], []
    for vector in vectors[:6]:
        stored = np.clip(np.rint(vector / in_scale + in_zero), -128, 127).astype(np.int8)
        sanitized_engine.reset()
        got = sanitized_engine.invoke_bytes(stored.tobytes())
        assert list(np.frombuffer(got, np.int8)) == interpret(packed.blob, stored.astype(int).tolist())
        wanted = run(model, {"x": vector})[0].reshape(-1)
        errors.append(np.abs((np.frombuffer(got, np.int8).astype(float) - out_zero) * out_scale - wanted).max())
        spread.append(wanted)
    # Of two rounded layers and rounded inputs; a wrong gate, scale or sign is off by the whole range.
    assert np.median(errors) < 0.25 * max(float(np.ptp(spread)), 40 * out_scale)


def uneven(seed: int, steps: int, features: int, *, backwards: bool = False) -> tuple[ModelGraph, NDArray[np.float32]]:
    """An LSTM and a Dense layer, and vectors whose last step is 500 times as large as the others."""
    rng = np.random.default_rng(seed)
    lstm = lstm_layer(rng, "a", "x", (steps, features), 6, sequences=False, go_backwards=backwards)
    vectors = rng.normal(0, 1, (20, steps, features)).astype(np.float32)
    vectors[:, -1] *= 500
    return graph({"x": (steps, features)}, [lstm, dense_layer(rng, "b", "a", (6,), 3)]), vectors


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 5), st.booleans())
def test_inputs_of_very_different_sizes_are_kept_in_16_bits(
    sanitized_engine: Engine, seed: int, steps: int, features: int, backwards: bool
) -> None:
    model, vectors = uneven(seed, steps, features, backwards=backwards)
    packed = pack_int8(model, [vectors])
    assume(packed.blob[HEADER] == INT16)  # not where a saturated last step hides the others
    in_scale, in_zero = io_specs(packed.blob)[0]
    assert (in_zero, packed.input_bytes, packed.output_bytes) == (0, 2 * steps * features, 3)
    sanitized_engine.load(packed.blob)
    assert sanitized_engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
    assert sanitized_engine.input_bytes() == [2 * steps * features]
    extremes = (np.full_like(vectors[0], 1e9), np.full_like(vectors[0], -1e9))
    for vector in (*vectors[:6], *extremes):
        stored = np.clip(np.rint(vector / in_scale), -32768, 32767).astype("<i2")
        sanitized_engine.reset()
        got = sanitized_engine.invoke_bytes(stored.tobytes())
        assert list(np.frombuffer(got, np.int8)) == interpret(packed.blob, stored.astype(int).tolist())


def test_16_bits_are_taken_only_where_8_lose_too_much() -> None:
    model, vectors = uneven(3, 3, 2)
    vectors[:, -1] /= 500
    assert pack_int8(model, [vectors]).blob[HEADER] == INT8


def test_what_reads_the_input_besides_an_lstm_keeps_it_in_8_bits() -> None:
    model, vectors = uneven(3, 3, 2)
    rng = np.random.default_rng(0)
    layers = [*model.layers, dense_layer(rng, "c", "x", (3, 2), 2)]
    both = replace(model, layers=tuple(layers), outputs=("b", "c"))
    assert pack_int8(both, [vectors]).blob[HEADER] == INT8


def test_more_16_bit_features_than_a_sum_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, vectors = uneven(3, 2, 513)
    monkeypatch.setattr("harness.model.rnn_calibrate.INPUT_ROUNDING_SHARE", 0.0)
    with pytest.raises(UsageError, match=r"'a' \(LSTM\) has 513 features; the rnn engine takes up to 512"):
        pack_int8(model, [vectors])


@pytest.mark.parametrize("wide", [False, True])
def test_every_byte_of_the_structure_set_to_extremes_stays_inside(sanitized_engine: Engine, wide: bool) -> None:
    packed, _ = packed_with_vectors(chain(1), 1)
    if wide:
        model, vectors = uneven(3, 4, 3)
        packed = pack_int8(model, [vectors])
        assert packed.blob[HEADER] == INT16
    end = HEADER + 2 * TENSOR + 44 + 28 + 28 + 200
    for at in range(HEADER, min(end, len(packed.blob))):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            damaged = packed.blob[:at] + bytes([value]) + packed.blob[at + 1 :]
            sanitized_engine.load(damaged)
            if sanitized_engine.init(packed.arena_bytes).code == 0:
                sizes = sanitized_engine.input_bytes()
                if sum(sizes) < 100_000:
                    sanitized_engine.invoke_bytes(b"\x7f" * sum(sizes))


@pytest.mark.parametrize("factor", [1e-9, 3.1e-5, 0.25, 0.999999, 1.0, 17.3, 1e6])
def test_fixed_point_is_the_nearest_multiplier(factor: float) -> None:
    multiplier, shift = fixed_point(factor)
    assert 1 <= shift <= 62
    assert 0 < multiplier < 1 << 31
    assert abs(multiplier / 2**shift - factor) <= factor * 2**-24


def test_layer_without_an_integer_form_is_named_with_what_to_do() -> None:
    layer = recurrent_layer(np.random.default_rng(0), "GRU", "gate", "x", (3, 2), 4)
    with pytest.raises(UsageError, match=r"'gate' \(GRU\) has no integer form") as caught:
        packed_with_vectors(graph({"x": (3, 2)}, [layer]), 0)
    assert caught.value.hint is not None
    assert "--quantise int8-weights" in caught.value.hint


def test_softmax_after_integer_layers_is_computed_in_float(engine: Engine) -> None:
    rng = np.random.default_rng(0)
    layers = [lstm_layer(rng, "a", "x", (3, 2), 6), dense_layer(rng, "b", "a", (6,), 4, activation="softmax")]
    packed, vectors = packed_with_vectors(graph({"x": (3, 2)}, layers), 0)
    (scale, zero), _ = io_specs(packed.blob)
    engine.load(packed.blob)
    assert engine.init(packed.arena_bytes).code == 0
    stored = np.clip(np.rint(vectors[0] / scale + zero), -128, 127).astype(np.int8)
    got = np.frombuffer(engine.invoke_bytes(stored.tobytes()), "<f4")
    assert got.sum() == pytest.approx(1.0)
    assert np.abs(got - run(graph({"x": (3, 2)}, layers), {"x": vectors[0]})[0]).max() < 0.05
