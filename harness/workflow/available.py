"""What of the catalogue can be used on this computer, and what mends it where something is missing."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from harness.boards.catalogue import Board, missing_here
from harness.boards.inventory import AttachedPort, list_ports, match
from harness.build.offline_kit import core_dir_for
from harness.resources import firmware_dir

_ARDUINO_CORES = Path("/usr/share/arduino/hardware/arduino/avr/cores")


@dataclass(frozen=True, slots=True)
class Lack:
    """Something a board can't be used without: what, and the command or step that brings it."""

    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Here:
    """A board on this computer: `ports` are attached ports that match a real board."""

    board: Board
    missing: tuple[Lack, ...]
    ports: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether a run can start now."""
        return not self.missing and (self.board.kind == "emulated" or bool(self.ports))

    @property
    def summary(self) -> str:
        """In a few words."""
        if self.board.kind == "real" and not self.ports:
            return "not attached"
        if self.missing:
            return "tools missing"
        return f"at {' '.join(self.ports)}" if self.ports else "ready"


def missing_tools(board: Board) -> tuple[Lack, ...]:
    """Programs, headers and PlatformIO platforms that are not here. Looks at files only; starts nothing."""
    found = [Lack(lack.what, lack.hint) for lack in missing_here(board)]
    if board.emulator == "simavr" and not _ARDUINO_CORES.is_dir():
        found.append(Lack("Arduino AVR core", "sudo apt install arduino-core-avr"))
    platform = _registry_platform(board)
    if platform is not None and not (core_dir_for(board) / "platforms" / platform[0]).is_dir():
        name, wanted = platform
        install = f'pio pkg install --global --platform "{wanted}"'
        found.append(Lack(f"PlatformIO platform {name}", f"{install}   (once, with network)"))
    return tuple(found)


def available(board: Board, ports: list[AttachedPort] | None = None) -> Here:
    """The board here. `ports`: those attached, where the caller has listed them already."""
    attached = list_ports() if ports is None else ports
    matching = tuple(port.device for port in match(board, attached)) if board.kind == "real" else ()
    return Here(board, missing_tools(board), matching)


def _registry_platform(board: Board) -> tuple[str, str] | None:
    """(name, name with version) of the platform a real board's environment takes from PlatformIO's registry."""
    if board.kind != "real":
        return None
    # PlatformIO's ${...} is not configparser's.
    project = configparser.ConfigParser(interpolation=None, strict=False)
    project.read(firmware_dir() / "platformio.ini", encoding="utf-8")
    section = f"env:{board.platformio_env}"
    wanted = project.get(section, "platform", fallback="")
    if not wanted or "://" in wanted:
        return None
    return wanted.split("@")[0].strip(), wanted.replace(" ", "")
