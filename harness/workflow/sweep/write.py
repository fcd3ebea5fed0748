"""Puts an arena size into a bundle's bundle.toml, and changes nothing else: not a blank, not a comment."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from harness.errors import UsageError
from harness.model.bundle_toml import FILE_NAME, load_manifest
from harness.resources import models_dir, write_atomic

_ARENA_TABLE = re.compile(rb"^[ \t]*\[[ \t]*arena[ \t]*\][ \t]*(#.*)?$")
_ANY_TABLE = re.compile(rb"^[ \t]*\[")


def settings_file(model: str) -> Path:
    """The bundle.toml that `model`, as the command line takes it, has.

    Raises:
        UsageError: it is a model file of its own, or can't be written.
    """
    path = Path(model)
    folder = models_dir() / path if len(path.parts) == 1 and (models_dir() / path / FILE_NAME).is_file() else path
    file = folder / FILE_NAME
    if not file.is_file():
        raise UsageError(
            f"{model} has no {FILE_NAME} to write the arena size into",
            hint="leave out --write, or make a bundle folder of the model",
        )
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"{file} can't be written",
            hint="copy the bundle's folder, and name the copy: hil sweep-arena ./my_bundle --write",
        )
    return file


def write_arena(file: Path, key: str, size: int) -> bool:
    """Sets [arena] "board/engine" = size; False if that is what it says already.

    Raises:
        UsageError: the file can't be read, written, or changed without changing more than that.
    """
    before = file.read_bytes()
    had = load_manifest(file).arena_bytes
    if had.get(key) == size:
        return False
    after = edited(before, key, size)
    wanted = tomllib.loads(before.decode())
    wanted.setdefault("arena", {})[key] = size
    if tomllib.loads(after.decode()) != wanted:
        raise UsageError(
            f"{file} is written in a way that can't be edited safely",
            hint=f'add "{key}" = {size} under [arena] by hand',
        )
    mode = file.stat().st_mode
    try:
        write_atomic(file, after)
        file.chmod(mode)
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}", hint="check its permissions") from error
    return True


def edited(text: bytes, key: str, size: int) -> bytes:
    """`text` of a bundle.toml with the entry changed or added; every other byte stays."""
    lines = text.splitlines(keepends=True)
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    entry = re.compile(
        rb"""^([ \t]*(?:"%s"|'%s')[ \t]*=[ \t]*)[0-9_]+(?=[ \t]*(?:#.*)?\r?\n?$)""" % ((re.escape(key.encode()),) * 2)
    )
    start = next((i for i, line in enumerate(lines) if _ARENA_TABLE.match(line.rstrip(b"\r\n"))), None)
    new = b'"%s" = %d' % (key.encode(), size)
    if start is None:
        gap = b"" if not lines or lines[-1].endswith(b"\n") else end
        return text + gap + end + b"[arena]" + end + new + end
    stop = next((i for i in range(start + 1, len(lines)) if _ANY_TABLE.match(lines[i])), len(lines))
    for i in range(start + 1, stop):
        if entry.match(lines[i]):
            lines[i] = entry.sub(lambda m: m[1] + b"%d" % size, lines[i], count=1)
            return b"".join(lines)
    # After the last entry of the table, before the blank lines and comments that lead to the next one.
    last = max((i for i in range(start, stop) if i == start or b"=" in lines[i].split(b"#")[0]), default=start)
    if not lines[last].endswith(b"\n"):
        lines[last] += end
    lines.insert(last + 1, new + end)
    return b"".join(lines)
