"""Bundles by name, by folder and from a model file, with golden outputs that are there already."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.compare.metrics import Task
from harness.errors import UsageError
from harness.model import golden_file
from harness.model.bundle import list_bundles, load_bundle
from harness.model.golden import golden_for, vectors_digest, write_golden
from harness.resources import models_dir
from tests.model.conftest import ROOT, write_keras

FUEL = models_dir() / "fuel_lstm"


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting Keras is an error."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Keras was started")

    monkeypatch.setattr("harness.model.golden.golden_from_worker", refuse)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped bundle to spoil."""
    return Path(shutil.copytree(FUEL, tmp_path / "copy"))


def test_the_shipped_bundle_is_whole(no_worker: None) -> None:
    bundle = load_bundle("fuel_lstm")
    assert (bundle.name, bundle.task, bundle.stateful, bundle.count) == ("fuel_lstm", "regression", False, 64)
    assert bundle.inputs[0].shape == (64, 3, 1)
    assert bundle.golden[0].shape == (64, 1)
    assert bundle.labels is None
    assert bundle.graph.parameters == 2321
    assert [layer.kind for layer in bundle.graph.layers] == ["LSTM", "LSTM", "Dense", "Dense"]
    assert bundle.graph.source_sha256 == bundle.model_sha256


def test_the_tutorials_samples_come_first(no_worker: None) -> None:
    bundle = load_bundle("fuel_lstm")
    np.testing.assert_array_equal(bundle.inputs[0][:2, :, 0], np.array([[4.6, 8, 304], [2, 4, 216]], np.float32))
    # The tutorial's own training gave 17.76 and 11.44.
    assert bundle.golden[0][:2, 0] == pytest.approx([17.76, 11.44], abs=0.5)


def test_golden_outputs_are_what_the_lstm_formulae_give(no_worker: None) -> None:
    """An independent float64 computation from the weights in the graph: gates i, f, g, o as Keras orders them."""
    bundle = load_bundle("fuel_lstm")
    values = bundle.inputs[0].astype(np.float64)
    for layer in bundle.graph.layers:
        weights = {name: array.astype(np.float64) for name, array in layer.weights.items()}
        if layer.kind == "Dense":
            values = values @ weights["kernel"] + weights["bias"]
            values = np.maximum(values, 0) if layer.config["activation"] == "relu" else values
            continue
        h = c = np.zeros((len(values), int(str(layer.config["units"]))))
        steps = []
        for step in range(values.shape[1]):
            z = values[:, step] @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
            i, f, g, o = np.split(z, 4, axis=1)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            steps.append(h)
        values = np.stack(steps, axis=1) if layer.config["return_sequences"] else h
    np.testing.assert_allclose(bundle.golden[0], values, rtol=2e-6)


@pytest.mark.parametrize("name", ["fuel_lstm", "torch_lstm"])
def test_a_shipped_bundle_loads_without_its_framework(own_cache: Path, name: str) -> None:
    program = (
        f"import sys; from harness.model.bundle import load_bundle; load_bundle('{name}');"
        "found = {'tensorflow', 'keras', 'torch', 'pandas', 'serial', 'h5py'} & set(sys.modules);"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(own_cache.iterdir()) == []


def test_a_folder_is_a_bundle(copy: Path, no_worker: None) -> None:
    assert load_bundle(copy).count == 64
    assert load_bundle(str(copy)).model_path == copy.resolve() / "model.keras"


def test_shipped_bundles_are_listed() -> None:
    assert "fuel_lstm" in list_bundles()


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UsageError, match=r"no bundle or model file 'fuel_lstn'\n  try: did you mean fuel_lstm\?"):
        load_bundle("fuel_lstn")
    with pytest.raises(UsageError, match=r"one of .*fuel_lstm"):
        load_bundle("q")


def test_a_model_that_is_not_the_bundles_is_refused(copy: Path) -> None:
    with (copy / "model.keras").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(UsageError, match=r"is not the model its bundle\.toml names"):
        load_bundle(copy)


@pytest.mark.parametrize("spoil", ["missing", "damaged", "of other vectors"])
def test_a_golden_file_that_does_not_fit_is_not_used(copy: Path, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = golden_file.decode((copy / "golden.npz").read_bytes())
    asked = []

    def worker(*_: object, **__: object) -> golden_file.Golden:
        asked.append(1)
        return good

    monkeypatch.setattr("harness.model.golden.golden_from_worker", worker)
    if spoil == "missing":
        (copy / "golden.npz").unlink()
    elif spoil == "damaged":
        (copy / "golden.npz").write_bytes((copy / "golden.npz").read_bytes()[:3000])
    else:
        write_golden(copy / "golden.npz", dataclasses.replace(good, vectors_sha256=bytes(32)))
    notes: list[str] = []
    load_bundle(copy, on_note=notes.append)
    assert asked == [1]
    assert "computing golden outputs" in notes[0]
    load_bundle(copy, on_note=notes.append)  # from the cache
    assert (asked, len(notes)) == ([1], 1)


def test_the_cache_is_by_model_vectors_statefulness_and_keras(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    good = golden_file.decode((FUEL / "golden.npz").read_bytes())
    asked = []

    def worker(
        model: Path, sha256: bytes, inputs: dict[str, np.ndarray], *, stateful: bool, timeout_s: float, **_: object
    ) -> golden_file.Golden:
        asked.append(1)
        graph = dataclasses.replace(good.graph, source_sha256=sha256)
        return golden_file.Golden(good.outputs, graph, vectors_digest(inputs), stateful)

    monkeypatch.setattr("harness.model.golden.golden_from_worker", worker)
    one, two = {"x": np.zeros((2, 3), np.float32)}, {"x": np.zeros((3, 2), np.float32)}
    for _ in range(2):
        golden_for(Path("m"), bytes(32), one)
        golden_for(Path("m"), bytes(range(32)), one)
        golden_for(Path("m"), bytes(32), two)
        golden_for(Path("m"), bytes(32), one, stateful=True)
    assert len(asked) == 4
    monkeypatch.setattr("harness.model.reference.metadata.version", lambda name: "99.0")
    golden_for(Path("m"), bytes(32), one)
    assert len(asked) == 5
    assert [path.suffix for path in (own_cache / "golden").iterdir()] == [".npz"] * 5


def test_golden_that_is_not_finite_is_no_reference(copy: Path) -> None:
    good = golden_file.decode((copy / "golden.npz").read_bytes())
    broken = good.outputs[0].copy()
    broken[[3, 5]] = np.nan
    write_golden(copy / "golden.npz", dataclasses.replace(good, outputs=(broken,)))
    with pytest.raises(UsageError, match=r"keras \S+ itself gives NaN or Inf for 2 vectors, the first is vector 3"):
        load_bundle(copy)


def test_a_golden_file_comes_back_as_it_was_written() -> None:
    content = (FUEL / "golden.npz").read_bytes()
    golden = golden_file.decode(content)
    assert golden_file.encode(golden) == golden_file.encode(golden_file.decode(golden_file.encode(golden)))
    again = golden_file.decode(golden_file.encode(golden))
    assert again.graph.inputs == golden.graph.inputs
    for one, other in zip(golden.graph.layers, again.graph.layers, strict=True):
        assert (one.name, one.kind, one.config, one.inputs) == (other.name, other.kind, other.config, other.inputs)
        assert all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    with pytest.raises(ValueError, match=r"damaged|zip|pickle"):
        golden_file.decode(content[:500])


def test_labels_go_with_the_vectors_given(copy: Path, tmp_path: Path, no_worker: None) -> None:
    np.savez(tmp_path / "labels.npz", np.arange(64))
    bundle = load_bundle(copy, labels=tmp_path / "labels.npz")
    assert bundle.labels is not None
    assert bundle.labels.tolist() == list(range(64))
    np.savez(tmp_path / "labels.npz", np.arange(63))
    with pytest.raises(UsageError, match="63 labels for 64 vectors"):
        load_bundle(copy, labels=tmp_path / "labels.npz")


@pytest.mark.parametrize(
    ("task", "labels", "reason"),
    [
        ("regression", np.zeros((64, 2)), r"labels of shape \(2,\) each don't fit the model's outputs of shape \(1,\)"),
        ("classification", np.full(64, 2), r"label 0 is class 2, but the model tells classes 0\.\.1 apart"),
    ],
)
def test_labels_that_do_not_fit_the_outputs_are_refused(
    tmp_path: Path, no_worker: None, task: Task, labels: np.ndarray, reason: str
) -> None:
    np.save(tmp_path / "l.npy", labels)
    with pytest.raises(UsageError, match=reason):
        load_bundle("fuel_lstm", labels=tmp_path / "l.npy", task=task)


def test_words_that_contradict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data gives vectors and labels already"):
        load_bundle("fuel_lstm", data=tmp_path / "t.csv", vectors=tmp_path / "v.npz")


def test_a_model_file_needs_vectors(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", {"a": [None, 4, 2]})
    with pytest.raises(UsageError, match=r"needs vectors to be tested with\n  try: --vectors"):
        load_bundle(path)
    with pytest.raises(UsageError, match="does not say which columns of a table"):
        load_bundle(path, data=tmp_path / "t.csv")


def test_vectors_are_checked_before_keras_is_started(tmp_path: Path, no_worker: None) -> None:
    path = write_keras(tmp_path / "m.keras", {"a": [None, 4, 2]})
    np.savez(tmp_path / "v.npz", np.zeros((5, 4, 3)))
    with pytest.raises(UsageError, match=r"expected vectors of shape \(vectors, 4, 2\), got \(5, 4, 3\)"):
        load_bundle(path, vectors=tmp_path / "v.npz")


def test_a_softmax_at_the_end_means_classification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = golden_file.decode((FUEL / "golden.npz").read_bytes())
    graph = dataclasses.replace(good.graph, inputs={"a": (2,)})
    answer = dataclasses.replace(good, graph=graph)
    monkeypatch.setattr("harness.model.golden.golden_from_worker", lambda *_, **__: answer)
    np.savez(tmp_path / "v.npz", np.zeros((64, 2)))
    last = {"class_name": "Dense", "config": {"name": "out", "activation": "softmax"}}
    path = write_keras(tmp_path / "m.keras", {"a": [None, 2]}, last)
    assert load_bundle(path, vectors=tmp_path / "v.npz").task == "classification"
    assert load_bundle(path, vectors=tmp_path / "v.npz", task="regression").task == "regression"
