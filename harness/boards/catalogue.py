"""Every kind of board the harness knows: catalogue.toml, checked."""

from __future__ import annotations

import difflib
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from harness.errors import HilError, UsageError

Kind = Literal["emulated", "real"]
EmulatorKind = Literal["posix", "qemu", "simavr", "tflm", "esp32c3"]
ResetMethod = Literal["emulator", "esp-classic", "dtr-pulse", "touch-1200", "none"]

# Debian's names of the packages that bring a program; also Ubuntu's.
_PACKAGES = {
    "arm-none-eabi-g++": ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "libstdc++-arm-none-eabi-newlib"),
    "avr-g++": ("gcc-avr", "avr-libc", "arduino-core-avr"),
    "c++": ("g++",),
    "cc": ("gcc", "libc6-dev"),
    "qemu-system-arm": ("qemu-system-arm",),
    "qemu-system-riscv32": ("qemu-system-misc",),
    "riscv64-unknown-elf-g++": ("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf"),
}
_PYTHON_HINT = "pip install 'hil-harness[esp]'"
_SIMAVR_HEADERS = (Path("/usr/include/simavr/sim_avr.h"), Path("/usr/local/include/simavr/sim_avr.h"))

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One kind of board. Every field but `id` is a key of its table in catalogue.toml.

    Attributes:
        id: the table's name; what `--board` takes.
        title: for people.
        kind: "emulated" boards run on this computer, "real" ones are attached by USB.
        mcu: the microcontroller, as the firmware reports it in INFO.
        platformio_env: environment of firmware/platformio.ini; empty exactly when emulator = "tflm", which no
            compiler builds.
        engine_envs: environments of engines that need one of their own: "engine:environment".
        ram_bytes: RAM a program may use; 0: no meaningful limit.
        flash_bytes: flash a program may use; 0: no meaningful limit.
        engines: engines that fit, the default one first.
        arena_max_bytes: the largest arena the firmware reserves.
        max_frame_bytes: longest header + body + crc the firmware takes; one vector that needs more gets more, up to
            what `rx_buffer_bytes` hold.
        rx_buffer_bytes: encoded bytes the firmware holds while it computes.
        baud_safe: bits per second that work on every attached instance.
        needs: programs this board cannot be used without.
        upload_baud_safe: the uploader's speed for one more try after errors on the line; None: it has no other.
        boot_usb_ids: "vid:pid" while its boot loader waits, where that differs.
        boot_hint: how to get it into its boot loader by hand.
        usb_restart_s: seconds its own USB takes to come back after a restart, maybe under another name; 0: it has a
            bridge, which stays.
        needs_python: Python modules likewise; the extra "esp" of this package brings them.
        emulator: which emulator; None for real boards.
        qemu: program and machine words, for emulator = "qemu".
        simavr_mcu: simavr's name of the MCU, for emulator = "simavr".
        cpu_hz: CPU clock, where the emulator must be told.
        reset: how the harness resets it; emulated boards: always "emulator".
        usb_ids: "vid:pid" of the USB bridges it comes with, lower-case hex.
        usb_products: what the USB product string holds, where the chip's own USB says it; for people and near misses.
        baud_fast: bits per second that good cables and bridges take; None: no rate above baud_safe is known to work.
    """

    id: str
    title: str
    kind: Kind
    mcu: str
    platformio_env: str
    ram_bytes: int
    flash_bytes: int
    engines: tuple[str, ...]
    arena_max_bytes: int
    max_frame_bytes: int
    rx_buffer_bytes: int
    baud_safe: int
    needs: tuple[str, ...]
    emulator: EmulatorKind | None = None
    qemu: tuple[str, ...] = ()
    simavr_mcu: str | None = None
    cpu_hz: int | None = None
    reset: ResetMethod = "none"
    usb_ids: tuple[str, ...] = ()
    usb_products: tuple[str, ...] = ()
    baud_fast: int | None = None
    engine_envs: tuple[str, ...] = ()
    upload_baud_safe: int | None = None
    boot_usb_ids: tuple[str, ...] = ()
    boot_hint: str = ""
    usb_restart_s: int = 0
    needs_python: tuple[str, ...] = ()

    @property
    def flashed_over_line(self) -> bool:
        """An uploader puts the image on it over its serial port; other emulated boards have a flash slot instead."""
        return self.kind == "real" or self.emulator == "esp32c3"

    def environment(self, engine: str) -> str:
        """Environment of firmware/platformio.ini that builds `engine` for this board."""
        own = dict(word.split(":", 1) for word in self.engine_envs)
        return own.get(engine, self.platformio_env)

    def __post_init__(self) -> None:
        self._check_types()
        self._require("id", bool(_ID.fullmatch(self.id)), "small letters, digits, - and _, at most 32")
        self._require("kind", self.kind in get_args(Kind), f"one of {_words(get_args(Kind))}")
        self._require("reset", self.reset in get_args(ResetMethod), f"one of {_words(get_args(ResetMethod))}")
        for key in ("title", "mcu", "engines"):
            self._require(key, bool(getattr(self, key)), "not empty")
        built = self.emulator != "tflm"
        self._require("platformio_env", bool(self.platformio_env) == built, 'empty exactly when emulator = "tflm"')
        for key in ("ram_bytes", "flash_bytes"):
            self._require(key, getattr(self, key) >= 0, "0 (no limit) or more")
        for key in ("arena_max_bytes", "baud_safe"):
            self._require(key, getattr(self, key) > 0, "more than 0")
        # The smallest frame that can carry INFO, and what fits into INFO LIMITS (u16).
        self._require("max_frame_bytes", 128 <= self.max_frame_bytes <= 65535, "128 to 65535")
        good = self.max_frame_bytes <= self.rx_buffer_bytes <= 65535
        self._require("rx_buffer_bytes", good, "max_frame_bytes to 65535")
        for key in ("usb_ids", "boot_usb_ids"):
            good = all(map(_USB_ID.fullmatch, getattr(self, key)))
            self._require(key, good, 'like "10c4:ea60", lower-case hex')
        self._require("usb_restart_s", 0 <= self.usb_restart_s <= 60, "0 to 60")
        own = [word.partition(":") for word in self.engine_envs]
        good = all(engine in self.engines and environment for engine, _, environment in own)
        self._require("engine_envs", good, 'like "tflm:esp32-tflm", of engines the board has')
        if self.baud_fast is not None:
            self._require("baud_fast", self.baud_fast > self.baud_safe, "above baud_safe")
        if self.kind == "emulated":
            self._check_emulated()
        else:
            self._require("emulator", self.emulator is None, "absent for a real board")
            self._require("reset", self.reset != "emulator", "another method for a real board")

    def _check_emulated(self) -> None:
        kinds = get_args(EmulatorKind)
        is_simavr = self.emulator == "simavr"
        self._require("emulator", self.emulator in kinds, f"one of {_words(kinds)}")
        self._require("qemu", bool(self.qemu) == (self.emulator == "qemu"), 'there exactly when emulator = "qemu"')
        self._require(
            "simavr_mcu", (self.simavr_mcu is not None) == is_simavr, 'there exactly when emulator = "simavr"'
        )
        self._require("cpu_hz", not is_simavr or self.cpu_hz is not None, 'there when emulator = "simavr"')
        self._require("usb_ids", not self.usb_ids, "absent for an emulated board")
        self._require("reset", self.reset == "emulator", '"emulator", or left out, for an emulated board')

    def _check_types(self) -> None:
        for key in (field.name for field in fields(self)):
            value = getattr(self, key)
            if key in (
                "engines",
                "needs",
                "qemu",
                "usb_ids",
                "usb_products",
                "engine_envs",
                "needs_python",
                "boot_usb_ids",
            ):
                good = isinstance(value, tuple) and all(isinstance(word, str) and word for word in value)
                self._require(key, good, "a list of words")
            elif key in ("emulator", "simavr_mcu"):
                self._require(key, value is None or isinstance(value, str), "a text")
            elif key in ("cpu_hz", "baud_fast", "upload_baud_safe"):
                self._require(key, value is None or (type(value) is int and value > 0), "a whole number above 0")
            elif key.endswith("_bytes") or key in ("baud_safe", "usb_restart_s"):
                self._require(key, type(value) is int, "a whole number")
            else:
                self._require(key, isinstance(value, str), "a text")

    def _require(self, key: str, good: bool, rule: str) -> None:
        if not good:
            raise CatalogueError(self.id, key, f"must be {rule}, not {getattr(self, key)!r}")


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a board needs that is not on this computer.

    Attributes:
        what: the program or library.
        packages: Debian packages that bring it; empty: unknown.
        command: what brings it, where that is not apt.
    """

    what: str
    packages: tuple[str, ...]
    command: str | None = None

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.command is not None:
            return self.command
        return f"sudo apt install {' '.join(self.packages)}" if self.packages else f"install {self.what}"


class CatalogueError(HilError):
    """catalogue.toml has a mistake; the message names board and key."""

    def __init__(self, board: str, key: str, what: str) -> None:
        super().__init__(f"catalogue.toml: [{board}] {key} {what}")
        self.key = key


@cache
def load_catalogue() -> Mapping[str, Board]:
    """The shipped catalogue, in file order.

    Raises:
        CatalogueError: a board or key in it is wrong.
    """
    return parse_catalogue((Path(__file__).parent / "catalogue.toml").read_text("utf-8"))


def parse_catalogue(text: str) -> Mapping[str, Board]:
    """Boards of a catalogue in TOML.

    Raises:
        CatalogueError: not TOML, or a board or key in it is wrong.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError("?", "file", f"is not TOML: {error}") from error
    return MappingProxyType({name: _board(name, table) for name, table in tables.items()})


def find_board(board_id: str) -> Board:
    """The board called `board_id`.

    Raises:
        UsageError: there is none; the hint offers names that are close, or all of them.
    """
    boards = load_catalogue()
    if board_id in boards:
        return boards[board_id]
    close = difflib.get_close_matches(board_id.lower(), boards, n=3, cutoff=0.5)
    hint = f"did you mean {_words(close)}?" if close else f"one of {_words(boards)}"
    raise UsageError(f"there is no board called {board_id!r}", hint=f"{hint} (hil boards lists them)")


def missing_here(board: Board) -> tuple[Missing, ...]:
    """What this computer lacks to build for and run `board`; empty: nothing that the catalogue knows of."""
    missing = [Missing(tool, _PACKAGES.get(tool, ())) for tool in board.needs if shutil.which(tool) is None]
    if board.emulator == "tflm" and find_spec("tflite_micro") is None:
        missing.append(Missing("Python package tflite-micro", (), "pip install 'hil-harness[tflm]'  (x86-64 Linux)"))
    missing += [
        Missing(f"Python package {module}", (), _PYTHON_HINT)
        for module in board.needs_python
        if find_spec(module) is None
    ]
    if board.emulator == "simavr":
        if shutil.which("cc") is None:
            missing.append(Missing("cc", _PACKAGES["cc"]))
        if not simavr_headers():
            missing.append(Missing("libsimavr's headers", ("libsimavr-dev", "libelf-dev")))
    return tuple(missing)


def simavr_headers() -> list[Path]:
    """libsimavr's main header, where a system compiler looks for it."""
    return [header for header in _SIMAVR_HEADERS if header.is_file()]


def _board(name: str, table: object) -> Board:
    if not isinstance(table, dict):
        raise CatalogueError(name, "", "is not a table")
    known = {field.name: field for field in fields(Board)}
    for key in table:
        if key not in known or key == "id":
            close = difflib.get_close_matches(key, known, n=1)
            raise CatalogueError(
                name, key, "is not a key of a board" + (f"; did you mean {close[0]}?" if close else "")
            )
    for key, field in known.items():
        if key != "id" and key not in table and field.default is MISSING:
            raise CatalogueError(name, key, "is missing")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if values["kind"] == "emulated":
        values.setdefault("reset", "emulator")
    return Board(id=name, **values)


def _words(words: object) -> str:
    assert isinstance(words, (tuple, list, Mapping))
    return ", ".join(words)
