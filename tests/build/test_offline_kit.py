"""The core directory that needs no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.build.offline_kit import core_dir_for, ensure_core_dir

PROGRAM = "from harness.build.offline_kit import ensure_core_dir; print(ensure_core_dir())"


def test_it_holds_the_scons_that_platformio_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from platformio.dependencies import get_core_dependencies

    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path))
    (package,) = (ensure_core_dir() / "packages").iterdir()
    manifest = json.loads((package / "package.json").read_text())
    assert get_core_dependencies()["tool-scons"] == f"~{manifest['version']}"


def test_a_second_call_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path))
    first = ensure_core_dir()
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert ensure_core_dir() == first
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == before


def test_several_processes_may_make_it_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "HIL_CACHE_DIR": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 4
    (core,) = outputs
    assert [path.name.partition("@")[0] for path in (Path(core) / "packages").iterdir()] == ["tool-scons"]
    assert sorted(path.name for path in Path(core).iterdir()) == ["packages"]


def test_a_real_board_uses_the_users_own_core_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PLATFORMIO_CORE_DIR", raising=False)
    own, real = core_dir_for(find_board("host")), find_board("esp32")
    assert core_dir_for(real) == own
    (tmp_path / ".platformio" / "platforms").mkdir(parents=True)
    assert core_dir_for(real) == tmp_path / ".platformio"
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "lab"))
    assert core_dir_for(real) == tmp_path / "lab"
    assert core_dir_for(find_board("host")) == own
