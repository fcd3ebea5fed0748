"""Directories in which PlatformIO compiles, kept so that another model compiles only what depends on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.resources import cache_dir

_UNFINISHED = "unfinished"


@contextlib.contextmanager
def workspace(name: str, headers: Mapping[str, str]) -> Iterator[Path]:
    """A directory that this process alone has, for as long as the block lasts, holding `headers` in `generated/`.

    The first of `<name>-0`, `<name>-1`, ... that no other process has. After an error, an interrupt or a kill it is
    emptied: what a half-finished build leaves looks finished to the build system.
    """
    parent = cache_dir() / "work"
    parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _take(parent, name)
    try:
        if (folder / _UNFINISHED).exists():
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        (folder / _UNFINISHED).touch()
        try:
            _write_headers(folder / "generated", headers)
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / _UNFINISHED).unlink()
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
