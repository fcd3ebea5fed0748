"""A run as JSON: the tree of `harness.report.record`, key for key; what JSON can't hold (NaN, Inf) becomes null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import HilError, UsageError
from harness.report.from_json import RecordFormatError, record_from
from harness.report.record import SCHEMA_VERSION, RunRecord

MAX_FILE_BYTES = 64 << 20

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: object) -> Json:
    """Dataclasses, mappings and sequences as plain JSON values.

    Raises:
        TypeError: a value has no JSON form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: object) -> str:
    """JSON text of any result. ASCII only: device text in it can't carry escape codes into a terminal."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def run_json(record: RunRecord) -> str:
    """The text of `hil run --json`."""
    return dumps(record)


def error_json(error: HilError) -> str:
    """What `--json` holds when there is no result: verdict "error", so that no stale file is read as this run's."""
    return dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "verdict": "error",
            "error": {
                "kind": type(error).__name__,
                "exit_code": error.exit_code,
                "what": error.what,
                "board": error.board,
                "port": error.port,
                "hint": error.hint,
                "console": list(error.console),
            },
        }
    )


def load_record(path: Path) -> RunRecord | HilError:
    """The one result in a file of `hil run --json`: a record, or the error that ended the run.

    Raises:
        UsageError: as `load_records`; or the file holds none or several.
    """
    found = load_records(path)
    if len(found) != 1:
        raise UsageError(f"{path} holds {len(found)} runs, one was expected")
    return found[0]


def load_records(path: Path) -> list[RunRecord | HilError]:
    """The results in a file of `hil run --json` (one) or `pytest --hil-json` (any number).

    Raises:
        UsageError: the file can't be read, is not such a file, or has another schema version; says which key is off.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="check the path") from error
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than {MAX_FILE_BYTES} bytes", hint="is it the right file?")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error})", hint="hil run --json FILE writes one") from None
    if not isinstance(data, dict) or "schema_version" not in data:
        raise UsageError(f"{path} is no result of a run: it has no schema_version", hint="hil run --json FILE")
    version = data["schema_version"]
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {str(version)[:20]}, this harness reads {SCHEMA_VERSION}",
            hint="use the harness that wrote it",
        )
    runs = data["runs"] if isinstance(data.get("runs"), list) else [data]
    try:
        return [_result(run) for run in runs]
    except RecordFormatError as error:
        raise UsageError(f"{path} is no result of a run: {error}", hint="hil run --json FILE writes one") from None


def _result(data: object) -> RunRecord | HilError:
    if not isinstance(data, dict) or data.get("verdict") != "error":
        record = record_from(RunRecord, data)
        if not record.outputs:
            raise RecordFormatError("outputs is empty")
        return record
    values = data.get("error")
    if not isinstance(values, dict):
        raise RecordFormatError("error is not an object")
    texts = {key: values.get(key) for key in ("board", "port", "hint")}
    console = values.get("console") or []
    if not isinstance(console, list):
        raise RecordFormatError("error.console is not a list")
    return HilError(
        str(values.get("what")),
        **{key: None if text is None else str(text) for key, text in texts.items()},
        console=tuple(map(str, console)),
    )
