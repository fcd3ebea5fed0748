"""The engine builds without warnings for the smallest and the main target, within its share of flash."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_pack import pack_rnn
from tests.engine_rnn.engine import engine_sources
from tests.engine_rnn.linked import TARGETS, compile_source, linked_bytes
from tests.engine_rnn.reference import dense_layer, graph, recurrent_layer, tutorial

CODE_LIMIT_BYTES = 12288  # half of what engine and session together may take


def _linked(target: str, model: ModelGraph, folder: Path) -> tuple[int, int, int]:
    if shutil.which(TARGETS[target][0]) is None:
        pytest.skip(f"{TARGETS[target][0]} is not installed")
    return linked_bytes(target, pack_rnn(model), folder)


@pytest.mark.parametrize("target", TARGETS)
def test_engine_builds_without_warnings_and_is_small(target: str, tmp_path: Path) -> None:
    code, data, bss = _linked(target, tutorial(), tmp_path)
    assert code < CODE_LIMIT_BYTES
    assert data == 0
    assert bss <= 64


def test_code_no_layer_of_the_model_needs_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dense = graph({"x": (4,)}, [dense_layer(rng, "d", "x", (4,), 3)])
    everything = graph(
        {"x": (3, 4)},
        [
            LayerSpec("mask", "Masking", {"mask_value": 0.0}, {}, ("x",), (3, 4)),
            *(
                recurrent_layer(rng, kind, kind, "mask", (3, 4), 5, return_sequences=True, activation="gelu")
                for kind in ("LSTM", "GRU", "SimpleRNN", "PeepholeLSTM", "CoupledLSTM")
            ),
            LayerSpec("sum", "Add", {}, {}, ("LSTM", "GRU", "SimpleRNN", "PeepholeLSTM", "CoupledLSTM"), (3, 5)),
            dense_layer(rng, "d", "sum", (3, 5), 3),
        ],
    )
    sizes = []
    for name, model in (("dense", dense), ("tutorial", tutorial()), ("everything", everything)):
        (tmp_path / name).mkdir()
        sizes.append(_linked("cortex-m4f", model, tmp_path / name)[0])
    assert sizes[0] < sizes[1] < sizes[2] < CODE_LIMIT_BYTES


def test_model_beyond_an_avr_object_is_refused_with_the_reason(tmp_path: Path) -> None:
    if shutil.which("avr-g++") is None:
        pytest.skip("avr-g++ is not installed")
    model = graph({"x": (100,)}, [dense_layer(np.random.default_rng(0), "d", "x", (100,), 100)])
    (tmp_path / "hil_model.h").write_text(pack_rnn(model).sources["hil_model.h"])
    engine = next(path for path in engine_sources() if path.name == "hil_engine_rnn.cpp")
    done = compile_source("avr-g++", TARGETS["avr"][2], engine, tmp_path)
    assert done.returncode != 0
    assert "8-bit AVR takes models of up to 32767 bytes" in done.stderr
