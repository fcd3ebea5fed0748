"""One image for all tests here, and folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import Board, find_board, missing_here
from harness.boards.target import Target, open_target
from harness.build.build import build_firmware
from harness.build.image import FirmwareImage
from tests.build.small_model import small_model


@pytest.fixture(scope="session")
def c3() -> Board:
    board = find_board("esp32c3-sim")
    missing = missing_here(board)
    if missing:
        pytest.skip(f"board esp32c3-sim needs {', '.join(lack.what for lack in missing)}")
    return board


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("esp32c3")


@pytest.fixture(autouse=True)
def _own_folders(_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HIL_CACHE_DIR", str(_cache))
    for name in ("HIL_TEST_ESP_FAULT", "HIL_ESP_QEMU", "HIL_LAB"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def image(c3: Board) -> FirmwareImage:
    """A small model's firmware; built once, then found in the cache."""
    return build_firmware(c3, small_model(), arena_bytes=2048)


@pytest.fixture(scope="session")
def _flash_memory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {}


@pytest.fixture
def flashed(c3: Board, image: FirmwareImage, _flash_memory: dict[str, bytes], tmp_path: Path) -> FirmwareImage:
    """The image, in the flash of the board that the test opens; uploaded once, then copied."""
    slot = tmp_path / "state" / "targets" / f"{c3.id}-1"
    if not _flash_memory:
        with open_target(c3) as target:
            target.flash(image)
        _flash_memory.update({file.name: file.read_bytes() for file in slot.iterdir()})
    slot.mkdir(parents=True, exist_ok=True)
    for name, content in _flash_memory.items():
        (slot / name).write_bytes(content)
    return image


@pytest.fixture
def target(c3: Board) -> Iterator[Target]:
    with open_target(c3) as target:
        yield target
