"""Results on disk as they come, so that a killed run loses none: a header line, then fixed-size records, each with
its CRC.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from harness.link.session import VectorResult
from harness.resources import write_atomic

_FORMAT = "hil-journal 1"


class Journal:
    """Append-only file of the results of one run. Use as a context manager.

    The file is named after what was run, so `--resume` finds it; a torn last record (the process was killed in the
    middle of a write)
    is cut off. Only the holder of the target's lock may open it.
    """

    def __init__(self, path: Path, key: Mapping[str, str], output_bytes: int, *, resume: bool) -> None:
        """Opens `path`; with `resume`, results of an earlier run with the same `key` are kept and found in
        `.results`.
        """
        self.path = path
        self.results: dict[int, VectorResult] = {}
        self._record = struct.Struct(f"<II{output_bytes}sI")
        header = json.dumps({"format": _FORMAT, "output_bytes": output_bytes, **key}, sort_keys=True).encode() + b"\n"
        kept = header + self._read(path, header) if resume and path.exists() else header
        write_atomic(path, kept)
        self._file: BinaryIO = path.open("ab")

    def _read(self, path: Path, header: bytes) -> bytes:
        data = path.read_bytes()
        if not data.startswith(header):
            return b""  # another model, firmware or set of vectors: nothing of it may be counted
        body = data[len(header) :]
        good = 0
        while good + self._record.size <= len(body):
            index, ticks, output, crc = self._record.unpack_from(body, good)
            if crc != zlib.crc32(body[good : good + self._record.size - 4]):
                break
            self.results[index] = VectorResult(index, ticks, output)
            good += self._record.size
        return body[:good]

    def append(self, result: VectorResult) -> None:
        """Adds one result. It survives the death of this process at once, and a power cut after `close`."""
        packed = self._record.pack(result.index, result.ticks, result.output, 0)[:-4]
        self._file.write(packed + struct.pack("<I", zlib.crc32(packed)))
        # To the kernel at once: a SIGKILL loses nothing that the user-space buffer would.
        self._file.flush()

    def finish(self) -> None:
        """The run is complete: the journal has served."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file and keeps it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
