"""Starting a worker process (`harness.model.worker`) and hearing its answer: what it sees, how long it may take."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.resources import scratch

TIMEOUT_S = 300.0
MEMORY_BYTES = 32 << 30  # of address space: the frameworks reserve far more than they use.


def ask(
    module: str,
    who: str,
    model: Path,
    model_sha256: bytes,
    options: Mapping[str, object],
    request: bytes,
    timeout_s: float,
) -> bytes:
    """A worker's answer to one request.

    Args:
        module: the worker.
        who: the framework in it, for messages.
        options: of this request; what every worker is told is added.
        request: what it reads on stdin.

    Raises:
        UsageError: it refused, crashed, or did not end in time.
    """
    whole = {
        **options,
        "model": str(model.resolve()),
        "model_sha256": model_sha256.hex(),
        "memory_bytes": MEMORY_BYTES,
        "cpu_s": int(4 * timeout_s) + 1,
        "parent": os.getpid(),
    }
    command = [sys.executable, "-P", "-m", module, json.dumps(whole)]
    with scratch() as folder:
        code, out, err = _run(command, request, str(folder), timeout_s, f"{model}: {who}")
    if code == 0:
        return out
    raise _refusal(model, who, code, out, err)


def _run(command: list[str], request: bytes, folder: str, timeout_s: float, what: str) -> tuple[int, bytes, bytes]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"{what} did not finish within {timeout_s:g} s", hint="fewer vectors, or shorter ones"
        ) from None
    finally:
        # Ctrl-C and everything else: no process is left behind.
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()
    return process.returncode, out, err


def _environment(folder: str) -> dict[str, str]:
    """What the worker sees: not the caller's credentials, and nothing that changes a framework's arithmetic."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL") if name in os.environ}
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": folder,
        "TMPDIR": folder,
        "KERAS_HOME": folder,  # the user's keras.json may set float16
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The same bits on every run: no oneDNN kernels (chosen by CPU), one thread, no GPU.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def _refusal(model: Path, who: str, code: int, out: bytes, err: bytes) -> UsageError:
    """The worker's reason, or how it ended."""
    try:
        answer = json.loads(out)
        return UsageError(f"{model}: {answer['error']}", hint=answer["hint"])
    except (ValueError, KeyError, TypeError):
        pass
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    last = "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else "it printed nothing"
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return UsageError(
        f"{model}: {who} {how} while it loaded or ran the model ({last})",
        hint="the model may be damaged or need more memory or time than a test run is given",
    )
