"""Builds the simavr runner on first use and keeps it in the cache, by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.boards.catalogue import simavr_headers
from harness.errors import BuildError
from harness.resources import cache_dir, firmware_dir

_COMPILE_S = 60.0
# The static library is a sixth faster: no detour through the linkage table at each simulated instruction.
_LINKS = (("-Wl,-Bstatic", "-lsimavr", "-Wl,-Bdynamic", "-lelf"), ("-lsimavr", "-lelf"))
_INSTALL_HINT = "sudo apt install gcc libc6-dev libsimavr-dev libelf-dev"


def build_runner(board_id: str) -> Path:
    """The runner's executable. Two calls at once are safe; an unchanged source is compiled once.

    Raises:
        BuildError: no compiler or no libsimavr here, or the compiler failed.
    """
    source = firmware_dir() / "platforms" / "emulated" / "simavr_runner" / "simavr_runner.c"
    compiler = shutil.which("cc")
    headers = simavr_headers()
    if compiler is None or not headers:
        what = "the C compiler cc" if compiler is None else "libsimavr's headers"
        raise BuildError(f"simavr boards need {what}, not found here", board=board_id, hint=_INSTALL_HINT)
    digest = hashlib.sha256(source.read_bytes())
    digest.update(f"{Path(compiler).resolve()} {_LINKS}".encode())
    # Another libsimavr may have another layout of avr_t.
    for header in headers:
        digest.update(header.read_bytes())
    executable = cache_dir() / "simavr_runner" / digest.hexdigest()[:16] / "simavr_runner"
    if executable.is_file():
        return executable
    executable.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=executable.parent) as folder:
        made = Path(folder) / executable.name
        problem = ""
        for link in _LINKS:
            problem = _compile([compiler, "-O2", str(source), "-o", str(made), *link])
            if not problem:
                os.replace(made, executable)  # noqa: PTH105 - the atomic step, named as such
                return executable
    raise BuildError(f"cc could not build the simavr runner: {problem}", board=board_id, hint=_INSTALL_HINT)


def _compile(command: list[str]) -> str:
    """What went wrong; empty: nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMPILE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done in {_COMPILE_S:g} s"
    return "" if done.returncode == 0 else " / ".join(done.stderr.strip().splitlines()[-3:]) or "no message"
