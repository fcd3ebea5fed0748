"""A sketch to watch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Sketch:
    """The running process; `port` is its pty."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin = process.stdin
        self.port = process.stdout.readline().strip()

    def start(self) -> None:
        """As the reset does that opening the port causes on most boards."""
        self._stdin.write("x")
        self._stdin.flush()


@contextmanager
def running(conduct: str, interval_s: float = 0.01, rounds: int = 12) -> Iterator[Sketch]:
    """A sketch of that conduct."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.watch.sketch", conduct, str(interval_s), str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield Sketch(process)
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


class Watched:
    """A finished `hil watch`."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Watch = Callable[..., Watched]


@pytest.fixture
def hil_watch_command(tmp_path: Path) -> Watch:
    """`hil watch` on a sketch of some conduct, which starts once the port is open."""

    def watch(conduct: str, *words: str) -> Watched:
        with running(conduct) as sketch:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness.cli", "watch", "-p", sketch.port, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ | {"HIL_STATE_DIR": str(tmp_path), "COLUMNS": "200"},
            )
            assert process.stderr is not None
            first = ""
            while "Ctrl-C ends" not in first:
                line = process.stderr.readline()
                first += line
                if not line:
                    break
            sketch.start()
            out, err = process.communicate(timeout=60)
            return Watched(process.returncode, out, first + err)

    return watch
