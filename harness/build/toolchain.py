"""Which compiler a board's environment uses, and which version of it is installed."""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from harness.boards.catalogue import Board, missing_here
from harness.errors import BuildError
from harness.resources import cache_dir, write_atomic

# PlatformIO environment -> C++ compiler on PATH. Another environment's compiler comes from PlatformIO's registry.
_LOCAL_COMPILERS = {
    "host": "c++",
    "netduino2plus": "arm-none-eabi-g++",
    "megaatmega2560": "avr-g++",
    "esp32c3-sim": "riscv64-unknown-elf-g++",
    "hifive1-qemu": "riscv64-unknown-elf-g++",
}
_VERSION_TIMEOUT_S = 10.0
_ARDUINO_CORE = Path("/usr/share/arduino/hardware/arduino/avr/platform.txt")


def toolchain_version(board: Board, firmware: Path, *, engine: str | None = None) -> str:
    """Name and version of what compiles for `board`; part of the build id.

    The compiler is started only when its file has changed since it was asked last.

    Args:
        board: the board.
        firmware: the PlatformIO project, whose platformio.ini pins the platform of a board with no compiler on PATH.
        engine: an engine may have an environment of its own; None: the board's default one.

    Raises:
        BuildError: the compiler is missing, with the package that brings it, or it does not run.
    """
    name = _LOCAL_COMPILERS.get(board.platformio_env)
    if name is None:
        return _pinned_platform(board, board.environment(engine or board.engines[0]), firmware)
    found = shutil.which(name)
    if found is None:
        hints = [lack.hint for lack in missing_here(board) if lack.what == name]
        raise BuildError(
            f"the compiler {name} is not installed", board=board.id, hint=hints[0] if hints else f"install {name}"
        )
    version = _version_line(Path(found).resolve(), board)
    return f"{version}; Arduino AVR core {_arduino_version(board)}" if name == "avr-g++" else version


def _version_line(compiler: Path, board: Board) -> str:
    stat = compiler.stat()
    key = f"{compiler}\n{stat.st_mtime_ns}\n{stat.st_size}".encode()
    known = cache_dir() / "toolchains" / hashlib.sha256(key).hexdigest()[:32]
    with contextlib.suppress(FileNotFoundError):
        return known.read_text("utf-8")
    try:
        done = subprocess.run(
            [compiler, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"{compiler} --version does not work: {error}", board=board.id) from error
    line = done.stdout.partition("\n")[0].strip()
    write_atomic(known, line.encode())
    return line


def _arduino_version(board: Board) -> str:
    try:
        text = _ARDUINO_CORE.read_text("utf-8", "replace")
    except OSError as error:
        raise BuildError(
            "the Arduino AVR core is not installed", board=board.id, hint="sudo apt install arduino-core-avr"
        ) from error
    found = re.search(r"^version=(\S+)", text, re.MULTILINE)
    return found.group(1) if found else "of unknown version"


def _pinned_platform(board: Board, environment: str, firmware: Path) -> str:
    # "%" and "$" mean something to PlatformIO only.
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(firmware / "platformio.ini", "utf-8")
    section = f"env:{environment}"
    platform = ini.get(section, "platform", fallback=None)
    if platform is None:
        raise BuildError(f"platformio.ini has no platform for [{section}]", board=board.id)
    return f"PlatformIO {platform}"
