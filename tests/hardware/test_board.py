"""What any board must do with any bundle that fits it (`--hil-model`; the shipped fuel_lstm by default)."""

from __future__ import annotations

import math

import numpy as np

from harness.assertions import assert_hil_pass
from harness.boards.catalogue import Board
from harness.boards.target import Target
from harness.link.session import Session
from harness.model.bundle import Bundle
from harness.workflow.run import RunOutcome
from harness.workflow.stream import encode_vectors


def test_board_computes_what_keras_computes(hil_run: RunOutcome) -> None:
    assert_hil_pass(hil_run)


def test_every_vector_was_answered_with_finite_outputs(hil_run: RunOutcome, bundle: Bundle) -> None:
    assert hil_run.record.vectors == bundle.count
    assert hil_run.record.accuracy.board_vs_keras.finite
    for output, golden in zip(hil_run.outputs, bundle.golden, strict=True):
        assert output.size == golden.size
        assert np.isfinite(output).all()


def test_no_state_leaks_from_one_vector_into_the_next(hil_run: RunOutcome) -> None:
    leakage = hil_run.record.leakage
    assert leakage.identical, leakage.first_difference
    assert leakage.probes >= 3


def test_arena_holds_what_the_engine_uses(hil_run: RunOutcome, board: Board) -> None:
    arena = hil_run.record.memory.arena
    assert 0 < arena.used_bytes <= arena.size_bytes <= arena.capacity_bytes <= board.arena_max_bytes


def test_image_fits_the_board(hil_run: RunOutcome, board: Board) -> None:
    memory = hil_run.record.memory
    assert memory.flash_bytes > 0
    assert memory.ram_bytes > 0
    assert not board.flash_bytes or memory.flash_bytes <= board.flash_bytes
    assert not board.ram_bytes or memory.ram_bytes <= board.ram_bytes


def test_latency_of_every_inference_was_measured(hil_run: RunOutcome) -> None:
    us = hil_run.record.latency.us
    assert all(math.isfinite(value) for value in (us.min, us.median, us.p95, us.p99, us.max, us.mean))
    assert 0 < us.min <= us.median <= us.p95 <= us.p99 <= us.max


def test_device_says_who_it_is(hil_session: Session, hil_run: RunOutcome, board: Board, bundle: Bundle) -> None:
    info = hil_session.info
    assert info.board == board.id
    assert info.engine in board.engines
    assert info.model_sha256 == bundle.model_sha256
    assert info.build_id.hex() == hil_run.record.build_id
    assert info.max_frame_bytes == board.max_frame_bytes
    assert info.rx_buffer_bytes == board.rx_buffer_bytes


def test_outputs_have_the_same_bits_again_and_in_another_order(hil_session: Session, bundle: Bundle) -> None:
    vectors = encode_vectors(bundle, hil_session.info.inputs)[:8]
    first = [result.output for result in hil_session.infer(vectors)]
    again = [result.output for result in hil_session.infer(vectors)]
    backwards = [result.output for result in hil_session.infer(vectors[::-1])]
    assert again == first
    assert backwards == first[::-1]


def test_outputs_have_the_same_bits_after_a_reboot(target: Target, bundle: Bundle) -> None:
    with target.session() as session:
        vectors = encode_vectors(bundle, session.info.inputs)[:4]
        before = [result.output for result in session.infer(vectors)]
        session.reboot()
        assert [result.output for result in session.infer(vectors)] == before


def test_guard_bytes_behind_the_arena_are_intact(hil_session: Session, bundle: Bundle) -> None:
    hil_session.infer(encode_vectors(bundle, hil_session.info.inputs)[:2])
    assert hil_session.stats().arena_guard_intact is not False
