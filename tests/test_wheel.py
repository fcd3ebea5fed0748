"""`pip install` alone is enough: the wheel carries firmware and models; a run from it needs no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content; dependencies come from the environment of the tests."""
    place = tmp_path_factory.mktemp("wheel")
    # Of what git knows alone: the checkout may hold anything.
    subprocess.run(
        ["git", "-C", str(ROOT), "checkout-index", "--all", f"--prefix={place}/source/"], check=True, timeout=60
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(place / "source")]
    subprocess.run(build, check=True, timeout=110)
    (wheel,) = place.glob("*.whl")
    install = [*pip, "install", "--no-compile", "--no-deps", "--target", str(place / "site"), str(wheel)]
    subprocess.run(install, check=True, timeout=110)
    return place / "site"


def test_a_run_from_the_wheel_needs_nothing_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HIL_")},
        "PYTHONPATH": str(installed),
        "HIL_CACHE_DIR": str(tmp_path / "cache"),
        "HIL_STATE_DIR": str(tmp_path / "state"),
    }
    where = [sys.executable, "-P", "-c", "import harness; print(harness.__file__)"]
    found = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.startswith(str(installed))
    run = [sys.executable, "-P", "-m", "harness.cli", "run", "--board", "host", "--json", "result.json"]
    ended = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "pass"


def test_the_wheel_holds_no_leftovers(installed: Path) -> None:
    data = installed / "harness" / "_data"
    names = {path.name for path in data.rglob("*")}
    assert (data / "firmware" / "platformio.ini").is_file()
    assert (data / "models" / "fuel_lstm" / "model.keras").is_file()
    assert not names & {".pio", "__pycache__", ".venv"}
