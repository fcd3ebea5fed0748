"""What journals on disk have in common: a header that names what was run, then records as they come."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from harness.resources import write_atomic


class JournalFile(ABC):
    """Append-only file. Use as a context manager.

    It is named after what was run, so `--resume` finds it. A torn last record (the process was killed in the middle of
    a write) is cut off. Only the holder of the target's lock may open it.
    """

    def __init__(self, path: Path, header: bytes, *, resume: bool) -> None:
        """Opens `path`; with `resume`, the records of an earlier run with the same header are kept and read."""
        self.path = path
        kept = header
        if resume and path.exists():
            data = path.read_bytes()
            # Another header is another model, firmware or set of vectors: nothing of it may be counted.
            if data.startswith(header):
                kept += self._read(data[len(header) :])
        write_atomic(path, kept)
        self._file: BinaryIO = path.open("ab")

    @abstractmethod
    def _read(self, records: bytes) -> bytes:
        """Takes records over, up to the first that is torn or was changed; returns their bytes."""

    def _write(self, record: bytes) -> None:
        """Adds one record. It survives the death of this process at once, and a power cut after `close`."""
        self._file.write(record)
        # To the kernel at once: a SIGKILL loses nothing that the user-space buffer would.
        self._file.flush()

    def finish(self) -> None:
        """All is done: the journal has served."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file and keeps it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
