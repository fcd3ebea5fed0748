"""Keras in a process of its own: real models, real refusals, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.bundle import Bundle, load_bundle
from harness.model.golden import golden_from_worker, layer_outputs_for
from harness.model.keras_file import read_keras_file
from harness.model.rnn_pack import pack_rnn
from harness.resources import models_dir
from harness.workflow.progress import Silent
from harness.workflow.rnn_here import run_rnn_here
from tests.model.conftest import ROOT, write_zip

FUEL = models_dir() / "fuel_lstm"


@pytest.fixture(scope="module")
def two(keras_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The functional model with two inputs and two outputs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return load_bundle(keras_models / "two.keras", vectors=keras_models / "two.npz")


def test_golden_outputs_are_keras_predictions(two: Bundle, keras_models: Path) -> None:
    with np.load(keras_models / "two_expected.npz") as expected:
        np.testing.assert_allclose(two.golden[0], expected["classes"], atol=1e-6)
        np.testing.assert_allclose(two.golden[1], expected["cell"], atol=1e-6)


def test_a_functional_graph_is_told_with_shared_layers_and_states(two: Bundle) -> None:
    assert dict(two.graph.inputs) == {"sequence": (4, 2), "extra": (3,)}
    assert two.graph.outputs == ("classes", "lstm:2")
    layers = {layer.name: layer for layer in two.graph.layers}
    assert layers["shared@1"].inputs == ("extra",)
    assert layers["sum"].inputs == ("shared", "shared@1")
    assert {name: array.shape for name, array in layers["gru"].weights.items()} == {
        "kernel": (2, 9),
        "recurrent_kernel": (3, 9),
        "bias": (2, 9),
    }
    assert layers["gru"].config["reset_after"] is True
    assert layers["lstm"].config["return_state"] is True
    names = list(layers)
    assert all(name in names[:i] or name in two.graph.inputs for i, n in enumerate(names) for name in layers[n].inputs)


def test_adapted_normalization_keeps_the_digits_of_a_large_mean(keras_models: Path, tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).normal([1013.25, -40.0], [0.5, 0.01], (20, 4, 2)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    bundle = load_bundle(keras_models / "sensor.keras", vectors=tmp_path / "v.npy")
    (outputs,), *_ = run_rnn_here(bundle, pack_rnn(bundle.graph), Silent())
    # mean / deviation is 4000: as one multiply-add this would be 1e-4 off.
    np.testing.assert_allclose(outputs, bundle.golden[0], atol=2e-6)


def test_names_that_no_tensorflow_graph_takes_are_kept(keras_models: Path, tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).normal(size=(3, 4, 2)).astype("f4")
    np.save(tmp_path / "v.npy", vectors)
    bundle = load_bundle(keras_models / "named.keras", vectors=tmp_path / "v.npy")
    assert [layer.name for layer in bundle.graph.layers] == ["première couche", "_out, °C"]
    assert (dict(bundle.graph.inputs), bundle.graph.outputs) == ({"my input": (4, 2)}, ("_out, °C",))
    (outputs,), *_ = run_rnn_here(bundle, pack_rnn(bundle.graph), Silent())
    np.testing.assert_allclose(outputs, bundle.golden[0], atol=1e-5)
    layers = layer_outputs_for(keras_models / "named.keras", bundle.model_sha256, {"my input": vectors[0]})
    np.testing.assert_array_equal(layers["_out, °C"], bundle.golden[0][0])


def test_free_lengths_become_those_of_the_vectors(keras_models: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(2, 7, 2)).astype(np.float32))
    bundle = load_bundle(keras_models / "any.keras", vectors=tmp_path / "v.npy")
    both, stack = bundle.graph.layers
    assert dict(bundle.graph.inputs) == {"steps": (7, 2)}
    assert (both.kind, both.output_shape) == ("Bidirectional", (7, 6))
    assert (both.config["layer.kind"], both.config["layer.units"]) == ("LSTM", 3)
    assert both.weights["backward/recurrent_kernel"].shape == (3, 12)
    assert (stack.config["cell.kind"], stack.config["cell.cells.1.kind"]) == ("StackedRNNCells", "GRUCell")
    assert stack.weights["1/kernel"].shape == (2, 12)


def test_state_is_kept_between_vectors_if_the_bundle_says_so(keras_models: Path, tmp_path: Path) -> None:
    (tmp_path / "counter.keras").write_bytes((keras_models / "counter.keras").read_bytes())
    np.savez(tmp_path / "v.npz", np.array([1, 2, 3], np.float32).reshape(3, 1, 1))
    (tmp_path / "bundle.toml").write_text(
        'name = "counter"\ntask = "regression"\nstateful = true\n[files]\nmodel = "counter.keras"\nvectors = "v.npz"\n'
    )
    assert load_bundle(tmp_path).golden[0][:, 0].tolist() == [1, 3, 6]


def test_legacy_hdf5_is_taken_where_the_caller_says_so_and_state_is_cleared_between_vectors(
    keras_models: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.array([1, 2], np.float32).reshape(2, 1, 1))
    with pytest.raises(UsageError, match="can run code"):
        load_bundle(keras_models / "counter.h5", vectors=tmp_path / "v.npy")
    bundle = load_bundle(keras_models / "counter.h5", vectors=tmp_path / "v.npy", allow_h5=True)
    assert bundle.golden[0].tolist() == [[1], [2]]  # not [1], [3]: the layer is stateful, the bundle is not


def test_a_golden_output_depends_on_its_own_vector_alone_to_the_last_bit() -> None:
    with np.load(FUEL / "vectors.npz") as npz:
        vectors = npz["features"]
    digest = read_keras_file(FUEL / "model.keras").sha256
    some = golden_from_worker(FUEL / "model.keras", digest, {"features": vectors[[40, 3, 17, 3, 40, 40]]}).outputs[0]
    assert len({row.tobytes() for row in some[[0, 4, 5]]}) == 1
    assert some[1].tobytes() == some[3].tobytes()
    # The shipped outputs may come from another kind of CPU.
    np.testing.assert_allclose(some[:3], load_bundle("fuel_lstm").golden[0][[40, 3, 17]], rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("lambda.keras", r"Lambda.*\n  try: the file holds code"),
        ("custom.keras", r"Doubled.*\n  try: only Keras' own"),
        ("a:b.keras", "'a:b'.*\n  try: rename"),
        ("a@1.keras", "'a@1'.*\n  try: rename"),
    ],
)
def test_code_and_unknown_layers_are_refused_with_the_reason(
    keras_models: Path, tmp_path: Path, model: str, reason: str
) -> None:
    np.save(tmp_path / "v.npy", np.zeros((1, 3), np.float32))
    with pytest.raises(UsageError, match=reason) as caught:
        load_bundle(keras_models / model, vectors=tmp_path / "v.npy")
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "m.keras", {"config.json": json.dumps({})})
    with pytest.raises(UsageError, match="changed while it was being read"):
        golden_from_worker(tmp_path / "m.keras", bytes(32), {"a": np.zeros((1, 3), np.float32)})


def test_a_worker_over_its_time_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    digest = read_keras_file(FUEL / "model.keras").sha256
    before = _children(os.getpid())
    with pytest.raises(UsageError, match=r"did not finish within 0\.3 s"):
        golden_from_worker(FUEL / "model.keras", digest, {"features": np.zeros((1, 3, 1), np.float32)}, timeout_s=0.3)
    assert list(tmp_path.iterdir()) == []
    assert _children(os.getpid()) == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_worker_and_no_files(tmp_path: Path, own_cache: Path, how: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    table = tmp_path / "v.csv"
    table.write_text("1,2,3\n")
    program = (
        "import sys; from pathlib import Path; from harness.model.bundle import load_bundle;"
        f"load_bundle('fuel_lstm', vectors=Path({str(table)!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        worker = _wait_for(lambda: _children(process.pid))
        process.send_signal(how)
        process.wait(20)
        _wait_for(lambda: [1] if not all(Path(f"/proc/{pid}").exists() for pid in worker) else [])
    finally:
        process.kill()
        process.wait()
    if how == signal.SIGINT:  # nobody can tidy up after SIGKILL
        assert list(temporary.iterdir()) == []
    assert list(own_cache.rglob("*.npz")) == []


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _wait_for(condition: object) -> list[int]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found: list[int] = condition()  # type: ignore[operator]
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen within 30 s")
