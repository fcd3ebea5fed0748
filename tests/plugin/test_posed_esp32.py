"""`pytest --board esp32` with a pty that poses as one: the whole path but the chip.

Found by USB id, locked, built and uploaded by PlatformIO's environment `esp32` (with a stand-in for its platform:
posed_esp32/), identified by HELLO, run and compared.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.build.offline_kit import ensure_core_dir

STAND_IN = Path(__file__).parent / "posed_esp32"
PIOPM = {
    "type": "platform",
    "name": "espressif32",
    "version": "6.13.0",
    "spec": {"owner": "platformio", "id": 8000, "name": "espressif32", "requirements": None, "uri": None},
}
TEST_FILE = """
import pytest
from harness.assertions import assert_hil_pass
from harness.boards.target import open_target
from harness.errors import PortBusyError

def test_it_computes_what_keras_computes(hil_run, hil_session, board):
    assert_hil_pass(hil_run)
    assert hil_session.info.board == board.id == "esp32"
    assert hil_session.info.mcu == "ESP32"

def test_it_is_held_by_this_session_alone(target, board):
    with pytest.raises(PortBusyError, match="pytest"):
        open_target(board)
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A board on a pty; the environment in which it is attached."""
    folder = tmp_path / "desk"
    folder.mkdir()
    environment = {**os.environ, "HIL_TEST_DESK": str(folder)}
    process = subprocess.Popen(
        [sys.executable, str(STAND_IN / "desk.py")], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        inventory = tmp_path / "inventory.json"
        entry = {"device": port, "vid": "10c4", "pid": "ea60", "serial_number": "0001", "location": "9-9.9"}
        inventory.write_text(json.dumps([entry]))
        yield environment | {"HIL_INVENTORY": str(inventory), "HIL_STATE_DIR": str(tmp_path / "state"), "PORT": port}
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def core_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's PlatformIO, with the stand-in installed as its registry's package."""
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    core = tmp_path / "core"
    platform = core / "platforms" / "espressif32"
    shutil.copytree(STAND_IN, platform, ignore=shutil.ignore_patterns("desk.py", "__pycache__"))
    (platform / ".piopm").write_text(json.dumps(PIOPM))
    (core / "packages").symlink_to(ensure_core_dir() / "packages")
    return core


def run_pytest(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "test_it.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_whole_path_but_the_chip(tmp_path: Path, desk: dict[str, str], core_dir: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST_FILE)
    (tmp_path / "lab.toml").write_text('[window]\nboard = "esp32"\nserial_number = "0001"\n')
    environment = desk | {"PLATFORMIO_CORE_DIR": str(core_dir), "HIL_CACHE_DIR": str(tmp_path / "cache")}
    done = run_pytest(tmp_path, environment, "--board", "esp32", "--require-board")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "PASS fuel_lstm on esp32" in done.stdout
    uploads = (tmp_path / "desk" / "uploads").read_text().splitlines()
    assert uploads == [f"--port {desk['PORT']} --baud 460800"]

    # By its name in the lab, and not flashed again: it runs this build already.
    again = run_pytest(tmp_path, environment, "--board", "window", "--lab", "lab.toml", "--require-board")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr
    assert (tmp_path / "desk" / "uploads").read_text().splitlines() == uploads


def test_nothing_attached_skips_loudly_and_says_what_was_looked_for(tmp_path: Path, desk: dict[str, str]) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(hil_run): ...\n")
    Path(desk["HIL_INVENTORY"]).write_text("[]")
    done = run_pytest(tmp_path, desk, "--board", "esp32")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "SKIPPED no port with USB id 10c4:ea60 or 1a86:7523" in done.stdout
    assert run_pytest(tmp_path, desk, "--board", "esp32", "--require-board").returncode == 1
