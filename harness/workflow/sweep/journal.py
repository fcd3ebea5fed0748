"""Verdicts on disk as they come, so that a killed sweep loses none: a header, then JSON lines with their CRCs."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from harness.report.sweep_record import OUTCOMES, ProbeRecord
from harness.workflow.journal_file import JournalFile

_FORMAT = "hil-sweep-journal 1"


class SweepJournal(JournalFile):
    """The probes of one sweep.

    Attributes:
        probes: those of an earlier sweep with the same `key`, if it is resumed, oldest first.
    """

    def __init__(self, path: Path, key: Mapping[str, str], *, resume: bool) -> None:
        self.probes: list[ProbeRecord] = []
        super().__init__(path, _line({"format": _FORMAT, **key}), resume=resume)

    def _read(self, records: bytes) -> bytes:
        good = b""
        for line in records.splitlines(keepends=True):
            probe = _probe(line)
            if probe is None:
                break
            self.probes.append(probe)
            good += line
        return good

    def append(self, probe: ProbeRecord) -> None:
        """Adds one verdict."""
        self._write(_line(dataclasses.asdict(probe)))


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
