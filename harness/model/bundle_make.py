"""What the make.py of the bundles share: seeded weights, a model file without dates, the files of the folder.

Imports a framework only where it is given a model of it. Set the environment (`QUIET_KERAS`) before Keras is first
imported.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # Keras ships no types.

import numpy as np

from harness.compare.metrics import Array
from harness.model import bundle_toml
from harness.model.golden import golden_from_worker, write_golden
from harness.model.graph import FloatArray
from harness.model.model_file import read_model_file

# The same arithmetic on every run: oneDNN picks its kernels by CPU and thread count.
QUIET_KERAS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def prepare_keras() -> None:
    """Environment of a reproducible Keras; call before it is imported."""
    os.environ.update(QUIET_KERAS)


def seed_weights(model: Any, seed: int) -> None:
    """Fill every weight from numpy's generator, which gives the same numbers with every version of Keras.

    Matrices: normal, deviation 1 / sqrt(rows), so that gates work in their curved range without saturating. Vectors
    (biases): normal, deviation 0.3.
    """
    random = np.random.default_rng(seed)
    weights = []
    for weight in model.get_weights():
        deviation = 1 / np.sqrt(weight.shape[0]) if weight.ndim > 1 else 0.3
        weights.append(random.normal(0, deviation, weight.shape).astype(np.float32))
    model.set_weights(weights)


def keras_file(model: Any) -> bytes:
    """An uncompiled model as a `.keras` archive whose bytes depend on its layers and weights alone: no dates."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model.keras"
        model.save(saved)
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(out, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps(json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}).encode()
                elif name == "config.json":
                    content = _renumber_shared_objects(content)
                # ZipInfo's own date is 1980-01-01.
                target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def write_keras_bundle(
    folder: Path, model: Any, inputs: Mapping[str, FloatArray], *, labels: Array | None = None
) -> bytes:
    """As `write_bundle`, with model.keras. `model`: built and not compiled."""
    return write_bundle(folder, "model.keras", keras_file(model), inputs, labels=labels)


def write_seeded_keras_bundle(folder: Path, model: Any, seed: int, *, count: int = 32) -> bytes:
    """As `write_keras_bundle`, for a model of one input that is about shapes and arithmetic: weights as `seed_weights`
    gives them, and `count` vectors of normal distribution.
    """
    seed_weights(model, seed)
    (tensor,) = model.inputs
    vectors = np.random.default_rng(seed).normal(0, 1, (count, *tensor.shape[1:])).astype(np.float32)
    return write_keras_bundle(folder, model, {tensor.name: vectors})


def write_torch_bundle(folder: Path, module: Any, inputs: Mapping[str, FloatArray]) -> bytes:
    """As `write_bundle`, with model.pt2. `inputs`: by the names of forward's arguments, in its order."""
    from harness.model.torch_module import save_module

    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / "model.pt2"
        save_module(module, {name: array.shape[1:] for name, array in inputs.items()}, saved)
        return write_bundle(folder, "model.pt2", saved.read_bytes(), inputs)


def seed_torch_weights(module: Any, seed: int) -> None:
    """As `seed_weights`, for a PyTorch module: its matrices are (outputs, inputs)."""
    import torch

    random = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            deviation = 1 / np.sqrt(parameter.shape[1]) if parameter.ndim > 1 else 0.3
            parameter.copy_(torch.from_numpy(random.normal(0, deviation, tuple(parameter.shape)).astype(np.float32)))


def write_bundle(
    folder: Path, file_name: str, content: bytes, inputs: Mapping[str, FloatArray], *, labels: Array | None = None
) -> bytes:
    """Write the model, vectors.npz, labels.npy and golden.npz, and the model's SHA-256 into the folder's bundle.toml.

    Args:
        folder: has a bundle.toml with a line `model_sha256 = ...`.
        inputs: input name -> (vectors, *shape) float32.
        labels: (vectors, ...) float32, or (vectors,) int64 class indices.

    Returns:
        The SHA-256, 32 bytes.
    """
    digest = hashlib.sha256(content).digest()
    model = folder / file_name
    model.write_bytes(content)
    np.savez_compressed(folder / "vectors.npz", **dict(inputs))  # type: ignore[arg-type]
    if labels is not None:
        np.save(folder / "labels.npy", labels, allow_pickle=False)
    ordered = {name: inputs[name] for name in read_model_file(model).inputs}
    write_golden(folder / "golden.npz", golden_from_worker(model, digest, ordered))
    manifest = folder / bundle_toml.FILE_NAME
    text, found = re.subn(
        r'(?m)^model_sha256 = ".*"$', f'model_sha256 = "{digest.hex()}"', manifest.read_text(encoding="utf-8")
    )
    if found != 1:
        raise ValueError(f"{manifest} has {found} lines with model_sha256, expected one")
    manifest.write_text(text, encoding="utf-8")
    return digest


def _renumber_shared_objects(config: bytes) -> bytes:
    """Keras names shared objects by their address in memory; 1, 2, ... in order of appearance says the same."""
    numbers: dict[bytes, int] = {}

    def number(match: re.Match[bytes]) -> bytes:
        return match[1] + str(numbers.setdefault(match[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)
