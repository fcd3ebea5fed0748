"""Where things are: the firmware and models that come with the package, the cache, the state directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from harness.errors import HilError

_APP = "hil-harness"
_SCRATCH_PREFIX = "scratch-"
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
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        # Without a name until all is written, so that a process killed meanwhile leaves nothing.
        descriptor, named = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666), False
    except OSError:  # a file system that has no such files
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        descriptor, named = os.open(temporary, flags, 0o666), True
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
            if not named:
                # Any directory descriptor: without one Python calls link(2), which does not follow the link in /proc.
                os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=descriptor, follow_symlinks=True)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def sweep_scratch() -> None:
    """Removes what killed processes left. Directories in use are locked, and locks end with their holder."""
    for folder in (cache_dir() / "scratch").glob(f"{_SCRATCH_PREFIX}*"):
        with contextlib.suppress(OSError), _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty directory for a helper process, removed at the end; if this process is killed, by the next run."""
    root = cache_dir() / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=root))
            with contextlib.suppress(OSError):  # a sweep may get it first
                held.enter_context(_locked(folder))
                break
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds `folder`. Raises OSError: another process does, or it is gone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
        yield
    finally:
        os.close(descriptor)
