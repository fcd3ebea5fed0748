"""Models without a fused form: unrolled they compute what Keras does in the real TFLM, or are refused by name.

HIL_UNROLLED_MODELS=N converts N random models as well (half a minute for five); HIL_UNROLLED_SEED numbers the first.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.errors import EXIT_PASS, EXIT_USAGE, UsageError
from harness.model.bundle import Bundle, load_bundle
from harness.model.lengths import with_lengths
from harness.model.tflite_header import parse_header
from harness.model.tflite_lint import errors_of
from harness.model.tflite_make import convert_model
from harness.model.tflite_read import read_tflite
from harness.model.tflite_unrolled import MAX_STEPS, unrolled_tflite
from harness.model.tflite_ways import convert_graph
from tests.tflite.models import model, plain

COUNT = int(os.environ.get("HIL_UNROLLED_MODELS", "0"))
SEED = int(os.environ.get("HIL_UNROLLED_SEED", "100"))

pytestmark = [
    pytest.mark.usefixtures("needs_tflm"),
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="tensorflow is not installed: conversion of GRU, SimpleRNN and Bidirectional for TFLM is NOT proved",
    ),
    pytest.mark.timeout(300 + 30 * COUNT),
]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HIL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.keras and NAME.npz of each model."""
    path = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-m", "tests.tflite.recurrent_models", str(path), str(SEED), str(COUNT)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    return path


@pytest.mark.parametrize("name", ["gru", "bidirectional"])
def test_shipped_bundle_passes_the_three_way_table_without_leakage(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    assert main(["run", name, "--engine", "tflm", "-b", "host-tflm", "-q", "--json", str(result)]) == EXIT_PASS
    values = json.loads(result.read_text())
    assert (values["conversion"]["way"], values["conversion"]["at_fault"]) == ("unrolled", "none")
    assert values["accuracy"]["converted_vs_keras"]["max_abs"] < 1e-5
    assert values["leakage"]["identical"] is True
    assert "float32, unrolled" in capsys.readouterr().out


def test_no_state_is_left_to_leak_even_where_nobody_clears_it(tmp_path: Path) -> None:
    words = ["run", "gru", "--engine", "tflm", "-b", "host-tflm", "-q", "--test-no-state-reset"]
    assert main([*words, "--json", str(tmp_path / "r.json")]) == EXIT_PASS


@pytest.mark.parametrize("name", ["gru", "stateful"])
def test_layers_without_fused_operator_compute_what_keras_does(name: str, folder: Path) -> None:
    made = convert_model(str(folder / f"{name}.keras"), calibrate=folder / f"{name}.npz")
    assert made.way == "unrolled"
    assert "'gru'" in made.why
    assert not errors_of(made.findings)
    read = read_tflite(made.tflite)
    assert len(read.subgraphs) == 1
    assert not {"WHILE", "VAR_HANDLE", "UNIDIRECTIONAL_SEQUENCE_LSTM"} & set(read.operator_names)
    assert set(parse_header(made.header).operators) == set(read.operator_names)
    steps = np.load(folder / f"{name}.npz")["x"].shape[1]
    assert read.inputs[0].shape == (1, steps, 2), "a length left open is that of the vectors"
    assert made.check is not None
    assert made.check.max_abs <= 1e-5 * max(1.0, made.check.golden_range)


def test_states_handed_from_layer_to_layer_and_returned_keep_their_order(folder: Path) -> None:
    made = convert_model(str(folder / "states.keras"), calibrate=folder / "states.npz")
    assert [tensor.shape for tensor in read_tflite(made.tflite).outputs] == [(1, 3)] * 3
    assert made.check is not None
    assert made.check.max_abs < 1e-5, "the three outputs differ by far more"


@pytest.mark.parametrize("int8", [False, True])
def test_another_process_gives_the_same_bytes(int8: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle("stacked45")
    made = set()
    for cache in ("one", "two"):
        monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / cache))
        made.add(unrolled_tflite(bundle.model_path, bundle.graph, calibration=bundle.inputs if int8 else None))
    assert len(made) == 1


def test_int8_is_near_keras_throughout() -> None:
    made = convert_model("gru", int8=True)
    assert {tensor.dtype for tensor in (*read_tflite(made.tflite).inputs, *read_tflite(made.tflite).outputs)} == {
        "INT8"
    }
    assert made.check is not None
    assert made.check.max_abs < 0.05 * made.check.golden_range


def test_convert_says_which_way_it_took_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out" / "simple.tflite"
    out.parent.mkdir()
    words = ["convert", str(folder / "simple.keras"), "--calibrate", str(folder / "simple.npz"), "-q", "-o", str(out)]
    assert main(words) == EXIT_PASS
    shown = capsys.readouterr().out
    for word in ("operators", "bytes", "unrolled", "'an rnn'", "SimpleRNN"):
        assert word in shown
    assert main(["convert", "fuel_lstm", "-q", "-o", str(out)]) == EXIT_PASS
    assert "fused" in capsys.readouterr().out


def test_what_no_library_has_is_refused_by_operator(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, vectors = str(folder / "masked.keras"), str(folder / "masked.npz")
    out = folder / "masked.tflite"
    assert main(["convert", path, "--calibrate", vectors, "-q", "-o", str(out)]) == EXIT_USAGE
    error = capsys.readouterr().err
    assert "refused by lint" in error
    assert "operator REDUCE_ANY [missing-operator]" in error
    assert not out.exists()


def test_too_many_steps_are_refused_with_numbers_before_tensorflow_starts() -> None:
    long = plain("g", "GRU", "x", (2,), return_sequences=False)
    with pytest.raises(UsageError, match=rf"500 time steps: about 8,500 operators .* more than {MAX_STEPS}") as caught:
        convert_graph(model(1, (500, 1), long), model=Path("never opened"))
    assert "rnn" in (caught.value.hint or "")


def test_lengths_are_refused_by_name() -> None:
    graph = with_lengths(model(1, (5, 2), plain("g", "GRU", "x", (2,), return_sequences=False)))
    with pytest.raises(UsageError, match="vectors with lengths"):
        convert_graph(graph, model=Path("never opened"))


def test_kept_state_is_refused_where_only_unrolling_would_do() -> None:
    bundle: Bundle = load_bundle("gru")
    with pytest.raises(UsageError, match=r"'gru_after'.*would not keep its state"):
        convert_graph(bundle.graph, model=bundle.model_path, stateful=True)


@pytest.mark.skipif(
    COUNT == 0, reason="HIL_UNROLLED_MODELS is not set: random recurrent models are NOT converted and compared"
)
def test_random_models_agree_with_keras_or_are_refused_by_name(folder: Path) -> None:
    agreed = 0
    for seed in range(SEED, SEED + COUNT):
        try:
            made = convert_model(str(folder / f"{seed}.keras"), calibrate=folder / f"{seed}.npz")
        except UsageError as refused:
            assert refused.what, f"HIL_UNROLLED_SEED={seed}"
            continue
        if errors_of(made.findings):
            assert {finding.rule for finding in errors_of(made.findings)} <= {"missing-operator", "wire-type"}
            continue
        agreed += 1
        assert made.check is not None
        limit = 1e-4 * max(made.check.golden_range, 0.01)
        assert made.check.max_abs <= limit, f"HIL_UNROLLED_SEED={seed}: {made.check}"
    assert agreed >= COUNT // 4, f"only {agreed} of {COUNT} could be compared"
