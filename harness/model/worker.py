"""What the worker processes share: limits, one request in, one answer out.

A worker is started by `worker_process` as `python -m MODULE OPTIONS`, OPTIONS in JSON. stdin: npz with an array
"input/<name>" for each input. stdout: the answer and exit code 0, or a JSON object with "error" and "hint" and exit
code 3. Anything else means it crashed or ran into a limit.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn  # OPTIONS are JSON.

import numpy as np

from harness.model.graph import FloatArray

EXIT_REFUSED = 3
PR_SET_PDEATHSIG = 1
REASON_CHARACTERS = 300


class RefusedError(Exception):
    """The model can't be used: what is wrong, and what to try."""

    def __init__(self, error: str, hint: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


def serve(argument: str, answer_of: Callable[[Mapping[str, Any], bytes], bytes]) -> NoReturn:
    """Answer one request and end.

    Args:
        argument: OPTIONS.
        answer_of: (options, what came on stdin) -> answer. It may raise RefusedError.
    """
    options = json.loads(argument)
    _limit(options["memory_bytes"], options["cpu_s"], options["parent"])
    # Native code prints to fd 1 as it likes; the answer goes to a descriptor of its own.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        content, code = answer_of(options, sys.stdin.buffer.read()), 0
    except RefusedError as refused:
        content, code = json.dumps({"error": refused.error, "hint": refused.hint}).encode(), EXIT_REFUSED
    with answer:
        answer.write(content)
    # The frameworks' own exit handlers take a while and have nothing to save.
    os._exit(code)


def _limit(memory_bytes: int, cpu_s: int, parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for what, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 1 << 30),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def checked_digest(options: Mapping[str, Any]) -> bytes:
    """SHA-256 of the model file, 32 bytes.

    Raises:
        RefusedError: the file is not the one that was asked about.
    """
    with Path(options["model"]).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    if digest.hex() != options["model_sha256"]:
        raise RefusedError("the file changed while it was being read", "run again once it is written")
    return digest


def vectors_of(options: Mapping[str, Any], request: bytes) -> dict[str, FloatArray]:
    """Input name -> (vectors, *shape)."""
    with np.load(io.BytesIO(request), allow_pickle=False) as npz:
        return {name: np.asarray(npz[f"input/{name}"], np.float32) for name in options["inputs"]}


def reason_of(error: Exception) -> str:
    """An exception as one printable line."""
    # Keras wraps what went wrong in the whole configuration of the layer it went wrong in.
    text = " ".join(f"{error}".rpartition("Exception encountered:")[2].split()) or type(error).__name__
    text = "".join(c for c in text if c.isprintable())
    return text if len(text) <= REASON_CHARACTERS else text[: REASON_CHARACTERS - 3] + "..."
