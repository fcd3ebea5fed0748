"""The sweep on the real TFLM, whose arenas that are too small crash it, held to a scan that shares no code with it."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.boards.target import open_target
from harness.model.bundle import Bundle, load_bundle
from harness.model.packed import PackedModel
from harness.model.tflite_pack import pack_tflm, tflite_of
from harness.protocol.messages import TensorSpec
from harness.report.sweep_record import SweepRecord
from harness.workflow.progress import Silent
from harness.workflow.stream import encode_vectors
from harness.workflow.sweep.begin import Subject, builder
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.sweep import sweep_on
from tests.tflite.models import dense, expected, inputs_for, lstm, model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)

BOARD = "host-tflm"
STEP = 16
ROOT = Path(__file__).resolve().parents[2]


def tutorial() -> tuple[Bundle, PackedModel]:
    bundle = load_bundle("fuel_lstm")
    return bundle, pack_tflm(bundle.graph)


def tutorial_int8() -> tuple[Bundle, PackedModel]:
    bundle = load_bundle("fuel_lstm")
    # One scale for three features of very different ranges: in eight bits little is left of the small ones.
    tolerant = dataclasses.replace(bundle, tolerance_max_abs_of_range=0.25)
    return tolerant, pack_tflm(bundle.graph, calibration=bundle.inputs)


def unrolled() -> tuple[Bundle, PackedModel]:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("tensorflow is not installed: the arena of an unrolled model is NOT proved")
    bundle = load_bundle("stacked45")
    return bundle, pack_tflm(bundle.graph, model=bundle.model_path)


def stacked() -> tuple[Bundle, PackedModel]:
    graph = model(
        77,
        (10, 4),
        lstm("a", "x", 4, 32, 10, return_sequences=True),
        lstm("b", "a", 32, 24, 10, return_sequences=True),
        lstm("c", "b", 24, 16, 10),
        dense("d", "c", (16,), 8, "relu"),
        dense("e", "d", (8,), 3),
    )
    vectors = inputs_for(graph, 5, 24).astype(np.float32)
    bundle = dataclasses.replace(
        load_bundle("fuel_lstm"),
        name="stacked",
        model_sha256=graph.source_sha256,
        graph=graph,
        inputs=(vectors,),
        golden=(expected(graph, vectors).astype(np.float32),),
        labels=None,
    )
    return bundle, pack_tflm(graph)


def swept(bundle: Bundle, packed: PackedModel, options: SweepOptions) -> SweepRecord:
    board = find_board(BOARD)
    with open_target(board) as target:
        return sweep_on(target, Subject(bundle, packed, builder(board, packed, Silent())), options, Silent())


def scanned(bundle: Bundle, packed: PackedModel, folder: Path, first: int, last: int) -> dict[int, bool]:
    """Size -> whether it works, in a process of its own."""
    from harness.model.tflite_read import read_tflite
    from harness.model.tflm_runtime import tensor_spec

    data = tflite_of(packed)
    (tensor,) = read_tflite(data).inputs
    spec: TensorSpec = tensor_spec(tensor)
    some = encode_vectors(bundle, (spec,))[:6]
    inputs = np.stack([np.frombuffer(v, np.dtype(spec.numpy_dtype)).reshape(tensor.shape) for v in some])
    (folder / "model.tflite").write_bytes(data)
    np.save(folder / "inputs.npy", inputs)
    done = subprocess.run(
        [sys.executable, "-m", "tests.sweep.scan_tflm", folder / "model.tflite", folder / "inputs.npy"]
        + [str(n) for n in (first, last, STEP, 1 << 20)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        cwd=ROOT,
    )
    return {int(size): word == "ok" for size, word in (line.split() for line in done.stdout.splitlines())}


@pytest.mark.parametrize(
    "make", [tutorial, tutorial_int8, stacked, unrolled], ids=["tutorial", "int8", "stacked", "unrolled"]
)
def test_the_minimum_is_that_of_an_exhaustive_scan_in_separate_processes(
    make: Callable[[], tuple[Bundle, PackedModel]], tmp_path: Path
) -> None:
    bundle, packed = make()
    record = swept(bundle, packed, SweepOptions(board=BOARD))
    assert record.verdict == "pass", record.reasons
    assert record.minimum_bytes is not None and record.reported_bytes is not None
    assert record.confirmed and record.confirmation is not None
    assert record.confirmation.arena_bytes == record.recommended_bytes
    scan = scanned(bundle, packed, tmp_path, STEP, record.minimum_bytes + 64 * STEP)
    failing = max(size for size, ok in scan.items() if not ok)
    assert record.minimum_bytes == failing + STEP
    # What the engine reports is not what it needs: the reason for all this.
    assert record.reported_bytes < record.minimum_bytes


def test_an_exhaustive_sweep_names_every_size_as_the_scan_does(tmp_path: Path) -> None:
    bundle, packed = tutorial()
    options = SweepOptions(board=BOARD, exhaustive=True, first_bytes=3008, last_bytes=6400, confirm=False)
    record = swept(bundle, packed, options)
    scan = scanned(bundle, packed, tmp_path, 3008, 6400)
    found = {probe.size: probe.passed for probe in record.probes if 3008 <= probe.size <= 6400}
    assert found == scan
    assert record.outcomes["crashed"] > 20 and record.outcomes["init failed"] > 10
    crash = next(probe for probe in record.probes if probe.outcome == "crashed")
    assert "reset reason fault" in crash.detail
    assert any("SIGSEGV" in line for line in crash.console)
    mute = [probe for probe in record.probes if probe.outcome == "crashed" and "signal" not in " ".join(probe.console)]
    assert not mute


def test_probing_and_rebuilding_agree_over_a_range_with_crashes() -> None:
    bundle, packed = tutorial()
    options = SweepOptions(board=BOARD, rebuild=True, first_bytes=4704, last_bytes=4960, confirm=False)
    record = swept(bundle, packed, options)
    assert record.rebuild is not None
    assert record.rebuild.agree, [(p.size, p.probe.text, p.rebuild.text) for p in record.rebuild.probes if not p.agree]
    assert {pair.rebuild.outcome for pair in record.rebuild.probes} == {"crashed", "init failed"}
