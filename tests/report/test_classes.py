"""What a report says of a classifier: against the labels, against Keras, with few classes and with many."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.compare.classification import class_scores
from harness.compare.metrics import Array
from harness.model.bundle import load_bundle
from harness.report.json_file import load_record, run_json
from harness.report.junit import run_junit
from harness.report.markdown import run_markdown
from harness.report.record import ClassesRecord, RunRecord
from harness.report.terminal import print_run
from harness.workflow.classes import classes_record
from tests.report.samples import sample


def classified(board: Array, golden: Array, labels: list[int] | None) -> RunRecord:
    """A run of a classifier that gave `board` where Keras gives `golden`."""
    bundle = replace(
        load_bundle("digits"),
        golden=(golden.astype(np.float32),),
        labels=None if labels is None else np.array(labels, np.int64),
    )
    return replace(sample(), vectors=len(golden), classes=classes_record(bundle, board.astype(np.float32)))


def classes_of(record: RunRecord) -> ClassesRecord:
    assert record.classes is not None
    return record.classes


def on_terminal(record: RunRecord, width: int = 80) -> str:
    stream = StringIO()
    print_run(record, Console(file=stream, width=width))
    text = stream.getvalue()
    assert max(map(len, text.split("\n"))) <= width
    return text


def shifted(classes: int, each: int) -> RunRecord:
    """Every class `each` times; of class 0 all but one are taken for class 1, and Keras is always right."""
    labels = np.repeat(np.arange(classes), each)
    golden = np.eye(classes)[labels]
    guesses = labels.copy()
    guesses[1:each] = 1
    return classified(np.eye(classes)[guesses], golden, labels.tolist())


def test_matrix_recall_and_precision_by_hand() -> None:
    golden = np.eye(3)[[0, 0, 1, 1, 2]]
    record = classified(np.eye(3)[[0, 1, 1, 1, 0]], golden, [0, 0, 1, 1, 1])
    classes = classes_of(record)
    assert (classes.count, classes.no_class, classes.same_as_keras) == (3, 0, 3)
    assert [(d.vector, d.board, d.keras, d.label) for d in classes.differences] == [(1, 1, 0, 0), (4, 0, 2, 1)]
    labelled = classes.labelled
    assert labelled is not None
    assert labelled.confusion == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert (labelled.right, labelled.keras_right) == (3, 4)
    found = [(c.labels, c.recall, c.precision, c.f1) for c in labelled.classes]
    assert found == [
        (2, 0.5, 0.5, 0.5),
        (3, pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3)),
        (0, None, None, None),
    ]
    assert labelled.auc is None  # class 2 has no vector


def test_a_vector_with_a_nan_counts_as_missed_and_as_no_class() -> None:
    golden = np.eye(2)[[0, 1, 1]]
    board = golden.copy()
    board[2, 0] = np.nan
    classes = classes_of(classified(board, golden, [0, 1, 1]))
    assert (classes.no_class, classes.same_as_keras, classes.differences[0].board) == (1, 2, None)
    assert classes.labelled is not None
    assert classes.labelled.confusion == [[1, 0], [0, 1]]
    assert (classes.labelled.right, classes.labelled.classes[1].recall) == (2, 0.5)


def test_one_score_tells_two_classes_apart() -> None:
    golden = np.array([[0.9], [0.2], [0.6]])
    classes = classes_of(classified(np.array([[0.8], [0.1], [0.4]]), golden, [1, 0, 1]))
    assert (classes.count, classes.same_as_keras) == (2, 2)
    assert classes.labelled is not None
    assert classes.labelled.confusion == [[1, 0], [1, 1]]
    assert classes.labelled.auc is not None
    assert classes.labelled.auc.value == 1.0


def test_without_labels_there_is_the_agreement_alone() -> None:
    golden = np.eye(3)[[0, 1, 2]]
    record = classified(np.eye(3)[[0, 1, 1]], golden, None)
    assert classes_of(record).labelled is None
    text = on_terminal(record)
    assert "same class as Keras for 2 of 3 vectors" in text
    assert "#2: 1 vs 2" in text
    assert "recall" not in text


def test_no_classes_of_a_regression_or_a_sequence() -> None:
    fuel = load_bundle("fuel_lstm")
    assert classes_record(fuel, fuel.golden[0]) is None
    digits = load_bundle("digits")
    steps = replace(digits, golden=(np.zeros((2, 3, 4), np.float32),), labels=None)
    assert classes_record(steps, steps.golden[0]) is None


@pytest.mark.parametrize("classes", [2, 10, 17])
def test_the_matrix_is_on_a_terminal_of_80_columns(classes: int) -> None:
    text = on_terminal(shifted(classes, 5))
    assert f"{5 * classes - 4} of {5 * classes} right" in text
    line = next(line for line in text.split("\n") if line.startswith("    0"))
    assert line.split()[:3] == ["0", "1", "4"]
    assert line.split()[-4:] == ["20.0", "%", "100", "%"]
    assert "rows: the label" in text


def test_of_many_classes_the_worst_are_shown_and_where_the_matrix_is() -> None:
    record = shifted(40, 3)
    text = on_terminal(record)
    rows = [line.split() for line in text[text.index("taken for") :].split("\n")[1:13]]
    assert rows[0] == ["0", "3", "33.3", "%", "100", "%", "1", "(2x)"]
    assert "--json" in text
    assert "rows: the label" in on_terminal(record, width=150)


def test_json_comes_back_and_older_files_have_none(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(run_json(shifted(10, 2)))
    assert load_record(path) == shifted(10, 2)
    path.write_text(run_json(replace(shifted(10, 2), classes=None)).replace('"classes": null', '"other": null'))
    older = load_record(path)
    assert isinstance(older, RunRecord)
    assert older.classes is None


@pytest.mark.parametrize(("classes", "head"), [(10, "| label | 0 | 1 |"), (40, "| label | vectors | recall |")])
def test_markdown_has_the_matrix_or_the_worst_classes(classes: int, head: str) -> None:
    text = run_markdown(shifted(classes, 4))
    assert head in text
    assert f"{4 * classes - 3} of {4 * classes} right" in text


def test_junit_has_the_counts() -> None:
    text = run_junit(shifted(3, 4))
    for name, value in (("same_class_as_keras", 9), ("board_right", 9), ("keras_right", 12)):
        assert f'name="{name}" value="{value}"' in text


def test_scores_are_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    labels, said = random.integers(0, 4, (2, 60))
    matrix = sklearn.confusion_matrix(labels, said)
    wanted = sklearn.precision_recall_fscore_support(labels, said)
    for k, score in enumerate(class_scores(matrix, matrix.sum(axis=1))):
        assert (score.precision, score.recall, score.f1) == pytest.approx([column[k] for column in wanted[:3]])
