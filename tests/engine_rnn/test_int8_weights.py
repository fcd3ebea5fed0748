"""Weights in int8: the engine computes what the equations give with the rounded weights, in a quarter of the flash."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model.graph import FloatArray, ModelGraph
from harness.model.rnn_fold import fold
from harness.model.rnn_pack import pack
from tests.engine_rnn.engine import Engine, Init
from tests.engine_rnn.random_graphs import random_graph, random_inputs
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, run_scaled, tutorial

TOLERANCE = 1e-6


def rounded(model: ModelGraph) -> ModelGraph:
    """The model with each column of each kernel rounded to 255 steps, as the packer stores it."""

    def column(name: str, array: FloatArray) -> FloatArray:
        if not name.rpartition("/")[2].endswith("kernel") or "peephole" in name:
            return array
        top = np.abs(array).max(axis=0)
        scale = np.where(top > 0, top / 127.0, 1.0).astype(np.float32)
        return np.asarray(np.rint(array.astype(np.float64) / scale) * scale, np.float32)

    layers = [
        dataclasses.replace(layer, weights={name: column(name, array) for name, array in layer.weights.items()})
        for layer in model.layers
    ]
    return dataclasses.replace(model, layers=tuple(layers))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_random_models_agree_with_the_reference_on_rounded_weights(sanitized_engine: Engine, seed: int) -> None:
    model = fold(random_graph(seed))
    model = dataclasses.replace(
        model,
        layers=tuple(dataclasses.replace(y, kind="Dropout") if y.kind == "Identity" else y for y in model.layers),
    )
    packed = pack(model, int8_weights=True)
    sanitized_engine.load(packed.blob)
    assert sanitized_engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
    inputs = random_inputs(model, seed, 1.0)
    outputs, scale = run_scaled(rounded(model), inputs)
    got = sanitized_engine.invoke(*inputs.values())
    assert np.abs(got - np.concatenate([y.reshape(-1) for y in outputs])).max() <= TOLERANCE * scale


def test_a_large_model_takes_little_more_than_a_quarter() -> None:
    rng = np.random.default_rng(0)
    layers = [
        lstm_layer(rng, "l", "x", (5, 32), 64),
        dense_layer(rng, "d", "l", (64,), 64),
    ]
    model = graph({"x": (5, 32)}, layers)
    assert len(pack(model, int8_weights=True).blob) < 0.30 * len(pack(model).blob)


def test_the_tutorial_model_loses_little(engine: Engine) -> None:
    results = []
    x = np.array([[0.5], [-1.0], [0.25]], np.float32)
    for int8 in (False, True):
        packed = pack(tutorial(), int8_weights=int8)
        engine.load(packed.blob)
        assert engine.init(packed.arena_bytes).code == 0
        results.append(engine.invoke(x))
    assert 0 < np.abs(results[1] - results[0]).max() < 0.02
