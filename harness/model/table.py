"""Vectors and labels from a table, such as the csv file a model was trained on, by the columns bundle.toml names."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.bundle_toml import DataSpec
from harness.model.keras_file import InputShape
from harness.model.vectors import read_csv_rows, shape_text, to_float32

FloatArray = NDArray[np.float32]

# What spreadsheet programs and pandas write for "no value".
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


def load_table(path: Path, spec: DataSpec, shape: InputShape) -> tuple[FloatArray, FloatArray | None]:
    """Read a table with a header row.

    Args:
        spec: its columns. A name is looked up as it stands, then with blanks around it left out.
        shape: the model's input shape; the features of a row fill it in C order.

    Returns:
        Vectors (rows, *shape) and labels (rows,) or None, float32, without the rows `spec` drops.

    Raises:
        UsageError: the file can't be read, a column is missing, or a cell is not a finite number.
    """
    rows = read_csv_rows(path)
    if not rows:
        raise UsageError(f"{path} is empty")
    header = rows[0][1]
    columns = [_column(path, header, name) for name in spec.features]
    label = _column(path, header, spec.label) if spec.label is not None else None
    size = tuple(1 if length is None else length for length in shape)
    if math.prod(size) != len(columns):
        raise UsageError(f"{len(columns)} feature columns don't fill the model's input of shape {shape_text(shape)}")

    features: list[list[float]] = []
    labels: list[float] = []
    seen: set[tuple[str, ...]] = set()
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise UsageError(f"{path}, line {line}: {len(cells)} columns, where the header has {len(header)}")
        if spec.drop_missing and any(cell.strip().lower() in MISSING for cell in cells):
            continue
        key = tuple(cells)
        if spec.drop_duplicates and key in seen:
            continue
        seen.add(key)
        features.append([_number(path, line, header[column], cells[column]) for column in columns])
        if label is not None:
            labels.append(_number(path, line, header[label], cells[label]))
    if not features:
        raise UsageError(f"{path} holds no rows")
    notes: list[str] = []
    vectors = to_float32(str(path), np.asarray(features).reshape(-1, *size), notes)
    return vectors, to_float32(str(path), np.asarray(labels), notes) if label is not None else None


def _column(path: Path, header: list[str], name: str) -> int:
    for candidates in (header, [cell.strip() for cell in header]):
        for wanted in (name, name.strip()):
            if candidates.count(wanted) == 1:
                return candidates.index(wanted)
            if wanted in candidates:
                raise UsageError(f"{path} has several columns {wanted!r}")
    names = ", ".join(repr(cell[:40]) for cell in header[:20])
    raise UsageError(f"{path} has no column {name!r}; it has {names}")


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{path}, line {line}, column {column.strip()!r}: {cell[:40]!r} is not a finite number")
    return value
