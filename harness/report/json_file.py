"""A run as JSON: the tree of `harness.report.record`, key for key; what JSON can't hold (NaN, Inf) becomes null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import HilError
from harness.report.record import SCHEMA_VERSION, RunRecord

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
