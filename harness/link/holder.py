"""Who has a device file open, from /proc. Sees processes of the same user (of all users, for root)."""

from __future__ import annotations

import os
from pathlib import Path

from harness.link.console import sanitise_bytes

_PROC = Path("/proc")
_MAX_COMMAND_CHARS = 120


def holders(device: str) -> list[tuple[int, str]]:
    """(pid, command line) of each process that has `device` open, by pid; empty where /proc can't tell."""
    target = os.path.realpath(device)
    found = []
    for pid in sorted(int(entry.name) for entry in _PROC.glob("[0-9]*")):
        if any(_points_at(descriptor, target) for descriptor in _descriptors(pid)):
            found.append((pid, _command(pid)))
    return found


def describe_holders(device: str, *, others_only: bool = False) -> str:
    """ "pid 123 (screen /dev/ttyUSB0)", several joined by commas; "" if none is seen."""
    seen = [holder for holder in holders(device) if not (others_only and holder[0] == os.getpid())]
    return ", ".join(f"this process (pid {pid})" if pid == os.getpid() else f"pid {pid} ({name})" for pid, name in seen)


def describe_intruders(device: str) -> str:
    """As `describe_holders`, of programs that are neither this one nor started by it; "" for what is no device file.

    A lock keeps out only those who ask for it: a program that just opens the port gets a share of its bytes.
    """
    if not device.startswith("/"):
        return ""
    return ", ".join(f"pid {pid} ({name})" for pid, name in holders(device) if not _is_ours(pid))


def _is_ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int((_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False


def _descriptors(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "fd").iterdir())
    except OSError:  # another user's, or gone
        return []


def _points_at(descriptor: Path, target: str) -> bool:
    try:
        return os.readlink(descriptor) == target  # noqa: PTH115 (Path.readlink would build a Path for each descriptor)
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return sanitise_bytes(b" ".join(words).strip())[:_MAX_COMMAND_CHARS] or "?"
