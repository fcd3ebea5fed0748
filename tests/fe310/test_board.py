"""Board hifive1-qemu: registers-only firmware of a RISC-V chip, in QEMU's sifive_e."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.catalogue import Board, find_board, missing_here
from harness.boards.target import open_target
from harness.build.build import build_firmware
from harness.protocol.ids import ResetReason
from harness.workflow.run import RunOptions, run
from tests.build.small_model import small_model
from tests.sweep.hostile import sweep_hostile

BOARD = "hifive1-qemu"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fe310")


@pytest.fixture
def board(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HIL_CACHE_DIR", str(cache))
    found = find_board(BOARD)
    missing = missing_here(found)
    if missing:
        pytest.skip(f"{BOARD} is NOT proved: it needs {', '.join(lack.what for lack in missing)}")
    return found


def test_a_full_run_passes_and_the_next_needs_no_flash_and_gives_the_same_bits(board: Board) -> None:
    first = run(RunOptions(model="fuel_lstm", board=board.id))
    assert first.record.verdict == "pass"
    assert first.record.target.flashed
    assert first.record.target.mcu == "FE310"
    assert first.record.leakage.identical
    second = run(RunOptions(model="fuel_lstm", board=board.id))
    assert not second.record.target.flashed
    assert second.outputs[0].tobytes() == first.outputs[0].tobytes()
    # Instructions are counted, and those of the receive interrupt left out.
    assert second.record.latency.us.median == pytest.approx(first.record.latency.us.median, rel=1e-3)


def test_every_way_to_start_it_has_its_reason(board: Board) -> None:
    image = build_firmware(board, small_model(), arena_bytes=2048)
    with open_target(board) as target:
        target.flash(image)
        session = target.session()
        assert (session.info.build_id, session.info.reset_reason) == (image.build_id, ResetReason.POWER_ON)
        assert session.info.boot_count == 1
        session.reboot()
        assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.SOFTWARE, 2)
        assert target.reset().done
        session = target.session()
        assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.EXTERNAL, 3)


def test_a_null_pointer_is_a_fault_with_its_reset_reason(board: Board) -> None:
    record = sweep_hostile(board.id, need=256, crash_below=64)
    crashes = [probe for probe in record.probes if probe.outcome == "crashed"]
    assert crashes
    assert all("reset reason fault" in probe.detail for probe in crashes)
    assert record.minimum_bytes == 256
