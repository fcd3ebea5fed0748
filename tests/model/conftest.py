"""Model files for the tests: hand-written ones, and real ones from Keras, built once in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HIL_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the models `tests.model.keras_models` builds."""
    pytest.importorskip("h5py")  # comes with Keras; quick to import
    folder = tmp_path_factory.mktemp("models")
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    subprocess.run(
        [sys.executable, "-m", "tests.model.keras_models", str(folder)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=110,
        capture_output=True,
    )
    return folder


def write_keras(path: Path, inputs: dict[str, list[int | None]], last: dict[str, object] | None = None) -> Path:
    """A `.keras` file as far as the harness looks into it: layers without weights, so Keras itself can't load it."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": name, "batch_shape": shape}} for name, shape in inputs.items()
    ]
    config: dict[str, object] = {
        "class_name": "Functional",
        "config": {
            "layers": [*layers, last or {"class_name": "Dense", "config": {"name": "out", "activation": "linear"}}],
            "input_layers": [[name, 0, 0] for name in inputs],
        },
    }
    return write_zip(path, {"config.json": json.dumps(config), "model.weights.h5": "", "metadata.json": "{}"})


def write_zip(path: Path, files: dict[str, str]) -> Path:
    """A zip file of texts."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
