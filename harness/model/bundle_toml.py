"""bundle.toml: what a bundle folder says of itself.

name = "fuel_lstm"
description = "..."
task = "regression"                    # or "classification"
tolerance_max_abs_of_range = 1e-4      # optional: max|e| <= this x (max - min of golden)
tolerance_int8_of_range = 0.1          # optional: the same for the model in int8 (0.02 if it came so)
quantise = "int8-weights"              # optional: "float32", "int8-weights" (engine rnn) or "int8"
stateful = false                       # optional: vectors are one continuing stream, state is kept between them

[files]                                # all but model optional; inside the folder
model = "model.keras"                  # or a .pt2, a .tflite, or a C header with one
model_sha256 = "<64 hex digits>"
vectors = "vectors.npz"
labels = "labels.npz"
golden = "golden.npz"
bundle = "digits"                      # in place of all others: those of the bundle in the folder beside this one

[arena]                                # optional: bytes known to be enough
"netduino2plus/rnn" = 2048

[data]                                 # optional: how `--data table.csv` becomes vectors and labels
features = ["ENGINE SIZE", "CYLINDERS"]
label = "FUEL CONSUMPTION"
drop_missing = true                    # rows with an empty cell in any column
drop_duplicates = true                 # rows equal to an earlier one in every column
"""

from __future__ import annotations

import math
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

from harness.compare.metrics import Task
from harness.errors import UsageError

Quantise = Literal["float32", "int8-weights", "int8"]

FILE_NAME = "bundle.toml"
DEFAULT_TOLERANCE = 1e-4
# Against Keras: int8 has 256 values for the whole range of a layer, and their rounding adds up over the layers.
DEFAULT_TOLERANCE_INT8 = 0.1
# Against full TensorFlow Lite, which computes the same integers but for the rounding in its kernels: about 5 LSB.
DEFAULT_TOLERANCE_INT8_CONVERTED = 0.02


@dataclass(frozen=True, slots=True)
class DataSpec:
    """[data]: which columns of a table are the model's features, in order, and which is the label."""

    features: tuple[str, ...]
    label: str | None = None
    drop_missing: bool = False
    drop_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """bundle.toml, read and checked. Paths are absolute; whether the files exist is not checked here.

    `model_sha256` is 32 bytes. `arena_bytes` is by "board/engine".
    """

    name: str
    description: str
    task: Task
    tolerance_max_abs_of_range: float
    stateful: bool
    model: Path
    model_sha256: bytes | None = None
    vectors: Path | None = None
    labels: Path | None = None
    golden: Path | None = None
    arena_bytes: Mapping[str, int] = field(default_factory=dict)
    data: DataSpec | None = None
    tolerance_int8_of_range: float | None = None
    quantise: Quantise | None = None


def load_manifest(path: Path) -> Manifest:
    """Read a bundle.toml.

    Raises:
        UsageError: it is missing, not TOML, or a key is unknown, missing, or of the wrong kind (named).
    """
    return _load(path, may_borrow=True)


def _load(path: Path, *, may_borrow: bool) -> Manifest:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", hint=f"a bundle is a folder with a {FILE_NAME}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from None
    top = _Table(path, "", document)
    files = top.table("files", required=True)
    arena = top.table("arena")
    base = _base(path, files, may_borrow=may_borrow)
    if base is not None:
        files.finish()
    manifest = Manifest(
        name=top.text("name", required=True),
        description=top.text("description"),
        task=_task(top),
        tolerance_max_abs_of_range=top.number("tolerance_max_abs_of_range", DEFAULT_TOLERANCE),
        stateful=top.flag("stateful"),
        model=base.model if base else files.inside("model") or files.missing("model"),
        model_sha256=base.model_sha256 if base else _digest(files),
        vectors=base.vectors if base else files.inside("vectors"),
        labels=base.labels if base else files.inside("labels"),
        golden=base.golden if base else files.inside("golden"),
        arena_bytes={key: arena.count(key) for key in arena.keys},
        data=_data(top.table("data")) if "data" in document else base.data if base else None,
        tolerance_int8_of_range=top.number("tolerance_int8_of_range", 0.0)
        if "tolerance_int8_of_range" in document
        else None,
        quantise=_quantise(top),
    )
    top.finish()
    files.finish()
    return manifest


def _base(path: Path, files: _Table, *, may_borrow: bool) -> Manifest | None:
    """The bundle whose files this one uses, in the folder beside it."""
    name = files.text("bundle")
    if not name:
        return None
    if not may_borrow:
        raise files.error("bundle", f'is "{name}": a bundle that others take their files from has its own')
    if name in (".", "..") or Path(name).name != name:
        raise files.error("bundle", f'"{name}" is not the name of a folder beside this one')
    return _load(path.parent.resolve().parent / name / FILE_NAME, may_borrow=False)


def _quantise(table: _Table) -> Quantise | None:
    match table.text("quantise"):
        case "":
            return None
        case ("float32" | "int8-weights" | "int8") as word:
            return word
        case word:
            raise table.error("quantise", f'is "{word}", not "float32", "int8-weights" or "int8"')


def _task(table: _Table) -> Task:
    word = table.text("task", required=True)
    if word == "regression":
        return "regression"
    if word == "classification":
        return "classification"
    raise table.error("task", f'is "{word}", not "regression" or "classification"')


def _digest(table: _Table) -> bytes | None:
    word = table.text("model_sha256")
    if not word:
        return None
    if len(word) != 64 or not set(word) <= set(string.hexdigits):
        raise table.error("model_sha256", "is not 64 hex digits")
    return bytes.fromhex(word)


def _data(table: _Table) -> DataSpec:
    spec = DataSpec(
        features=table.texts("features"),
        label=table.text("label") or None,
        drop_missing=table.flag("drop_missing"),
        drop_duplicates=table.flag("drop_duplicates"),
    )
    table.finish()
    return spec


class _Table:
    """A TOML table whose keys are asked for by kind; `finish` refuses those nobody asked for."""

    def __init__(self, path: Path, name: str, content: Mapping[str, object]) -> None:
        self._path = path
        self._name = name
        self._content = content
        self._asked: set[str] = set()

    def error(self, key: str, what: str) -> UsageError:
        return UsageError(f"{self._path}: {f'{self._name}.' if self._name else ''}{key} {what}")

    @property
    def keys(self) -> list[str]:
        return list(self._content)

    def finish(self) -> None:
        for key in self._content:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                raise self.error(key, f"is not a key of this table (known: {known})")

    def table(self, key: str, *, required: bool = False) -> _Table:
        value = self._get(key, required)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.error(key, "is not a table")
        return _Table(self._path, f"{self._name}.{key}" if self._name else key, value)

    def text(self, key: str, *, required: bool = False) -> str:
        value = self._get(key, required)
        if value is None:
            return ""
        if not isinstance(value, str) or (required and not value):
            raise self.error(key, "is not a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, required=True)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.error(key, "is not a list of texts")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self._get(key, required=False)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.error(key, "is not true or false")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._get(key, required=False)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise self.error(key, "is not a finite number >= 0")
        return float(value)

    def count(self, key: str) -> int:
        value = self._get(key, required=True)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self.error(key, "is not a whole number > 0")
        return value

    def missing(self, key: str) -> NoReturn:
        raise self.error(key, "is missing")

    def inside(self, key: str) -> Path | None:
        """A file name, made absolute; None where the key is absent. It can't lead out of the bundle's folder."""
        word = self.text(key)
        if not word:
            return None
        folder = self._path.parent.resolve()
        path = (folder / word).resolve()
        if not path.is_relative_to(folder):
            raise self.error(key, f'"{word}" is outside the bundle')
        return path

    def _get(self, key: str, required: bool) -> object:
        self._asked.add(key)
        if required and key not in self._content:
            self.missing(key)
        return self._content.get(key)
