"""Directories in which PlatformIO compiles, kept so that another model compiles only what depends on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.resources import cache_dir

_UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A directory for one build, held by this process."""

    path: Path

    @property
    def generated(self) -> Path:
        """Folder of the generated headers."""
        return self.path / "generated"

    def settle(self) -> None:
        """The build system has ended by itself: what it left may be built upon."""
        (self.path / _UNSETTLED).unlink()

    @property
    def settled(self) -> bool:
        """Whether `settle` was called."""
        return not (self.path / _UNSETTLED).exists()


@contextlib.contextmanager
def workspace(name: str, headers: Mapping[str, str]) -> Iterator[Workspace]:
    """A directory that this process alone has, for as long as the block lasts, holding `headers`.

    The first of `<name>-0`, `<name>-1`, ... that no other process has. It is emptied after a build that was
    interrupted, killed or cut off at its deadline: what that leaves looks finished to the build system.
    """
    parent = cache_dir() / "work"
    parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _take(parent, name)
    work = Workspace(folder)
    try:
        if not work.settled:
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        (folder / _UNSETTLED).touch()
        try:
            _write_headers(work.generated, headers)
            yield work
        finally:
            if not work.settled:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _take(parent: Path, name: str) -> tuple[Path, int]:
    number = 0
    while True:
        folder = parent / f"{name}-{number}"
        lock = os.open(f"{folder}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
            continue
        return folder, lock


def _write_headers(folder: Path, headers: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        if stale.name not in headers:
            stale.unlink()
    for name, text in headers.items():
        (folder / name).write_text(text, "utf-8")
