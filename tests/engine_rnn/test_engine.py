"""The engine, built for the host, against an independent float64 reference and its own promises.

Tolerance: max|engine - reference| <= 1e-6 x scale, where scale is the largest sum |w||x| + |b| behind any
pre-activation, and at least 1 (17 times the rounding error of a float32 of that size).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_pack import pack_blob
from tests.engine_rnn.engine import Engine, Init
from tests.engine_rnn.random_graphs import random_graph, random_inputs
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, run, run_scaled, tutorial

ARENA_TOO_SMALL = 7
TOLERANCE = 1e-6
GATES = ["sigmoid", "hard_sigmoid", "tanh", "linear", "relu"]


def start(engine: Engine, model: ModelGraph) -> int:
    """Load and init in exactly the planned arena; returns its bytes."""
    blob, arena_bytes, _ = pack_blob(model)
    engine.load(blob)
    assert engine.init(arena_bytes) == Init(0, 0, arena_bytes)
    return arena_bytes


def inputs_of(model: ModelGraph, rng: np.random.Generator, spread: float = 1.0) -> dict[str, NDArray[np.float32]]:
    return {name: rng.normal(0, spread, shape).astype(np.float32) for name, shape in model.inputs.items()}


def check(engine: Engine, model: ModelGraph, inputs: dict[str, NDArray[np.float32]]) -> None:
    engine.reset()
    got = engine.invoke(*inputs.values())
    outputs, scale = run_scaled(model, inputs)
    wanted = np.concatenate([y.reshape(-1) for y in outputs])
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= TOLERANCE * scale


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_random_models_agree_with_the_reference(engine: Engine, seed: int) -> None:
    model = random_graph(seed)
    start(engine, model)
    for spread in (0.1, 1.0, 10.0):
        check(engine, model, random_inputs(model, seed, spread))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_the_planned_arena_is_enough_and_a_byte_less_is_not(sanitized_engine: Engine, seed: int) -> None:
    model = random_graph(seed)
    arena_bytes = start(sanitized_engine, model)
    check(sanitized_engine, model, random_inputs(model, seed, 1.0))
    assert sanitized_engine.init(arena_bytes - 1) == Init(ARENA_TOO_SMALL, 1, 0)
    assert sanitized_engine.init(0) == Init(ARENA_TOO_SMALL, arena_bytes, 0)


@pytest.mark.parametrize("units", [1, 2, 3, 8, 31])
@pytest.mark.parametrize("activation", ["tanh", "linear", "relu"])
@pytest.mark.parametrize("gate", GATES)
def test_lstm_with_every_activation(engine: Engine, units: int, activation: str, gate: str) -> None:
    rng = np.random.default_rng(units)
    layer = lstm_layer(rng, "l", "x", (2, 5), units, activation=activation, recurrent_activation=gate)
    model = graph({"x": (2, 5)}, [layer])
    start(engine, model)
    check(engine, model, inputs_of(model, rng, 0.3))


@pytest.mark.parametrize("outputs", [1, 7, 8, 9, 16, 31])
@pytest.mark.parametrize("inputs", [1, 3, 4, 5, 32])
def test_dense_of_every_remainder(engine: Engine, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(outputs)
    model = graph({"x": (3, inputs)}, [dense_layer(rng, "d", "x", (3, inputs), outputs)])
    start(engine, model)
    check(engine, model, inputs_of(model, rng))


def test_several_inputs_and_outputs_keep_their_order(engine: Engine) -> None:
    rng = np.random.default_rng(5)
    layers = [
        lstm_layer(rng, "a", "second", (4, 2), 3),
        dense_layer(rng, "b", "first", (6,), 2),
        dense_layer(rng, "c", "a", (3,), 9, activation="tanh"),
    ]
    model = graph({"first": (6,), "second": (4, 2)}, layers, ("c", "b", "a"))
    start(engine, model)
    assert engine.shapes() == ([(6,), (4, 2)], [(9,), (2,), (3,)])
    check(engine, model, inputs_of(model, rng))


def test_infer_does_not_depend_on_what_was_inferred_before(engine: Engine) -> None:
    start(engine, tutorial())
    rng = np.random.default_rng(1)
    probe = rng.normal(0, 1, (3, 1)).astype(np.float32)
    engine.reset()
    first = engine.invoke(probe).tobytes()
    for _ in range(20):
        engine.invoke(rng.normal(0, 100, (3, 1)).astype(np.float32))
        engine.reset()
        assert engine.invoke(probe).tobytes() == first


def test_state_is_kept_until_reset(engine: Engine) -> None:
    """Two halves of a sequence without a reset between give what the whole gives."""
    rng = np.random.default_rng(2)
    whole = lstm_layer(rng, "l", "x", (6, 2), 5)
    half = LayerSpec("l", "LSTM", whole.config, whole.weights, ("x",), (5,))
    x = rng.normal(0, 1, (6, 2)).astype(np.float32)
    start(engine, graph({"x": (6, 2)}, [whole]))
    wanted = engine.invoke(x).tobytes()
    start(engine, graph({"x": (3, 2)}, [half]))
    engine.invoke(x[:3])
    assert engine.invoke(x[3:]).tobytes() == wanted


def test_output_outlives_a_reset_of_the_state(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    model = graph({"x": (3, 2)}, [lstm_layer(rng, "l", "x", (3, 2), 5)])
    arena_bytes = start(engine, model)
    y = engine.invoke(rng.normal(0, 1, (3, 2)).astype(np.float32))
    engine.reset()
    assert y.tobytes() in engine.arena()[:arena_bytes]


def test_init_again_with_another_size_leaves_nothing_behind(sanitized_engine: Engine) -> None:
    arena_bytes = start(sanitized_engine, tutorial())
    x = np.ones((3, 1), np.float32)
    wanted = sanitized_engine.invoke(x).tobytes()
    for size in (arena_bytes + 1000, arena_bytes - 16, arena_bytes, 0, arena_bytes + 1):
        status = sanitized_engine.init(size)
        assert (status.code == 0) == (size >= arena_bytes)
        if status.code == 0:
            assert sanitized_engine.invoke(x).tobytes() == wanted
            assert sanitized_engine.arena()[arena_bytes:] == b"\xa5" * (size - arena_bytes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45])
@pytest.mark.parametrize("step", [0, 2])
def test_extreme_inputs_give_what_the_equations_give(sanitized_engine: Engine, bad: float, step: int) -> None:
    model = tutorial()
    start(sanitized_engine, model)
    x = np.zeros((3, 1), np.float32)
    x[step] = bad
    sanitized_engine.reset()
    got = sanitized_engine.invoke(x)
    if np.isnan(bad):
        assert np.isnan(got).all()
    else:
        with np.errstate(all="ignore"):
            wanted = run(model, {"x": x})[0]
        assert np.allclose(got, wanted, atol=1e-5)


def test_the_same_inputs_give_the_same_bits(engine: Engine) -> None:
    start(engine, tutorial())
    x = np.array([[4.6], [8.0], [304.0]], np.float32)
    results = set()
    for _ in range(10):
        engine.reset()
        results.add(engine.invoke(x).tobytes())
    assert len(results) == 1
