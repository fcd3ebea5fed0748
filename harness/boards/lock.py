"""One holder per target, by a lock the kernel releases whatever becomes of the holder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from harness.errors import PortBusyError
from harness.resources import state_dir

_POLL_S = 0.05
_RECORD_MAX_BYTES = 4096
_COMMAND_MAX = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, by its own account.

    Attributes:
        pid: process id.
        command: command line.
        since: when it took the lock, ISO 8601 with UTC offset.
    """

    pid: int
    command: str
    since: str


class TargetLock:
    """A held lock; made by `acquire`, given back by `release` or the end of the `with` block.

    Only flock(2) on state_dir()/locks/<name>.lock decides. The file's content just tells others who holds it, and the
    file is never removed: removing it would let two processes lock two files of one name.

    A lock belongs to the open file, which fork(2) shares: a forked child keeps it held until it ends or execs, and its
    `release` does nothing. Start helpers with subprocess or the "spawn" method of multiprocessing.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._owner = os.getpid()

    @classmethod
    def acquire(cls, name: str, *, timeout_s: float = 0.0, board: str | None = None, port: str | None = None) -> Self:
        """Takes the lock called `name` (any text), waiting up to `timeout_s` for it.

        Raises:
            PortBusyError: another holder has it; the message names its pid, command line and since when.
        """
        path = state_dir() / "locks" / f"{file_name(name)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline_s = time.monotonic() + timeout_s
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _try_lock(descriptor):
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    holder = _read_holder(descriptor)
                    who = (
                        f"process {holder.pid} since {holder.since}: {holder.command}" if holder else "another process"
                    )
                    raise PortBusyError(
                        f"{name} is in use by {who}",
                        board=board,
                        port=port,
                        hint="wait until it is done, or end that process",
                    )
                time.sleep(min(_POLL_S, remaining_s))
            _write_holder(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(name, descriptor)

    def release(self) -> None:
        """Gives the lock back. May be called again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            if os.getpid() == self._owner:
                os.ftruncate(descriptor, 0)
                # Closing is not enough if a forked child still has the file open.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def file_name(name: str) -> str:
    """`name` as one component of a path: readable, short, and never the same for two names."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    command = shlex.join(sys.argv) if sys.argv and sys.argv[0] else "python"
    record = {
        "pid": os.getpid(),
        "command": command[:_COMMAND_MAX],
        "since": datetime.now(UTC).isoformat("T", "seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(record).encode() + b"\n", 0)


def _read_holder(descriptor: int) -> Holder | None:
    # Written after the lock is taken and not atomically: what is no record says nothing.
    try:
        record = json.loads(os.pread(descriptor, _RECORD_MAX_BYTES, 0))
        return Holder(int(record["pid"]), _printable(str(record["command"])), _printable(str(record["since"])))
    except (ValueError, KeyError, TypeError):
        return None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
