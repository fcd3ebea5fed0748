"""Where things are: the firmware and models that come with the package, the cache, the state directory."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import platformdirs

from harness.errors import HilError

_APP = "hil-harness"
_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    # A wheel carries the folder inside the package; a checkout has it beside the package.
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise HilError(f"the package's own {name} folder is missing", hint="install the package again")


def firmware_dir() -> Path:
    """The PlatformIO project."""
    return _shipped("firmware")


def models_dir() -> Path:
    """The shipped bundles."""
    return _shipped("models")


def cache_dir() -> Path:
    """Builds, golden outputs and the PlatformIO core: all of it can be deleted at any time. `HIL_CACHE_DIR` moves
    it.
    """
    return _made(os.environ.get("HIL_CACHE_DIR") or platformdirs.user_cache_dir(_APP, appauthor=False))


def state_dir() -> Path:
    """Locks, emulated boards' flash and run journals. `HIL_STATE_DIR` moves it."""
    return _made(os.environ.get("HIL_STATE_DIR") or platformdirs.user_state_dir(_APP, appauthor=False))


def _made(path: str) -> Path:
    result = Path(path).expanduser().absolute()
    result.mkdir(parents=True, exist_ok=True)
    return result


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader, or a crash at any moment, sees the old content or the new, never a part.

    Raises:
        OSError: the directory can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes 0600; a report is meant to be read by others as any new file is.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
