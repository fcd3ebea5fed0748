"""The libraries in the narrowest dialect they promise: gcc-avr's C++11, 16-bit int, 8 KB of RAM."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.conftest import WARNINGS, include_flags, library_sources

COMPILER = shutil.which("avr-g++")
RAM_BYTES_MAX = 640  # two frames of 256 bytes and what little state there is; arena apart


@pytest.mark.skipif(COMPILER is None, reason="no avr-g++ (Debian: apt install gcc-avr avr-libc)")
def test_session_and_protocol_fit_an_atmega2560(tmp_path: Path) -> None:
    ram_bytes = 0
    for source in library_sources():
        target = tmp_path / f"{source.stem}.o"
        command = [str(COMPILER), "-std=gnu++11", "-mmcu=atmega2560", "-Os", *WARNINGS, *include_flags()]
        done = subprocess.run(
            [*command, "-c", str(source), "-o", str(target)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        size = subprocess.run(["avr-size", str(target)], capture_output=True, text=True, timeout=10, check=True).stdout
        _, data, bss, *_ = size.splitlines()[1].split()
        if source.stem != "hil_arena":
            ram_bytes += int(data) + int(bss)
    assert ram_bytes <= RAM_BYTES_MAX
