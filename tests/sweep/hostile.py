"""Firmware with the hostile engine, and a bundle whose golden outputs it gives when it behaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.boards.catalogue import find_board
from harness.boards.target import Target, open_target
from harness.model.bundle import Bundle
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.packed import PackedModel
from harness.report.sweep_record import ProbeRecord, SweepRecord
from harness.workflow.progress import Silent
from harness.workflow.sweep.begin import Subject, builder
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.sweep import sweep_on

NEED = 1024
SHA256 = bytes(range(32))


def hostile_packed(**behaviour: int) -> PackedModel:
    """`behaviour`: macros of hostile_options.h without their prefix, in small letters: `crash_below=512`."""
    lines = [f"#define HIL_HOSTILE_{name.upper()} {value}" for name, value in sorted(behaviour.items())]
    return PackedModel(
        engine="hostile",
        model_sha256=SHA256,
        sources={"hil_hostile_config.h": "\n".join([*lines, ""])},
        arena_bytes=None,
        model_bytes=0,
        macs=3,
    )


def hostile_bundle() -> Bundle:
    """Vectors whose sums are exact in float32, so the honest engine gives the golden bits."""
    vectors = np.arange(36, dtype=np.float32).reshape(12, 3) / 4
    golden = (vectors @ np.array([1, 2, 3], dtype=np.float32)).reshape(12, 1)
    weights = np.array([[1], [2], [3]], dtype=np.float32)
    layer = LayerSpec("sum", "Dense", {"units": 1}, {"kernel": weights}, ("x",), (1,))
    return Bundle(
        name="sum",
        model_path=Path("sum.keras"),
        model_sha256=SHA256,
        inputs=(vectors,),
        labels=None,
        golden=(golden,),
        graph=ModelGraph(SHA256, "numpy", {"x": (3,)}, (layer,), ("sum",)),
        task="regression",
        tolerance_max_abs_of_range=1e-6,
        stateful=False,
        arena_bytes={},
    )


def hostile_subject(board_id: str, **behaviour: int) -> Subject:
    packed = hostile_packed(**behaviour)
    return Subject(hostile_bundle(), packed, builder(find_board(board_id), packed, Silent()))


def sweep_hostile(
    board_id: str, options: SweepOptions | None = None, *, target: Target | None = None, **behaviour: int
) -> SweepRecord:
    """Sweeps the hostile engine on a board of its own, or on `target`. Confirms only if the options say so."""
    wanted = options or SweepOptions(board=board_id, confirm=False)
    subject = hostile_subject(board_id, **behaviour)
    if target is not None:
        return sweep_on(target, subject, wanted, Silent())
    with open_target(find_board(board_id)) as own:
        return sweep_on(own, subject, wanted, Silent())


def at(record: SweepRecord, size: int) -> ProbeRecord:
    """The verdict on one size."""
    return next(probe for probe in record.probes if probe.size == size)


def outcomes_between(record: SweepRecord, first: int, last: int) -> set[str]:
    """Outcomes of all probes from `first` up to, not including, `last`."""
    return {probe.outcome for probe in record.probes if first <= probe.size < last}
