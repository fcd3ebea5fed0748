"""Results on disk as they come, so that a killed run loses none: a header line, then fixed-size records, each with
its CRC.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from harness.link.session import VectorResult
from harness.workflow.journal_file import JournalFile

_FORMAT = "hil-journal 1"


class Journal(JournalFile):
    """The results of one run.

    Attributes:
        results: those of an earlier run with the same `key`, if it is resumed, by the vector's index.
    """

    def __init__(self, path: Path, key: Mapping[str, str], output_bytes: int, *, resume: bool) -> None:
        self.results: dict[int, VectorResult] = {}
        self._record = struct.Struct(f"<II{output_bytes}sI")
        header = json.dumps({"format": _FORMAT, "output_bytes": output_bytes, **key}, sort_keys=True).encode() + b"\n"
        super().__init__(path, header, resume=resume)

    def _read(self, records: bytes) -> bytes:
        good = 0
        while good + self._record.size <= len(records):
            index, ticks, output, crc = self._record.unpack_from(records, good)
            if crc != zlib.crc32(records[good : good + self._record.size - 4]):
                break
            self.results[index] = VectorResult(index, ticks, output)
            good += self._record.size
        return records[:good]

    def append(self, result: VectorResult) -> None:
        """Adds one result."""
        packed = self._record.pack(result.index, result.ticks, result.output, 0)[:-4]
        self._write(packed + struct.pack("<I", zlib.crc32(packed)))
