"""Results into files and to stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.errors import UsageError
from harness.resources import write_atomic

STDOUT = "-"


def check_outputs(*places: str | None) -> None:
    """Refuses, before any work is done, places that can't take a result.

    Raises:
        UsageError: two results want stdout, or a file's directory is missing or not writable.
    """
    given = [place for place in places if place is not None]
    if given.count(STDOUT) > 1:
        raise UsageError("only one result can go to stdout", hint="give the others a file name instead of -")
    for place in given:
        if place != STDOUT:
            _check(Path(place))


def write(place: str, text: str, *, append: bool = False) -> None:
    """Writes a result to `place`; a file appears whole or not at all, unless `append`ed to.

    Raises:
        UsageError: the file can't be written.
    """
    if place == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path = Path(place)
    try:
        if append or not _is_plain(path):
            with path.open("a" if append else "w", encoding="utf-8") as stream:
                stream.write(text)
        else:
            write_atomic(path, text.encode())
    except OSError as error:
        raise UsageError(f"{place} can't be written: {error.strerror}", hint="choose another file") from error


def _check(path: Path) -> None:
    directory = path.absolute().parent
    if not directory.is_dir():
        raise UsageError(f"{path} can't be written: {directory} is not a directory", hint="make the directory first")
    writable = os.access(path, os.W_OK) and not path.is_dir() if path.exists() else os.access(directory, os.W_OK)
    if not writable:
        raise UsageError(f"{path} can't be written", hint="choose another file")


def _is_plain(path: Path) -> bool:
    # /dev/stdout, a named pipe: nothing that a rename may replace.
    return path.is_file() or not path.exists()
