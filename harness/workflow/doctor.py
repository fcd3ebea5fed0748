"""Looks over this computer and names, for each thing that is not right, the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.boards.catalogue import load_catalogue
from harness.boards.inventory import list_ports
from harness.build.offline_kit import ensure_core_dir
from harness.errors import BuildError
from harness.resources import cache_dir, state_dir
from harness.workflow.available import available

State = Literal["ok", "note", "missing"]

PYTHON_AT_LEAST = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what it is.
        state: "ok"; "note": works without it, or only some boards need it; "missing": nothing works without it.
        detail: what was found.
        mend: the command or step that mends it; None where nothing needs mending.
    """

    name: str
    state: State
    detail: str
    mend: str | None = None


def examine(*, fix: bool = False) -> tuple[Finding, ...]:
    """Every check, in reading order. With `fix`, what the harness can make by itself is made: the offline kit.

    Starts no program and imports neither TensorFlow nor PlatformIO, except PlatformIO with `fix`.
    """
    findings = [_python(), *_packages(), _offline_kit(fix=fix), *_directories(), _tensorflow()]
    boards = list(_boards())
    # A board that no compiler builds (host-tflm) proves a model, not a firmware.
    firmware = {f"board {board.id}" for board in load_catalogue().values() if board.platformio_env}
    if not any(finding.state == "ok" and finding.name in firmware for finding in boards):
        hint = "sudo apt install g++   (board host needs no more)"
        findings.append(Finding("any board", "missing", "no firmware can be built for any board here", hint))
    return (*findings, *boards, *_ports(), *_modem_manager())


def healthy(findings: tuple[Finding, ...]) -> bool:
    """Whether at least one board can be built for and run: nothing that everything needs is missing."""
    return all(finding.state != "missing" for finding in findings)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info >= PYTHON_AT_LEAST:
        return Finding("Python", "ok", f"{version}, {sys.executable}")
    least = ".".join(map(str, PYTHON_AT_LEAST))
    return Finding("Python", "missing", f"{version} is too old", f"use Python {least} or newer")


def _packages() -> Iterator[Finding]:
    for name, package in (("PlatformIO", "platformio"), ("SCons", "scons"), ("pyserial", "pyserial")):
        try:
            yield Finding(name, "ok", importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            mend = f"{sys.executable} -m pip install {package}"
            yield Finding(name, "missing", "not installed beside the harness", mend)


def _offline_kit(*, fix: bool) -> Finding:
    name = "offline kit"
    core = cache_dir() / "platformio-core"
    if fix:
        try:
            return Finding(name, "ok", str(ensure_core_dir()))
        except BuildError as error:
            return Finding(name, "missing", error.what, error.hint)
    if any(core.glob("packages/tool-scons*/package.json")):
        return Finding(name, "ok", str(core))
    return Finding(name, "note", "not made yet; the first build makes it", "hil doctor --fix")


def _directories() -> Iterator[Finding]:
    for name, make, variable in (("cache", cache_dir, "HIL_CACHE_DIR"), ("state", state_dir, "HIL_STATE_DIR")):
        try:
            place = make()
        except OSError as error:
            yield Finding(name, "missing", f"can't be made: {error}", f"set {variable} to a writable directory")
            continue
        writable = os.access(place, os.W_OK)
        mend = None if writable else f"set {variable} to a writable directory"
        yield Finding(
            name, "ok" if writable else "missing", str(place) + ("" if writable else " is not writable"), mend
        )


def _tensorflow() -> Finding:
    name = "TensorFlow"
    if importlib.util.find_spec("tensorflow") is None:
        mend = f"{sys.executable} -m pip install tensorflow"
        return Finding(name, "note", "not installed: only models whose golden outputs are cached can be run", mend)
    return Finding(
        name, "ok", importlib.metadata.version("tensorflow") + ", used only for golden outputs not cached yet"
    )


def _boards() -> Iterator[Finding]:
    attached = list_ports()
    for board in load_catalogue().values():
        here = available(board, attached)
        mend = "\n".join(lack.mend for lack in here.missing) or None
        lacks = "".join(f", no {lack.what}" for lack in here.missing)
        yield Finding(f"board {board.id}", "ok" if here.ready else "note", here.summary + lacks, mend)


def _ports() -> Iterator[Finding]:
    for port in list_ports():
        device = Path(port.device)
        if not device.exists() or os.access(device, os.R_OK | os.W_OK):
            continue
        try:
            group = device.group()
        except (KeyError, OSError):
            group = "dialout"
        mend = f"sudo usermod -aG {group} $USER   (then log in again)"
        yield Finding(f"port {port.device}", "note", "no permission to read and write it", mend)


def _modem_manager() -> Iterator[Finding]:
    """ModemManager probes new serial ports with AT commands, into the middle of a session or a flash."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            running = comm.read_text().strip() == "ModemManager"
        except OSError:
            continue  # ended meanwhile
        if running:
            detail = "runs, and may send AT commands to a board that is plugged in"
            yield Finding("ModemManager", "note", detail, "sudo systemctl disable --now ModemManager")
            return
