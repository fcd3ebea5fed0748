"""A bundle as the files of a bundle folder: all a comparison needs, with no framework and no other file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np

from harness.compare.metrics import Array
from harness.model import bundle_toml, golden_file
from harness.model.bundle import Bundle
from harness.model.golden import vectors_digest
from harness.model.golden_file import Golden
from harness.model.model_file import read_model_file

# Every name `bundle_files` may give.
FILE_NAMES = (
    bundle_toml.FILE_NAME,
    "model.keras",
    "model.pt2",
    "model.tflite",
    "model.h",
    "vectors.npz",
    "labels.npy",
    "golden.npz",
)


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """File name -> content. `load_bundle` of a folder with them gives the bundle again, golden outputs included.

    Raises:
        UsageError: the model file is gone, or changed since the bundle was loaded.
    """
    suffix = bundle.model_path.suffix.lower()
    model = f"model{suffix if suffix in ('.keras', '.pt2', '.tflite') else '.h'}"
    arrays = dict(zip(bundle.graph.inputs, bundle.inputs, strict=True))
    # The digest is over the inputs in the order the model file has them, then lengths.
    ordered = {name: arrays.pop(name) for name in read_model_file(bundle.model_path).inputs} | arrays
    golden = Golden(bundle.golden, bundle.graph, vectors_digest(ordered), bundle.stateful)
    files = {
        model: bundle.model_path.read_bytes(),
        "vectors.npz": _npz(ordered),
        "golden.npz": golden_file.encode(golden),
    }
    if bundle.labels is not None:
        files["labels.npy"] = _npy(bundle.labels)
    files[bundle_toml.FILE_NAME] = _manifest(bundle, model).encode()
    return files


def _manifest(bundle: Bundle, model: str) -> str:
    lines = [
        f"name = {_text(bundle.name)}",
        f"description = {_text(bundle.description)}",
        f"task = {_text(bundle.task)}",
        f"tolerance_max_abs_of_range = {bundle.tolerance_max_abs_of_range!r}",
        f"tolerance_int8_of_range = {bundle.tolerance_int8_of_range!r}",
        *([f"quantise = {_text(bundle.quantise)}"] if bundle.quantise else []),
        f"stateful = {'true' if bundle.stateful else 'false'}",
        "",
        "[files]",
        f"model = {_text(model)}",
        f"model_sha256 = {_text(bundle.model_sha256.hex())}",
        'vectors = "vectors.npz"',
        *(['labels = "labels.npy"'] if bundle.labels is not None else []),
        'golden = "golden.npz"',
        "",
        "[arena]",
        *(f"{_text(where)} = {size}" for where, size in sorted(bundle.arena_bytes.items())),
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for DEL and halves of surrogate pairs.
    plain = text.replace("\x7f", "").encode("utf-8", "replace").decode()
    return json.dumps(plain, ensure_ascii=False)


def _npz(arrays: Mapping[str, Array]) -> bytes:
    out = io.BytesIO()
    # numpy writes the date 1980-01-01 into the archive: the same arrays give the same bytes.
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _npy(array: Array) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
