"""A cache of this test session's own, a small model, and the images built from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.build.build import build_firmware
from harness.build.image import FirmwareImage
from harness.model.packed import PackedModel
from tests.build.small_model import small_model

ARENA_BYTES = 2048


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Moves the cache for the whole session, so that builds are shared by the tests and by nothing else."""
    before = os.environ.get("HIL_CACHE_DIR")
    path = tmp_path_factory.mktemp("cache")
    os.environ["HIL_CACHE_DIR"] = str(path)
    yield path
    if before is None:
        del os.environ["HIL_CACHE_DIR"]
    else:
        os.environ["HIL_CACHE_DIR"] = before


@pytest.fixture(scope="session")
def packed() -> PackedModel:
    return small_model()


@pytest.fixture(scope="session")
def build(cache: Path, packed: PackedModel) -> Callable[[str], FirmwareImage]:
    """Builds, or gives what was built, for a board by name."""

    def for_board(name: str) -> FirmwareImage:
        return build_firmware(find_board(name), packed, arena_bytes=ARENA_BYTES)

    return for_board
