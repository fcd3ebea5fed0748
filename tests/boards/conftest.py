"""State and cache of their own for each test, and the test programs built once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boards.programs import build_program


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boards")


@pytest.fixture(autouse=True)
def _own_folders(_shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HIL_CACHE_DIR", str(_shared / "cache"))
    monkeypatch.delenv("HIL_INVENTORY", raising=False)


@pytest.fixture(scope="session")
def program(_shared: Path) -> Callable[[str], Path]:
    """Builds the test program of a board on first use."""
    built: dict[str, Path] = {}

    def get(board_id: str) -> Path:
        if board_id not in built:
            built[board_id] = build_program(board_id, _shared)
        return built[board_id]

    return get
