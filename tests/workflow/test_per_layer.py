"""`--per-layer` finds the layer that went wrong, on the real firmware; Keras' layers come from its own process."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.bundle import load_bundle
from harness.model.packed import PackedModel
from harness.report.layers import layers_note
from harness.workflow.per_layer import check_traceable, first_difference
from harness.workflow.prepare import prepare
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, find_board, open_target, run_on

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed"),
    pytest.mark.timeout(180),
]


def test_the_first_layer_that_differs_is_named_and_costs_are_told() -> None:
    bundle = load_bundle("fuel_lstm")
    bent = {name: array.copy() for name, array in bundle.graph.layers[1].weights.items()}
    bent["recurrent_kernel"][3, 7] += np.float32(0.5)
    layers = list(bundle.graph.layers)
    layers[1] = dataclasses.replace(layers[1], weights=bent)
    wrong = dataclasses.replace(bundle, graph=dataclasses.replace(bundle.graph, layers=tuple(layers)))

    board = find_board("host")
    prepared = prepare(wrong, board, engine="rnn", arena_bytes=None, progress=Silent())
    with open_target(board, port=None, serial_number=None) as target:
        record = run_on(target, prepared, RunOptions(board="host", per_layer=True), Silent()).record
    assert [layer.name for layer in record.layers] == [layer.name for layer in bundle.graph.layers]
    assert [layer.macs for layer in record.layers] == [1872, 3456, 384, 32]
    assert [layer.differs for layer in record.layers] == [False, True, True, True]
    found = first_difference(record.layers)
    assert found is not None
    assert found.name == layers[1].name
    assert found.max_abs is not None
    assert found.max_abs > 1e-4
    assert layers[1].name in layers_note(record)


def test_an_engine_that_shows_no_layers_is_refused_before_a_build() -> None:
    with pytest.raises(UsageError, match="engine tflm does not show its layers"):
        check_traceable(PackedModel("tflm", bytes(32), {}, None, 0, 0))


@pytest.mark.parametrize("name", ["fuel_lstm_int8", "digits_int8"])
def test_layers_in_integers_are_compared_in_real_numbers(name: str) -> None:
    bundle, board = load_bundle(name), find_board("host")
    prepared = prepare(bundle, board, engine="rnn", arena_bytes=None, progress=Silent())
    with open_target(board, port=None, serial_number=None) as target:
        record = run_on(target, prepared, RunOptions(board="host", per_layer=True), Silent()).record
    assert [layer.name for layer in record.layers] == [layer.name for layer in bundle.graph.layers]
    for layer in record.layers:
        assert not layer.differs
        assert layer.max_abs is not None and layer.range is not None
        assert 0 < layer.max_abs < 0.05 * layer.range or layer.range == 0
