"""Vectors that can't show an error: the run passes, and says so."""

from __future__ import annotations

import dataclasses

from harness.model.bundle import Bundle, load_bundle
from harness.workflow.prepare import prepare
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, find_board, open_target, run_on


def notes_of(bundle: Bundle) -> list[str]:
    board = find_board("host")
    prepared = prepare(bundle, board, engine="rnn", arena_bytes=None, progress=Silent())
    with open_target(board, port=None, serial_number=None) as target:
        record = run_on(target, prepared, RunOptions(board="host"), Silent()).record
    assert record.verdict == "pass"
    return record.notes


def test_a_run_over_one_vector_again_and_again_says_that_it_shows_little() -> None:
    bundle = load_bundle("fuel_lstm")
    first = dataclasses.replace(
        bundle,
        inputs=tuple(array[[0] * 8] for array in bundle.inputs),
        golden=tuple(array[[0] * 8] for array in bundle.golden),
        labels=None,
    )
    (note,) = notes_of(first)
    assert "a board that answers anything with the same value would pass" in note
    assert notes_of(bundle) == []
