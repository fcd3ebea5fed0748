"""Engine tflm with real TFLM on the emulated Cortex-M4F.

The project brings no TFLM. Set HIL_TFLM_LIB to a folder that holds one as a library (docs/boards.md) to run these; the
first build then compiles the whole library, which takes minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board, missing_here
from harness.boards.target import Target, open_target
from harness.build.build import build_firmware
from harness.errors import DeviceError, DeviceRebootedError
from harness.link.session import Session, VectorResult
from harness.model.bundle import Bundle, load_bundle
from harness.model.tflite_pack import pack_tflm
from harness.protocol.ids import ErrorCode, ResetReason

VARIABLE = "HIL_TFLM_LIB"
BOARD = "netduino2plus"
ARENA_BYTES = 16384
ENOUGH_BYTES = 8192  # by far, in every vintage

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get(VARIABLE),
        reason=f"{VARIABLE} names no TFLM library: engine tflm is NOT proved on {BOARD} (outputs, state, small arenas)",
    ),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("fuel_lstm", vectors=None, labels=None, data=None)


@pytest.fixture(scope="module")
def target(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    board = find_board(BOARD)
    lacking = missing_here(board)
    if lacking:
        pytest.skip(f"engine tflm is NOT proved on {BOARD}: {'; '.join(each.hint for each in lacking)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_LIB_EXTRA_DIRS", os.environ[VARIABLE])
        patch.setenv("HIL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        image = build_firmware(board, pack_tflm(bundle.graph), arena_bytes=ARENA_BYTES)
        with open_target(board, port=None) as held:
            held.flash(image)
            yield held


@pytest.fixture
def session(target: Target) -> Iterator[Session]:
    with target.session() as opened:
        opened.set_arena(ARENA_BYTES)
        yield opened


def vectors(bundle: Bundle) -> list[bytes]:
    return [np.ascontiguousarray(vector, "<f4").tobytes() for vector in bundle.inputs[0]]


def floats(results: list[VectorResult]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([np.frombuffer(each.output, "<f4") for each in results])


def probe(target: Target, arena_bytes: int, vector: bytes) -> tuple[str, float]:
    """("passed", output), ("too small", bytes missing) or ("crashed", 0) of a start in that arena."""
    with target.session() as session:
        try:
            session.set_arena(arena_bytes)
            return "passed", float(floats(session.infer([vector]))[0, 0])
        except DeviceError as error:
            assert error.code == ErrorCode.ARENA_TOO_SMALL
            return "too small", float(error.detail)
        except DeviceRebootedError:
            return "crashed", 0.0


def test_it_computes_what_keras_computes(session: Session, bundle: Bundle) -> None:
    assert session.info.engine == "tflm"
    assert session.info.engine_status.code == 0
    (spec,) = session.info.inputs
    assert spec.shape == bundle.inputs[0].shape[1:]
    got = floats(session.infer(vectors(bundle)))
    span = float(np.ptp(bundle.golden[0]))
    assert np.abs(got - bundle.golden[0].reshape(got.shape)).max() <= bundle.tolerance_max_abs_of_range * span
    assert session.stats().arena_guard_intact


def test_the_same_vector_gives_the_same_bits_unless_state_is_kept(session: Session, bundle: Bundle) -> None:
    first = vectors(bundle)[:1]
    cleared = [each.output for each in session.infer(first * 5)]
    assert len(set(cleared)) == 1
    kept = [each.output for each in session.infer(first * 5, keep_state=True)]
    assert len(set(kept)) == 5
    session.reset_state()
    assert session.infer(first, keep_state=True)[0].output == cleared[0]


def test_a_new_arena_leaves_nothing_of_the_last_behind(session: Session, bundle: Bundle) -> None:
    first = vectors(bundle)[:1]
    wanted = session.infer(first)[0].output
    used = session.set_arena(ARENA_BYTES).used_bytes
    for _ in range(100):
        session.set_arena(ENOUGH_BYTES)
        assert session.infer(first)[0].output == wanted
    assert session.set_arena(ARENA_BYTES).used_bytes == used
    assert session.stats().arena_guard_intact


def test_every_arena_works_or_is_named_or_ends_in_a_fault(target: Target, bundle: Bundle) -> None:
    first = vectors(bundle)[0]
    wanted = float(bundle.golden[0].ravel()[0])
    seen = set()
    for arena_bytes in (1, 100, *range(256, 5120, 128)):
        how, value = probe(target, arena_bytes, first)
        seen.add(how)
        if how == "passed":
            assert value == pytest.approx(wanted, abs=1e-3)
        if how == "crashed":
            with target.session() as session:
                assert session.info.reset_reason == ResetReason.FAULT
                assert session.info.engine_status.code == 0, "the first arena is a good one: it must work again"
    assert {"passed", "too small"} <= seen


def test_a_board_whose_first_arena_crashes_it_stays_reachable(bundle: Bundle, target: Target, tmp_path: Path) -> None:
    first = vectors(bundle)[0]
    crashing = [size for size in range(256, 5120, 32) if probe(target, size, first)[0] == "crashed"]
    if not crashing:
        pytest.skip("this TFLM crashes in no arena: nothing to come back from")
    packed = pack_tflm(bundle.graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_LIB_EXTRA_DIRS", os.environ[VARIABLE])
        image = build_firmware(target.board, packed, arena_bytes=crashing[0], capacity_bytes=65536)
    target.flash(image)
    with target.session() as session:
        status = session.info.engine_status
        assert (session.info.reset_reason, status.code) == (ResetReason.FAULT, ErrorCode.ARENA_TOO_SMALL)
        assert "crashed at start" in status.text
        session.set_arena(ENOUGH_BYTES)
        assert float(floats(session.infer([first]))[0, 0]) == pytest.approx(
            float(bundle.golden[0].ravel()[0]), abs=1e-3
        )
