"""`pytest tests/faults --fault-id ID` replays one fault and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.firmware import compile_firmware


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-id", action="append", default=[], metavar="ID", help="Replay this fault only.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "replayed_fault" in metafunc.fixturenames:
        metafunc.parametrize("replayed_fault", metafunc.config.getoption("--fault-id", default=[]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--fault-id", default=[]):
        return
    kept = [item for item in items if "replayed_fault" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _compiled(folder: Path, max_frame_bytes: int, rx_ring_bytes: int) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt install g++")
    return compile_firmware(folder, max_frame_bytes=max_frame_bytes, rx_ring_bytes=rx_ring_bytes)


@pytest.fixture(scope="session")
def small_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an 8-bit board's buffers: frames of 256 bytes."""
    return _compiled(tmp_path_factory.mktemp("small"), 256, 512)


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the host board's buffers: frames of 4096 bytes."""
    return _compiled(tmp_path_factory.mktemp("firmware"), 4096, 16384)
