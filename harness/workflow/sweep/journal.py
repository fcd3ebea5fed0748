"""Verdicts on disk as they come, so that a killed sweep loses none: a header, then JSON lines with their CRCs."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from harness.report.sweep_record import OUTCOMES, ProbeRecord
from harness.resources import write_atomic

_FORMAT = "hil-sweep-journal 1"


class SweepJournal:
    """Append-only file of the probes of one sweep. Use as a context manager.

    The file is named after what was probed, so `--resume` finds it. A torn last line (the process was killed in the
    middle of a write) is cut off. Only the holder of the target's lock may open it.
    """

    def __init__(self, path: Path, key: Mapping[str, str], *, resume: bool) -> None:
        """Opens `path`; with `resume`, `.probes` has those of an earlier sweep with the same `key`, oldest first."""
        self.path = path
        self.probes: list[ProbeRecord] = []
        header = _line({"format": _FORMAT, **key})
        kept = header + self._read(path, header) if resume and path.exists() else header
        write_atomic(path, kept)
        self._file: BinaryIO = path.open("ab")

    def _read(self, path: Path, header: bytes) -> bytes:
        data = path.read_bytes()
        if not data.startswith(header):
            return b""  # another model, firmware or reference: nothing of it may be counted
        good = b""
        for line in data[len(header) :].splitlines(keepends=True):
            probe = _probe(line)
            if probe is None:
                break
            self.probes.append(probe)
            good += line
        return good

    def append(self, probe: ProbeRecord) -> None:
        """Adds one verdict. It survives the death of this process at once, and a power cut after `close`."""
        self._file.write(_line(dataclasses.asdict(probe)))
        self._file.flush()

    def finish(self) -> None:
        """The sweep is complete: the journal has served."""
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


def _line(content: Mapping[str, object]) -> bytes:
    text = json.dumps(content, sort_keys=True).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def _probe(line: bytes) -> ProbeRecord | None:
    """The probe in a line; None if the line is torn or was changed."""
    text, _, crc = line.rpartition(b" ")
    if not line.endswith(b"\n") or crc.strip() != b"%08x" % zlib.crc32(text):
        return None
    fields = json.loads(text)
    if fields.get("outcome") not in OUTCOMES:
        return None
    return ProbeRecord(**fields | {"console": tuple(fields["console"])})
