"""Models that come converted, from files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.tflite_header import write_header
from harness.model.tflite_pack import pack_tflite, pack_tflm, tflite_of
from harness.model.tflite_source import is_tflite_source, load_tflite, require_runnable


@pytest.fixture
def tflite_file(tmp_path: Path, fuel_tflite: bytes) -> Path:
    path = tmp_path / "fuel.tflite"
    path.write_bytes(fuel_tflite)
    return path


def test_tflite_and_header_are_the_same_model(tflite_file: Path, fuel_tflite: bytes) -> None:
    header = tflite_file.with_name("model.h")
    header.write_text(write_header(fuel_tflite))
    one, other = load_tflite(tflite_file), load_tflite(header)
    assert one.data == other.data == fuel_tflite
    assert one.sha256 == other.sha256 == hashlib.sha256(fuel_tflite).digest()
    assert one.registered is None
    assert (other.unregistered, other.superfluous) == ((), ())
    assert (one.input_shapes, one.output_shapes) == (((3, 1),), ((1,),))


def test_header_that_registers_too_much_or_too_little_is_noticed(tmp_path: Path, fuel_tflite: bytes) -> None:
    header = tmp_path / "model.h"
    header.write_text(write_header(fuel_tflite).replace("AddStridedSlice", "AddTranspose"))
    source = load_tflite(header)
    assert (source.unregistered, source.superfluous) == (("STRIDED_SLICE",), ("TRANSPOSE",))
    with pytest.raises(UsageError, match="does not register STRIDED_SLICE"):
        require_runnable(source, "tflite-micro")


def test_damaged_file_is_a_usage_error_that_says_where(tflite_file: Path, fuel_tflite: bytes) -> None:
    tflite_file.write_bytes(fuel_tflite[:-100])
    with pytest.raises(UsageError, match=r"fuel\.tflite is not a whole \.tflite model: .* at byte \d+"):
        load_tflite(tflite_file)


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        load_tflite(tmp_path / "none.tflite")


def test_while_based_model_is_not_packed(tmp_path: Path, while_tflite: bytes) -> None:
    path = tmp_path / "while.tflite"
    path.write_bytes(while_tflite)
    with pytest.raises(UsageError) as caught:
        pack_tflite(load_tflite(path))
    assert "WHILE" in str(caught.value)
    assert "issues/3674" in str(caught.value)


def test_packed_model_carries_the_model(fuel: Bundle, fuel_tflite: bytes, tflite_file: Path) -> None:
    packed = pack_tflm(fuel.graph)
    assert tflite_of(packed) == fuel_tflite
    assert packed.model_sha256 == fuel.model_sha256
    # 3 steps of 4 x 12 x (1 + 12) and of 4 x 12 x (12 + 12), then 12 x 32 and 32 x 1.
    assert packed.macs == 3 * (624 + 1152) + 384 + 32
    assert pack_tflite(load_tflite(tflite_file)).sources == packed.sources


@pytest.mark.parametrize(
    ("name", "taken"), [("a.tflite", True), ("model.h", True), ("M.TFLITE", True), ("a.keras", False), ("a", False)]
)
def test_file_names_that_are_converted_models(name: str, taken: bool) -> None:
    assert is_tflite_source(Path(name)) is taken
