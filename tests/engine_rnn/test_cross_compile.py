"""The engine builds without warnings for the smallest and the main target, within its share of flash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.model.rnn_pack import pack_rnn
from tests.engine_rnn.engine import INCLUDES, WARNINGS, engine_sources
from tests.engine_rnn.reference import dense_layer, graph, tutorial

TARGETS = {
    "avr": ("avr-g++", "avr-size", ["-mmcu=atmega2560", "-Os"]),
    "cortex-m4f": (
        "arm-none-eabi-g++",
        "arm-none-eabi-size",
        ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2"],
    ),
    "cortex-m3": ("arm-none-eabi-g++", "arm-none-eabi-size", ["-mcpu=cortex-m3", "-mthumb", "-Os"]),
}
CODE_LIMIT_BYTES = 12288  # half of what engine and session together may take


def _compile(compiler: str, flags: list[str], source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [compiler, *WARNINGS, *flags, "-fno-exceptions", "-fno-rtti", f"-I{folder}", *INCLUDES]
    command += ["-c", str(source), "-o", str(folder / f"{source.stem}.o")]
    return subprocess.run(command, timeout=60, capture_output=True, text=True)


@pytest.mark.parametrize("target", TARGETS)
def test_engine_builds_without_warnings_and_is_small(target: str, tmp_path: Path) -> None:
    compiler, size, flags = TARGETS[target]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    packed = pack_rnn(tutorial())
    (tmp_path / "hil_model.h").write_text(packed.sources["hil_model.h"])
    for source in engine_sources():
        done = _compile(compiler, flags, source, tmp_path)
        assert done.returncode == 0, done.stderr
    objects = [str(path) for path in tmp_path.glob("*.o")]
    table = subprocess.run([size, "-t", *objects], check=True, timeout=60, capture_output=True, text=True).stdout
    text, data, bss = (int(word) for word in table.splitlines()[-1].split()[:3])
    assert text - packed.model_bytes < CODE_LIMIT_BYTES
    assert data == 0
    assert bss <= 64


def test_model_beyond_an_avr_object_is_refused_with_the_reason(tmp_path: Path) -> None:
    if shutil.which("avr-g++") is None:
        pytest.skip("avr-g++ is not installed")
    model = graph({"x": (100,)}, [dense_layer(np.random.default_rng(0), "d", "x", (100,), 100)])
    (tmp_path / "hil_model.h").write_text(pack_rnn(model).sources["hil_model.h"])
    engine = next(path for path in engine_sources() if path.name == "hil_engine_rnn.cpp")
    done = _compile("avr-g++", TARGETS["avr"][2], engine, tmp_path)
    assert done.returncode != 0
    assert "8-bit AVR takes models of up to 32767 bytes" in done.stderr
