"""Compiles block_counter.c on first use and keeps it in the cache, by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.errors import BuildError
from harness.resources import cache_dir

_COMPILE_S = 60.0
_HINT = "sudo apt install gcc libc6-dev"
_FLAGS = ("-O2", "-shared", "-fPIC")


def build_counter(board_id: str) -> Path:
    """The shared library. Two calls at once are safe.

    Raises:
        BuildError: no compiler here, or it failed.
    """
    source = Path(__file__).with_name("block_counter.c")
    compiler = shutil.which("cc")
    if compiler is None:
        raise BuildError("the simulator needs the C compiler cc, not found here", board=board_id, hint=_HINT)
    digest = hashlib.sha256(source.read_bytes() + f"{Path(compiler).resolve()} {_FLAGS}".encode()).hexdigest()[:16]
    library = cache_dir() / "esp32c3_sim" / digest / "block_counter.so"
    if library.is_file():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=library.parent) as folder:
        made = Path(folder) / library.name
        try:
            subprocess.run(
                [compiler, *_FLAGS, str(source), "-o", str(made)],
                capture_output=True,
                text=True,
                timeout=_COMPILE_S,
                check=True,
            )
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or str(error)
            raise BuildError(
                f"cc failed on the simulator: {said.strip()[-300:]}", board=board_id, hint=_HINT
            ) from error
        os.replace(made, library)  # noqa: PTH105 - the atomic step, named as such
    return library
