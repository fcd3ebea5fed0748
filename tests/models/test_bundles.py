"""Every shipped bundle runs and passes: on this computer all of them, on the emulated Cortex-M4F and AVR some."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.model.bundle import list_bundles, load_bundle
from harness.resources import models_dir
from harness.workflow.available import available
from harness.workflow.run import RunOptions, RunOutcome, run
from tests.torch_extra import needs_torch

EXPECTED = {
    "bidirectional",
    "cell4",
    "cifg",
    "digits",
    "digits_int8",
    "fuel_lstm",
    "fuel_lstm_int8",
    "gru",
    "peephole",
    "stacked45",
    "torch_cell",
    "torch_lstm",
    "torch_seq",
}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache: a bundle must bring its golden outputs along, and no older build may stand in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HIL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


def passing_run(bundle: str, board: str) -> RunOutcome:
    if not available(find_board(board)).ready:
        pytest.skip(f"board {board} lacks something on this computer; hil doctor says what")
    outcome = run(RunOptions(model=bundle, board=board))
    assert outcome.record.verdict == "pass", outcome.record.reasons
    return outcome


def test_the_bundles_are_shipped() -> None:
    assert set(list_bundles()) >= EXPECTED


@pytest.mark.parametrize("bundle", sorted(list_bundles()))
def test_passes_on_this_computer(bundle: str) -> None:
    passing_run(bundle, "host")


@pytest.mark.parametrize("bundle", ["bidirectional", "stacked45", "torch_lstm"])
def test_passes_on_a_cortex_m4f(bundle: str) -> None:
    passing_run(bundle, "netduino2plus")


def test_full_int8_of_the_fuel_model_is_within_2_percent_of_keras_in_the_same_bits_on_every_board() -> None:
    outcomes = [passing_run("fuel_lstm_int8", board) for board in ("host", "netduino2plus", "megaatmega2560")]
    assert len({outcome.record.outputs_sha256 for outcome in outcomes}) == 1
    record = outcomes[0].record
    assert record.conversion is not None and record.conversion.quantised
    assert record.conversion.lsb_histogram == {"0": record.vectors}


@pytest.mark.parametrize("bundle", ["peephole", "digits_int8"])
def test_passes_where_8_kb_hold_it(bundle: str) -> None:
    passing_run(bundle, "megaatmega2560")


def test_golden_outputs_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundle needs TensorFlow or PyTorch: with a worker that can't start, all of them load."""
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    for name in list_bundles():
        assert load_bundle(name).golden


def test_digits_reports_accuracy_and_confusion() -> None:
    outcome = passing_run("digits", "host")
    labels = outcome.record.accuracy.board_vs_labels
    assert labels is not None
    assert labels.acc is not None and labels.acc >= 0.95


@needs_torch
@pytest.mark.parametrize("name", ["torch_cell", "torch_lstm", "torch_seq"])
def test_a_pytorch_bundle_is_what_its_make_py_makes(tmp_path: Path, name: str) -> None:
    shipped = load_bundle(name)
    if f"saved by torch {metadata.version('torch')}" not in " ".join(shipped.graph.notes):
        pytest.skip(f"not proved: {name} was made by another version of torch: {shipped.graph.notes}")
    folder = shutil.copytree(models_dir() / name, tmp_path / name)
    for made in ("model.pt2", "vectors.npz", "golden.npz"):
        (folder / made).unlink()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, folder / "make.py"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.strip() == shipped.model_sha256.hex(), done.stderr[-2000:]
    again = load_bundle(folder)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(again.inputs, shipped.inputs, strict=True))
    # The shipped outputs may come from another kind of CPU.
    for mine, theirs in zip(again.golden, shipped.golden, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
