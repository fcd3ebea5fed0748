"""A model small enough for every board, made without the framework that trains models."""

from __future__ import annotations

import numpy as np

from harness.model.graph import FloatArray, LayerSpec, ModelGraph
from harness.model.packed import PackedModel
from harness.model.rnn_pack import pack_rnn

UNITS, FEATURES, STEPS = 4, 2, 3


def small_model(seed: int = 0) -> PackedModel:
    """LSTM and Dense with random weights; `seed` also stands in the model's identity."""
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> FloatArray:
        return random.normal(size=shape).astype(np.float32)

    lstm = LayerSpec(
        name="lstm",
        kind="LSTM",
        config={"units": UNITS, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True},
        weights={
            "kernel": weights(FEATURES, 4 * UNITS),
            "recurrent_kernel": weights(UNITS, 4 * UNITS),
            "bias": weights(4 * UNITS),
        },
        inputs=("x",),
        output_shape=(UNITS,),
    )
    dense = LayerSpec(
        name="dense",
        kind="Dense",
        config={"units": 1, "activation": "linear", "use_bias": True},
        weights={"kernel": weights(UNITS, 1), "bias": weights(1)},
        inputs=("lstm",),
        output_shape=(1,),
    )
    graph = ModelGraph(
        source_sha256=bytes([seed]) * 32,
        framework="none",
        inputs={"x": (STEPS, FEATURES)},
        layers=(lstm, dense),
        outputs=("dense",),
    )
    return pack_rnn(graph)
