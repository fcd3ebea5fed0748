"""Model files before Keras sees them: shapes read without it, bad files refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model.keras_file import read_keras_file
from harness.resources import models_dir
from tests.model.conftest import write_keras, write_zip

SHIPPED = models_dir() / "fuel_lstm" / "model.keras"


def test_input_shapes_are_read_without_keras(tmp_path: Path) -> None:
    file = read_keras_file(write_keras(tmp_path / "m.keras", {"a": [None, 4, 2], "b": [1, None, 3]}))
    assert file.inputs == {"a": (4, 2), "b": (None, 3)}
    assert len(file.sha256) == 32


def test_shipped_model_has_three_steps_of_one_feature() -> None:
    file = read_keras_file(SHIPPED)
    assert file.inputs == {"features": (3, 1)}
    assert file.layers == ("LSTM", "LSTM", "Dense", "Dense")


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".H5"])
def test_hdf5_is_refused_unless_allowed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UsageError, match="can run code"):
        read_keras_file(path)
    assert read_keras_file(path, allow_h5=True).inputs == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n", "not a .keras archive"),
        (b"hello", "not a .keras archive"),
        (SHIPPED.read_bytes()[:5000], "not a .keras archive, or was cut short"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        read_keras_file(path)


def test_missing_folder_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_keras_file(tmp_path / "m.keras")
    (tmp_path / "d.keras").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        read_keras_file(tmp_path / "d.keras")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"not a \.keras file"):
        read_keras_file(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, "without config.json"),
        ("{", "can't be read"),
        ("[" * 100_000, "can't be read"),
        ("[]", "no input shapes"),
        ('{"class_name": "MyModel", "config": {}}', r"no input shapes that can be read \(model class 'MyModel'\)"),
        ('{"class_name": "Sequential", "config": {"layers": []}}', "no input shapes"),
        (
            '{"class_name": "Sequential", "config": {"layers": [{"class_name": "InputLayer", '
            '"config": {"name": "a", "batch_shape": [null, -3, "x"]}}]}}',
            "no input shapes",
        ),
    ],
)
def test_an_archive_that_is_no_model_is_refused(tmp_path: Path, config: str | None, reason: str) -> None:
    path = write_zip(tmp_path / "m.keras", {"x": ""} if config is None else {"config.json": config})
    with pytest.raises(UsageError, match=reason):
        read_keras_file(path)


def test_a_model_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.model.keras_file.MAX_CONFIG_BYTES", 100)
    with pytest.raises(UsageError, match="too much for a model"):
        read_keras_file(write_keras(tmp_path / "m.keras", {"a": [None, 4, 2]}))


@given(st.integers(0, SHIPPED.stat().st_size - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_model_is_refused_or_read_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, where: int, bits: int, cut: bool
) -> None:
    content = bytearray(SHIPPED.read_bytes())
    content[where] ^= bits
    path = tmp_path_factory.getbasetemp() / "damaged.keras"
    path.write_bytes(content[:where] if cut else content)
    try:
        assert read_keras_file(path).inputs
    except UsageError as error:
        assert "damaged.keras" in str(error)
