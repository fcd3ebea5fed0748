"""The firmware is compiled once per test run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.link.serial_port import open_port
from harness.link.session import Session
from tests.link.device import ProcessOnPty, compile_firmware


def _need_compiler() -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt install g++")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware with the host board's buffers."""
    _need_compiler()
    return compile_firmware(tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="session")
def small_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware with an 8-bit board's buffers."""
    _need_compiler()
    return compile_firmware(tmp_path_factory.mktemp("small_firmware"), max_frame_bytes=256, rx_ring_bytes=512)


@pytest.fixture
def device(firmware: Path) -> Iterator[ProcessOnPty]:
    with ProcessOnPty(str(firmware)) as process:
        yield process


@pytest.fixture
def session(device: ProcessOnPty) -> Iterator[Session]:
    with Session.open(open_port(device.port_name, 115200)) as opened:
        yield opened
