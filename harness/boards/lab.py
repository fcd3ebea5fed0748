"""The lab file: names for the boards on a desk, and what belongs to each.

    [left-esp32]
    board = "esp32"                 # catalogue id
    serial_number = "0001"          # USB serial number, and/or
    port = "/dev/ttyUSB0"           # device path, socket:// or rfc2217://
    power_cycle = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "cycle"]

`--lab FILE` or `HIL_LAB` names it; `--board` then takes its names too. The command is a list of words, started without
a shell, by the harness's own user: a lab file is as trusted as a script.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from harness.boards.catalogue import find_board, load_catalogue
from harness.errors import HilError, UsageError
from harness.link.port_list import AttachedPort

LAB_VARIABLE = "HIL_LAB"
_MAX_BYTES = 1 << 20
_MAX_WORDS = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_URLS = ("socket://", "rfc2217://")
_HINT = 'see docs/boards.md, "Lab file"'


@dataclass(frozen=True, slots=True)
class LabBoard:
    """One board of the lab.

    Attributes:
        name: the table's name.
        board: catalogue id.
        serial_number: USB serial number; None: not asked for.
        port: device path or URL; None: looked for.
        power_cycle: command that takes its power away and gives it back; empty: none.
    """

    name: str
    board: str
    serial_number: str | None = None
    port: str | None = None
    power_cycle: tuple[str, ...] = ()

    def is_at(self, attached: AttachedPort) -> bool:
        """Whether it is the one at that port."""
        if self.serial_number is not None:
            return attached.serial_number == self.serial_number
        return self.port is not None and _same(self.port, attached.device)


@dataclass(frozen=True, slots=True)
class Place:
    """A board by catalogue id, and where it is."""

    board: str
    port: str | None
    serial_number: str | None


def place(name: str, *, port: str | None = None, serial_number: str | None = None) -> Place:
    """What `--board NAME` means: a catalogue id, or a name of the lab file with its port and serial number.

    Raises:
        UsageError: there is no such board; a lab name together with a port or serial number; the lab file is wrong.
    """
    lab = current_lab()
    if name not in lab:
        if lab and name not in load_catalogue():
            close = difflib.get_close_matches(name, [*lab, *load_catalogue()], n=3, cutoff=0.5) or list(lab)
            raise UsageError(
                f"there is no board called {name!r}, in the lab file or the catalogue",
                hint=f"one of {', '.join(close)} (hil boards lists the catalogue)",
            )
        return Place(find_board(name).id, port, serial_number)
    if port is not None or serial_number is not None:
        raise UsageError(
            f"{name} is a board of the lab file, which says where it is",
            board=lab[name].board,
            port=port,
            hint="leave out --port and --serial-number",
        )
    return Place(lab[name].board, lab[name].port, lab[name].serial_number)


def entry_at(board_id: str, attached: AttachedPort) -> LabBoard | None:
    """The lab's entry for the board of that kind at a port; None: the lab has none, or there is no lab file."""
    return next((entry for entry in current_lab().values() if entry.board == board_id and entry.is_at(attached)), None)


def current_lab() -> Mapping[str, LabBoard]:
    """The boards of the file `HIL_LAB` names; none without it.

    Raises:
        UsageError: as `load_lab`.
    """
    file = os.environ.get(LAB_VARIABLE)
    return load_lab(Path(file)) if file else MappingProxyType({})


def load_lab(file: Path) -> Mapping[str, LabBoard]:
    """The boards of a lab file, by name, in file order.

    Raises:
        UsageError: it can't be read, or a key or value in it is wrong; the message points at file and line.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ValueError("it is too long")
        text = raw.decode("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the lab file {file} can't be read: {error}", hint=_HINT) from error
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise UsageError(f"{file}:{line}: not TOML: {error}", hint=_HINT) from error
    lab: dict[str, LabBoard] = {}
    for name, table in tables.items():
        try:
            lab[name] = _entry(name, table)
            _check_twin(lab[name], lab)
        except _WrongKeyError as error:
            raise UsageError(
                f"{file}:{_line_of(text, name, error.key)}: [{name}] {error}", hint=error.hint or _HINT
            ) from error
    return MappingProxyType(lab)


class _WrongKeyError(ValueError):
    def __init__(self, key: str, what: str, hint: str | None = None) -> None:
        super().__init__(f"{key} {what}" if key else what)
        self.key = key
        self.hint = hint


def _entry(name: str, table: object) -> LabBoard:
    known = [field.name for field in fields(LabBoard) if field.name != "name"]
    if not isinstance(table, dict):
        raise _WrongKeyError("", "is not a table: write [name] above the keys of a board")
    if not _NAME.fullmatch(name):
        raise _WrongKeyError("", "is no name: letters, digits, dot, dash and underscore, at most 64")
    if name in load_catalogue() and table.get("board") != name:
        raise _WrongKeyError("", "is the name of a kind of board in the catalogue", "pick another name")
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            raise _WrongKeyError(
                key,
                "is not a key of a board" + (f"; did you mean {close[0]}?" if close else ""),
                f"keys: {', '.join(known)}",
            )
    board = _text(table, "board")
    if board is None:
        raise _WrongKeyError("", "has no board: name its kind (hil boards)")
    try:
        kind = find_board(board).kind
    except HilError as error:
        raise _WrongKeyError("board", f"is wrong: {error.what}", error.hint) from error
    port, serial_number = _text(table, "port"), _text(table, "serial_number")
    if port is not None and not port.startswith(("/", *_URLS)):
        raise _WrongKeyError("port", f"must be a device path, {' or '.join(url + 'host:port' for url in _URLS)}")
    if kind == "emulated" and (port or serial_number):
        raise _WrongKeyError("port" if port else "serial_number", "has no place with an emulated board")
    words = table.get("power_cycle", [])
    good = isinstance(words, list) and len(words) <= _MAX_WORDS and all(isinstance(w, str) and w for w in words)
    if not good or ("power_cycle" in table and not words):
        raise _WrongKeyError(
            "power_cycle", 'must be a list of words, like ["uhubctl", "-a", "cycle"]: no shell reads it'
        )
    return LabBoard(name, board, serial_number, port, tuple(words))


def _text(table: Mapping[str, object], key: str) -> str | None:
    value = table.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise _WrongKeyError(key, f"must be a text, not {value!r}")


def _check_twin(entry: LabBoard, lab: Mapping[str, LabBoard]) -> None:
    if entry.port is None and entry.serial_number is None:
        return
    for other in lab.values():
        same = (other.serial_number, other.port) == (entry.serial_number, entry.port)
        if other.name != entry.name and other.board == entry.board and same:
            key = "serial_number" if entry.serial_number is not None else "port"
            raise _WrongKeyError(
                key, f"is that of [{other.name}] too", "two boards of a kind need something of their own"
            )


def _line_of(text: str, table: str, key: str) -> int:
    """Line of a key in its table, of the table's head if there is none; tomllib does not say."""
    head = re.compile(rf"""^\s*\[\s*["']?{re.escape(table)}["']?\s*\]|^\s*["']?{re.escape(table)}["']?\s*[.=]""")
    here = 0
    for number, line in enumerate(text.splitlines(), 1):
        if here and line.lstrip().startswith("["):
            break
        if head.match(line):
            here = number
        elif here and key and re.match(rf"""^\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return here or 1


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    return one.startswith("/") and other.startswith("/") and Path(one).resolve() == Path(other).resolve()
