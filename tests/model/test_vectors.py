"""Vectors and labels of the user's: what is taken, and what each bad file is told."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model.keras_file import InputShape
from harness.model.vectors import load_labels, load_vectors

ONE: dict[str, InputShape] = {"cars": (3, 1)}
TWO: dict[str, InputShape] = {"a": (2,), "b": (3, 1)}


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path / "v.npz", **arrays)  # type: ignore[arg-type]
    return path / "v.npz"


def text(path: Path, content: str | bytes) -> Path:
    (path / "v.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return path / "v.csv"


def test_a_single_array_needs_no_name(tmp_path: Path) -> None:
    loaded = load_vectors(npz(tmp_path, x=np.arange(6, dtype=np.float32).reshape(2, 3, 1)), ONE)
    (array,) = loaded.arrays
    assert (array.dtype, array.shape, loaded.notes) == (np.float32, (2, 3, 1), ())


def test_arrays_go_by_input_name_in_the_order_of_the_model(tmp_path: Path) -> None:
    loaded = load_vectors(npz(tmp_path, b=np.ones((4, 3, 1), "f4"), a=np.zeros((4, 2), "f4"), more=np.ones(1)), TWO)
    assert [array.shape for array in loaded.arrays] == [(4, 2), (4, 3, 1)]


def test_npy_is_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 1), np.float32))
    assert load_vectors(tmp_path / "v.npy", ONE).arrays[0].shape == (2, 3, 1)


def test_csv_has_one_vector_a_row_in_c_order(tmp_path: Path) -> None:
    (array,) = load_vectors(text(tmp_path, "1,2,3,4\n5,6,7,8\n"), {"x": (2, 2)}).arrays
    assert array.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize("header", ["", "engine,cylinders,co2\n", "\ufeffengine,cylinders,co2\r\n"])
def test_a_header_row_is_optional(tmp_path: Path, header: str) -> None:
    (array,) = load_vectors(text(tmp_path, header + "4.6,8,304\n\n2,4,216\n"), ONE).arrays
    assert array.shape == (2, 3, 1)
    assert array[0, 0, 0] == np.float32(4.6)


def test_a_free_length_is_taken_from_the_file(tmp_path: Path) -> None:
    (array,) = load_vectors(text(tmp_path, "1,2,3,4,5,6\n"), {"x": (None, 2)}).arrays
    assert array.shape == (1, 3, 2)


@pytest.mark.parametrize("dtype", ["i1", "u2", "i8", "?"])
def test_whole_numbers_are_converted_with_a_note(tmp_path: Path, dtype: str) -> None:
    loaded = load_vectors(npz(tmp_path, x=np.ones((2, 3, 1), dtype)), ONE)
    assert loaded.arrays[0].dtype == np.float32
    assert f"{np.dtype(dtype)} converted to float32" in loaded.notes[0]


def test_float64_within_range_is_taken_silently_and_underflow_with_a_note(tmp_path: Path) -> None:
    assert load_vectors(npz(tmp_path, x=np.full((1, 3, 1), 0.1)), ONE).notes == ()
    assert "became 0" in load_vectors(npz(tmp_path, x=np.full((1, 3, 1), 1e-300)), ONE).notes[0]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 3)), r"expected vectors of shape \(vectors, 3, 1\), got \(2, 3\)"),
        (np.zeros((2, 1, 3)), r"expected vectors of shape \(vectors, 3, 1\), got \(2, 1, 3\)"),
        (np.zeros((3, 1)), r"got \(3, 1\)\n  try: this looks like one vector: add a leading axis"),
        (np.zeros(()), r"got \(\)"),
        (np.zeros((0, 3, 1)), r"no vectors \(shape \(0, 3, 1\)\)"),
        (np.array([[["a"], ["b"], ["c"]]]), "elements are of type <U1, not real numbers"),
        (np.zeros((1, 3, 1), complex), "complex128, not real numbers"),
        (np.array([[[1.0], [np.nan], [np.nan]]]), r"NaN at vector 0, element \[1, 0\]; 2 such values"),
        (np.array([[[1.0], [2.0], [-np.inf]]], np.float32), r"Inf at vector 0, element \[2, 0\]"),
        (np.array([[[1.0], [1e39], [0]]]), r"1e\+39 at vector 0, element \[1, 0\], beyond the range of float32"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_vectors(npz(tmp_path, x=array), ONE)


def test_unknown_array_names_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds q, a; the model's inputs are a, b"):
        load_vectors(npz(tmp_path, q=np.zeros(1), a=np.zeros((1, 2))), TWO)


def test_inputs_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"differ in their number of vectors \(a 2, b 3\)"):
        load_vectors(npz(tmp_path, a=np.zeros((2, 2)), b=np.zeros((3, 3, 1))), TWO)


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was run"

    class Touch:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (marker,)  # type: ignore[return-value]

    np.savez(tmp_path / "v.npz", x=np.array([Touch()], object))
    with pytest.raises(UsageError, match="pickle"):
        load_vectors(tmp_path / "v.npz", ONE)
    (tmp_path / "v.npy").write_bytes(pickle.dumps(Touch()))
    with pytest.raises(UsageError, match="pickle"):
        load_vectors(tmp_path / "v.npy", ONE)
    assert not marker.exists()


def test_an_npz_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.model.vectors.MAX_ARRAY_BYTES", 10_000)
    np.savez_compressed(tmp_path / "v.npz", x=np.zeros((10_000, 3, 1), np.float32))
    with pytest.raises(UsageError, match="unpacks to"):
        load_vectors(tmp_path / "v.npz", ONE)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("v.npz", b"", "is empty"),
        ("v.npz", b"not a zip file", "is not a npz file, or was cut short"),
        ("v.npy", b"\x93NUMPY\x01\x00", "is not a npy file, or was cut short"),
        ("v.csv", b"", "no rows"),
        ("v.csv", b"a,b,c\n", "no rows"),
        ("v.csv", b"1,2,3\n4,five,6\n", "line 2, column 2: 'five' is not a number"),
        ("v.csv", b"1,x,3\n", "line 1, column 2: 'x' is not a number"),
        ("v.csv", b"1,2,3\n4,5\n", "line 2: 2 columns, where the rows above have 3"),
        ("v.csv", b"1,2\n", r"2 columns; a vector of shape \(3, 1\) has 3"),
        ("v.csv", b"1,2,nan\n", r"NaN at vector 0, element \[2, 0\]"),
        ("v.csv", b"1,2,\n", "column 3: '' is not a number"),
        ("v.csv", b"\xff\xfe1,2,3\n", "not a csv file in UTF-8"),
        ("v.txt", b"1,2,3\n", "not an npz, npy or csv file"),
    ],
)
def test_a_bad_file_is_told_what_is_wrong(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        load_vectors(tmp_path / name, ONE)


def test_a_zip_file_that_holds_no_arrays_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UsageError, match="something else than numpy arrays"):
        load_vectors(tmp_path / "v.npz", ONE)
    with zipfile.ZipFile(tmp_path / "v.npz", "w"):
        pass
    with pytest.raises(UsageError, match="holds no arrays"):
        load_vectors(tmp_path / "v.npz", ONE)


@pytest.mark.parametrize("name", ["v.npz", "v.npy", "v.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} does not exist"):
        load_vectors(tmp_path / name, ONE)


def test_a_csv_for_two_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use an npz"):
        load_vectors(text(tmp_path, "1,2\n"), TWO)


_whole = io.BytesIO()
np.savez_compressed(_whole, x=np.random.default_rng(0).normal(size=(20, 3, 1)))
WHOLE = _whole.getvalue()


@given(st.integers(0, len(WHOLE) - 1), st.one_of(st.none(), st.integers(0, len(WHOLE) - 1)), st.integers(1, 255))
def test_a_damaged_npz_is_refused_or_read_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int | None, bits: int
) -> None:
    content = bytearray(WHOLE)
    if flip is None:
        del content[cut:]
    else:
        content[flip] ^= bits
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    try:
        assert load_vectors(path, ONE).arrays[0].shape == (20, 3, 1)
    except UsageError as error:
        assert "damaged.npz" in str(error)


def test_regression_labels_are_float32(tmp_path: Path) -> None:
    labels, _ = load_labels(text(tmp_path, "label\n1.5\n2.5\n"), "regression", 2)
    assert (labels.dtype, labels.tolist()) == (np.float32, [[1.5], [2.5]])


@pytest.mark.parametrize("rows", ["1\n0\n2\n", "0,1,0\n1,0,0\n0,0,1\n"])
def test_class_labels_are_numbers_or_one_hot_rows(tmp_path: Path, rows: str) -> None:
    labels, notes = load_labels(text(tmp_path, rows), "classification", 3)
    assert (labels.dtype, labels.tolist(), notes) == (np.int64, [1, 0, 2], ())


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("1\n", "1 labels for 2 vectors"),
        ("0.5\n1\n", "whole numbers"),
        ("-1\n1\n", "whole numbers"),
        ("0.2,0.8\n1,0\n", "neither class numbers nor one-hot"),
    ],
)
def test_class_labels_that_are_none_are_refused(tmp_path: Path, rows: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_labels(text(tmp_path, rows), "classification", 2)


def test_which_array_holds_the_labels_must_be_clear(tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.zeros((2, 3)), y=np.zeros(2))
    with pytest.raises(UsageError, match="which of them are the labels"):
        load_labels(path, "regression", 2)
    assert load_labels(npz(tmp_path, x=np.zeros((2, 3)), labels=np.ones(2)), "regression", 2)[0].tolist() == [1, 1]


def test_lengths_come_along_as_one_number_a_vector(tmp_path: Path) -> None:
    loaded = load_vectors(npz(tmp_path, x=np.zeros((2, 3, 1), "f4"), lengths=np.array([3, 1])), ONE)
    assert len(loaded.arrays) == 1
    assert loaded.lengths is not None
    assert (loaded.lengths.dtype, loaded.lengths.tolist()) == (np.float32, [[3.0], [1.0]])


@pytest.mark.parametrize(
    ("lengths", "reason"),
    [
        ([3, 0], "the length of vector 1 is 0, not a whole number from 1 to 3"),
        ([4, 1], "the length of vector 0 is 4, not"),
        ([-1, 1], "vector 0 is -1"),
        ([1.5, 1], "vector 0 is 1.5"),
        ([1, np.nan], "vector 1 is nan"),
        ([1], r"lengths of shape \(1,\) for 2 vectors"),
        ([[1, 2], [1, 2]], r"lengths of shape \(2, 2\) for 2 vectors"),
        (["a", "b"], "lengths are of type <U1"),
    ],
)
def test_a_wrong_length_is_named(tmp_path: Path, lengths: list[object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_vectors(npz(tmp_path, x=np.zeros((2, 3, 1), "f4"), lengths=np.array(lengths)), ONE)


def test_lengths_need_one_input_with_steps(tmp_path: Path) -> None:
    both = {"a": np.zeros((2, 2), "f4"), "b": np.zeros((2, 3, 1), "f4")}
    with pytest.raises(UsageError, match="lengths go with one input"):
        load_vectors(npz(tmp_path, **both, lengths=np.ones(2)), TWO)
    with pytest.raises(UsageError, match="have no time steps"):
        load_vectors(npz(tmp_path, x=np.zeros((2, 3), "f4"), lengths=np.ones(2)), {"x": (3,)})


def test_an_input_of_that_name_is_an_input(tmp_path: Path) -> None:
    loaded = load_vectors(npz(tmp_path, lengths=np.zeros((2, 3, 1), "f4"), more=np.ones(1)), {"lengths": (3, 1)})
    assert loaded.lengths is None
