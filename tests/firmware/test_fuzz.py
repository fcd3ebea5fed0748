"""The kept fuzzing corpus and some thousand mutations of it; `python -m tests.firmware.fuzz` goes on for longer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.fuzz.build import CORPUS, build, find_clang, unpack_corpus

INPUTS = int(os.environ.get("HIL_FUZZ_INPUTS", "20000"))
SMALL_BYTES = 1 << 17


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guided", [False, True], ids=["mutations", "libfuzzer"])
def test_no_input_breaks_the_session(tmp_path: Path, guided: bool) -> None:
    if (find_clang() if guided else shutil.which("g++")) is None:
        pytest.skip("the compiler is missing: apt install " + ("clang" if guided else "g++"))
    fuzzer = build(tmp_path, guided=guided)
    command = fuzzer.command(unpack_corpus(tmp_path / "corpus"), INPUTS, seed=1)
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_corpus_is_small() -> None:
    assert CORPUS.stat().st_size < SMALL_BYTES
