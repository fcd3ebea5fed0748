"""Tables: columns by name, rows dropped as the bundle says, bad cells named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.bundle_toml import DataSpec
from harness.model.table import load_table

SPEC = DataSpec(("size", "CO2 "), "litres", drop_missing=True, drop_duplicates=True)
HEAD = "maker,size,litres,CO2 \n"


def load(tmp_path: Path, content: str, spec: DataSpec = SPEC) -> tuple[np.ndarray, np.ndarray | None]:
    (tmp_path / "t.csv").write_text(content)
    return load_table(tmp_path / "t.csv", spec, (2, 1))


def test_columns_go_by_name_in_the_order_of_the_bundle(tmp_path: Path) -> None:
    vectors, labels = load(tmp_path, HEAD + "X,1.5,7,200\nY,2,8,250\n")
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[[1.5], [200]], [[2], [250]]]
    assert labels is not None
    assert labels.tolist() == [7, 8]


def test_blanks_around_a_column_name_do_not_matter(tmp_path: Path) -> None:
    vectors, _ = load(tmp_path, "size ,litres, CO2\n1,2,3\n")
    assert vectors.tolist() == [[[1], [3]]]


def test_rows_equal_in_every_column_and_rows_with_gaps_are_dropped(tmp_path: Path) -> None:
    rows = "X,1,7,200\nX,1,7,200\nY,1,7,200\n,1,7,200\nX,NaN,7,200\nX,1,,200\n"
    vectors, labels = load(tmp_path, HEAD + rows)
    assert len(vectors) == 2  # X and Y differ in the maker alone
    assert labels is not None
    assert len(labels) == 2
    kept, _ = load(tmp_path, HEAD + "X,1,7,200\nX,1,7,200\n", DataSpec(("size", "CO2 "), None))
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (HEAD, "holds no rows"),
        (HEAD + "X,,7,200\n", "holds no rows"),
        ("maker,size,litres\nX,1,2\n", "no column 'CO2 '; it has 'maker', 'size', 'litres'"),
        ("size,size,litres,CO2\n1,1,1,1\n", "several columns 'size'"),
        (HEAD + "X,1,7\n", "line 2: 3 columns, where the header has 4"),
        (HEAD + "X,1,7,200\nX,big,7,200\n", "line 3, column 'size': 'big' is not a finite number"),
        (HEAD + "X,1,7,inf\n", "line 2, column 'CO2': 'inf' is not a finite number"),
        (HEAD + "X,1,7,1e300\n", "beyond the range of float32"),
    ],
)
def test_a_bad_table_is_told_what_is_wrong(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load(tmp_path, content)


def test_columns_must_fill_the_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1 feature columns don't fill the model's input of shape \(2, 1\)"):
        load(tmp_path, HEAD + "X,1,7,200\n", DataSpec(("size",), None))
