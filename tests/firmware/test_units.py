"""The C++ unit tests of frames and session, each under its own id; they say what failed on stderr."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware.conftest import UNIT_DIR

WIRE_RECORDS = Path(__file__).parents[1] / "vectors" / "wire_records.txt"


def _test_names() -> list[str]:
    return [
        f"{source.stem.removeprefix('test_')}-{name}"
        for source in sorted(UNIT_DIR.glob("test_*.cpp"))
        for name in re.findall(r"^TEST\((\w+)\)", source.read_text(), re.MULTILINE)
    ]


@pytest.mark.parametrize("name", _test_names())
def test_firmware(name: str, unit_program: Path) -> None:
    environment = {**os.environ, "HIL_WIRE_RECORDS": str(WIRE_RECORDS)}
    command = [str(unit_program), name.split("-", 1)[1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
