"""Images of this board: built once, flashed whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.boards.catalogue import Board
from harness.boards.tflm_device.emulator import TflmEmulator
from harness.boards.tflm_device.image import build_image, flash_image, load_image
from harness.errors import FlashError, UsageError
from harness.model.bundle import Bundle
from harness.model.packed import PackedModel
from harness.model.tflite_pack import pack_tflm
from tests.tflm_device.conftest import Device


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def packed(fuel: Bundle, fuel_tflite: bytes) -> PackedModel:
    return pack_tflm(fuel.graph)


def test_same_model_and_settings_are_one_build(board: Board, packed: PackedModel) -> None:
    first = build_image(board, packed, arena_bytes=8000)
    written = first.elf.stat().st_mtime_ns
    again = build_image(board, packed, arena_bytes=8000)
    assert (again, again.elf.stat().st_mtime_ns) == (first, written)
    assert build_image(board, packed, arena_bytes=8001).build_id != first.build_id
    assert first.flash_bytes == packed.model_bytes


def test_flashed_image_runs(board: Board, packed: PackedModel, tmp_path: Path, fuel_tflite: bytes) -> None:
    image = build_image(board, packed, arena_bytes=8000)
    flash_image(board, image, str(tmp_path))
    assert (tmp_path / "build_id").read_text() == image.build_id.hex()
    assert load_image(tmp_path)[1] == fuel_tflite
    device = Device(TflmEmulator(board))
    try:
        device.emulator.start(tmp_path / "firmware.elf")
        info = device.session().info
        assert (info.build_id, info.model_sha256) == (image.build_id, packed.model_sha256)
        assert (info.arena.size_bytes, info.arena.capacity_bytes) == (8000, board.arena_max_bytes)
        assert (info.max_frame_bytes, info.rx_buffer_bytes) == (board.max_frame_bytes, board.rx_buffer_bytes)
    finally:
        device.close()


def test_image_of_another_board_is_not_flashed(board: Board, packed: PackedModel, tmp_path: Path) -> None:
    image = dataclasses.replace(build_image(board, packed), board="esp32")
    with pytest.raises(FlashError, match="esp32"):
        flash_image(board, image, str(tmp_path))


def test_slot_that_is_not_there_is_named(board: Board, packed: PackedModel, tmp_path: Path) -> None:
    with pytest.raises(FlashError):
        flash_image(board, build_image(board, packed), "/proc/none")


@pytest.mark.parametrize(("arena", "capacity"), [(5000, 4000), (0, 4000)])
def test_arena_outside_the_capacity_is_refused(board: Board, packed: PackedModel, arena: int, capacity: int) -> None:
    with pytest.raises(UsageError, match=str(capacity)):
        build_image(board, packed, arena_bytes=arena, capacity_bytes=capacity)


def test_model_packed_for_another_engine_is_refused(board: Board, packed: PackedModel) -> None:
    with pytest.raises(UsageError, match="rnn"):
        build_image(board, dataclasses.replace(packed, engine="rnn"))


def test_empty_slot_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"firmware\.elf can't be read"):
        load_image(tmp_path)
