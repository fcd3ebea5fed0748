"""Test vectors and labels from the user's files: npz, npy or csv in, checked float32 arrays out."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.compare.metrics import Array, Task
from harness.errors import UsageError
from harness.model.keras_file import InputShape
from harness.model.lengths import NAME, lengths_of

FloatArray = NDArray[np.float32]

MAX_ARRAY_BYTES = 1 << 30
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Vectors:
    """`arrays`: one a model input, in the model's order, each (vectors, *shape) float32. `notes`: conversions made.

    `lengths`: (vectors, 1), the time steps that count of each vector; None: all.
    """

    arrays: tuple[FloatArray, ...]
    notes: tuple[str, ...] = ()
    lengths: FloatArray | None = None


def load_vectors(path: Path, inputs: Mapping[str, InputShape]) -> Vectors:
    """Read vectors for a model.

    Args:
        path: `.npz` with an array for each input by its name (or a single array, for a model with one input) and
            maybe one "lengths" (`harness.model.lengths`), `.npy` with one array, or `.csv` with one vector a row: all
            elements in C order, a header row if any.
        inputs: the model's inputs: name -> shape without the batch dimension, None for any length.

    Raises:
        UsageError: the file can't be read, or its arrays don't fit the model; says where and what was expected.
    """
    lengths: Array | None = None
    if path.suffix.lower() == ".csv":
        if len(inputs) != 1:
            raise UsageError(
                f"{path}: the model has {len(inputs)} inputs ({', '.join(inputs)}) and a csv file holds one",
                hint="use an npz file with one array for each input",
            )
        name, shape = next(iter(inputs.items()))
        rows = read_csv_numbers(path)
        found: dict[str, Array] = {name: rows.reshape(len(rows), *_fit_row(path, rows.shape[1], shape))}
    else:
        arrays_there = read_arrays(path)
        if NAME not in inputs and len(arrays_there) > 1:
            lengths = arrays_there.pop(NAME, None)
        found = _by_input(path, arrays_there, inputs)

    notes: list[str] = []
    arrays = []
    for name, shape in inputs.items():
        where = f"{path}: input {name}" if len(inputs) > 1 else str(path)
        _check_shape(where, found[name].shape, shape)
        arrays.append(to_float32(where, found[name], notes))
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        each = ", ".join(f"{name} {len(array)}" for name, array in zip(inputs, arrays, strict=True))
        raise UsageError(f"{path}: the inputs differ in their number of vectors ({each})")
    if lengths is None:
        return Vectors(tuple(arrays), tuple(notes))
    if len(arrays) > 1:
        raise UsageError(f"{path} has lengths, and the model {len(arrays)} inputs; lengths go with one input")
    return Vectors(tuple(arrays), tuple(notes), lengths_of(str(path), lengths, arrays[0]))


def load_labels(path: Path, task: Task, vectors: int) -> tuple[Array, tuple[str, ...]]:
    """Read labels, one a vector: regression (vectors, ...) float32; classification (vectors,) int64 class indices.

    One-hot rows become class indices. An npz file holds one array, or one called "labels". The second value are notes.

    Raises:
        UsageError: the file can't be read, or there is not one finite label a vector.
    """
    if path.suffix.lower() == ".csv":
        table: Array = read_csv_numbers(path)
    else:
        arrays = read_arrays(path)
        if len(arrays) > 1 and "labels" not in arrays:
            raise UsageError(
                f"{path} holds {', '.join(arrays)}; which of them are the labels?", hint='name it "labels"'
            )
        table = arrays["labels"] if "labels" in arrays else next(iter(arrays.values()))
    notes: list[str] = []
    values = to_float32(str(path), table, notes)
    if len(values) != vectors:
        raise UsageError(f"{path} holds {len(values)} labels for {vectors} vectors")
    if task == "regression":
        return values, tuple(notes)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        if not np.array_equal(np.sort(values, axis=1)[:, -2:], np.tile([0, 1], (len(values), 1))):
            raise UsageError(f"{path}: labels of shape {values.shape} are neither class numbers nor one-hot rows")
        values = np.argmax(values, axis=1).astype(np.float32)
    if values.ndim != 1 or (values < 0).any() or (values != np.floor(values)).any():
        raise UsageError(f"{path}: class labels must be whole numbers >= 0, one a vector")
    return values.astype(np.int64), ()  # whole numbers lose nothing on the way


def read_arrays(path: Path) -> dict[str, Array]:
    """Arrays of an npz file by name, or of an npy file as "array". Pickled objects are refused.

    Raises:
        UsageError: missing, empty, too large, cut short, not numpy's format, or holding objects.
    """
    kind = path.suffix.lower()
    if kind not in (".npz", ".npy"):
        raise UsageError(f"{path} is not an npz, npy or csv file")
    try:
        if path.stat().st_size == 0:
            raise UsageError(f"{path} is empty")
        if kind == ".npy":
            if path.stat().st_size > MAX_ARRAY_BYTES:
                raise UsageError(f"{path} has more than {MAX_ARRAY_BYTES} bytes")
            return {"array": np.load(path, allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            total = sum(info.file_size for info in archive.infolist())
        if total > MAX_ARRAY_BYTES:
            raise UsageError(f"{path} unpacks to {total} bytes; at most {MAX_ARRAY_BYTES} are taken")
        with np.load(path, allow_pickle=False) as npz:
            arrays = {str(name): npz[name] for name in npz.files}
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, SyntaxError, MemoryError) as error:
        raise UsageError(
            f"{path} is not a {kind[1:]} file, or was cut short ({str(error)[:100]})",
            hint="write or copy the file again",
        ) from None
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise UsageError(
                f"{path} holds Python objects (pickle), which are not loaded", hint="save plain numeric arrays"
            ) from None
        raise UsageError(f"{path} is not a {kind[1:]} file, or was cut short ({str(error)[:100]})") from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise UsageError(f"{path} holds something else than numpy arrays")
    if not arrays:
        raise UsageError(f"{path} holds no arrays")
    return arrays


def read_csv_numbers(path: Path) -> NDArray[np.float64]:
    """Numbers of a csv file, (rows, columns). A first row in which no cell is a number is a header.

    Raises:
        UsageError: missing, not text, no rows, rows of different length, or a cell that is no number (with its place).
    """
    table: list[list[float]] = []
    for line, cells in read_csv_rows(path):
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if line == 1 and not any(_is_number(cell) for cell in cells):
                continue
            column, cell = next((i, cell) for i, cell in enumerate(cells, 1) if not _is_number(cell))
            raise UsageError(f"{path}, line {line}, column {column}: {cell[:40]!r} is not a number") from None
        if table and len(row) != len(table[0]):
            raise UsageError(f"{path}, line {line}: {len(row)} columns, where the rows above have {len(table[0])}")
        table.append(row)
    if not table:
        raise UsageError(f"{path} holds no rows of numbers")
    return np.asarray(table, np.float64)


def read_csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a csv file with their line numbers; empty lines are left out.

    Raises:
        UsageError: missing, too large, or not UTF-8 text.
    """
    try:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise UsageError(f"{path} has more than {MAX_ARRAY_BYTES} bytes")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            return [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a csv file in UTF-8 ({error})") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None


def to_float32(where: str, values: Array, notes: list[str]) -> FloatArray:
    """Real, finite numbers as float32; other number types are converted, with a note where that is not plain.

    Raises:
        UsageError: text, complex or object elements, nothing at all, a NaN or Inf, or a number beyond float32.
    """
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{where}: elements are of type {values.dtype}, not real numbers")
    if values.size == 0 or values.ndim == 0:
        raise UsageError(f"{where}: no vectors (shape {tuple(values.shape)})")
    wide = values.astype(np.float64)
    bad = ~np.isfinite(wide)
    if bad.any():
        raise UsageError(f"{where}: {_place(wide, bad)}; {int(bad.sum())} such values in all")
    large = np.abs(wide) > FLOAT32_MAX
    if large.any():
        raise UsageError(f"{where}: {_place(wide, large)}, beyond the range of float32")
    if values.dtype.kind != "f":
        notes.append(f"{where}: {values.dtype} converted to float32")
    elif values.dtype.itemsize > 4 and bool(np.any((wide != 0) & (wide.astype(np.float32) == 0))):
        notes.append(f"{where}: numbers too small for float32 became 0")
    return np.ascontiguousarray(wide, np.float32)


def _place(values: NDArray[np.float64], bad: NDArray[np.bool_]) -> str:
    position = tuple(int(i) for i in np.argwhere(bad)[0])
    value = values[position]
    name = "NaN" if math.isnan(value) else "Inf" if math.isinf(value) else f"{value:g}"
    return f"{name} at vector {position[0]}" + (f", element {list(position[1:])}" if len(position) > 1 else "")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _by_input(path: Path, arrays: dict[str, Array], inputs: Mapping[str, InputShape]) -> dict[str, Array]:
    if all(name in arrays for name in inputs):
        return {name: arrays[name] for name in inputs}
    if len(inputs) == 1 and len(arrays) == 1:
        return {next(iter(inputs)): next(iter(arrays.values()))}
    raise UsageError(
        f"{path} holds {', '.join(arrays)}; the model's inputs are {', '.join(inputs)}",
        hint="name each array after its input",
    )


def _fit_row(path: Path, columns: int, shape: InputShape) -> tuple[int, ...]:
    """Shape of one vector that has `columns` elements."""
    known = math.prod(size for size in shape if size is not None)
    unknown = shape.count(None)
    if unknown > 1 or columns % known or (unknown == 0 and columns != known):
        raise UsageError(
            f"{path}: {columns} columns; a vector of shape {shape_text(shape)} has "
            + (f"{known}" if unknown == 0 else f"a multiple of {known}")
        )
    return tuple(columns // known if size is None else size for size in shape)


def _check_shape(where: str, got: tuple[int, ...], shape: InputShape) -> None:
    fits = len(got) == len(shape) + 1 and all(want in (None, size) for want, size in zip(shape, got[1:], strict=True))
    if fits and all(size > 0 for size in got[1:]):
        return
    single = len(got) == len(shape) and all(want in (None, size) for want, size in zip(shape, got, strict=True))
    raise UsageError(
        f"{where}: expected vectors of shape (vectors, {shape_text(shape)[1:]}, got {tuple(got)}",
        hint="this looks like one vector: add a leading axis, vectors[None]" if single else None,
    )


def shape_text(shape: InputShape) -> str:
    """(3, 1), or (any, 6) where a length is free."""
    return (
        "(" + ", ".join("any" if size is None else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    )
