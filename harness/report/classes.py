"""Classification: confusion matrix, recall and precision of each class, agreement with the reference."""

from __future__ import annotations

from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.layout import FAINT, identity, note
from harness.report.numbers import ABSENT, count, near_one
from harness.report.record import LabelledRecord, RunRecord
from harness.report.rows import reference_name

_MOST_ROWS = 12  # of classes, where the matrix doesn't fit
_MOST_COLUMNS = 32  # of a matrix in a file
_MATRIX_NOTE = "rows: the label; columns: what the board says"


def classes_notes(record: RunRecord) -> list[str]:
    """Agreement with the reference, with the labels, and the first vectors where it is missing; one line each."""
    classes, reference = record.classes, reference_name(record)
    if classes is None:
        return []
    lines = [f"same class as {reference} for {count(classes.same_as_keras)} of {count(record.vectors)} vectors"]
    if classes.differences:
        shown = [
            f"#{d.vector}: {'no class' if d.board is None else d.board} vs {d.keras}"
            + ("" if d.label is None else f" (label {d.label})")
            for d in classes.differences[:4]
        ]
        more = record.vectors - classes.same_as_keras - len(shown)
        lines.append(f"board vs {reference}: {', '.join(shown)}" + (f", and {count(more)} more" if more else ""))
    if classes.no_class:
        lines.append(f"vectors without a class, as a score is NaN or Inf: {count(classes.no_class)}")
    if classes.labelled is not None:
        lines.insert(0, _right(classes.labelled, record.vectors, reference))
    return lines


def classes_block(record: RunRecord, *, width: int) -> RenderableType:
    """For a terminal: the matrix where it fits, else the classes that fare worst."""
    classes = record.classes
    assert classes is not None
    head = identity((("Classes" if not k else "", line) for k, line in enumerate(classes_notes(record))))
    labelled = classes.labelled
    if labelled is None:
        return head
    column = _column_width(labelled)
    needed = len("label ") + classes.count * (column + 1) + len(" recall precision")
    if needed <= width:
        table = _table(["label", *(str(k) for k in range(classes.count)), "recall", "precision"], column=column)
        for row in matrix_rows(labelled, empty="·"):
            table.add_row(*(_cell(text, hit=k == int(row[0])) for k, text in enumerate(row, start=-1)))
        return Group(head, Text(), table, note(_MATRIX_NOTE))
    heads, rows = class_rows(labelled)
    table = _table(heads)
    for row in rows:
        table.add_row(*row)
    remark = f"the confusion matrix of {classes.count} classes takes {needed} columns; it is in --json"
    if len(rows) < classes.count:
        remark = f"the {len(rows)} classes of {classes.count} with the lowest recall; {remark}"
    return Group(head, Text(), table, note(remark))


def classes_markdown(record: RunRecord) -> list[str]:
    """Markdown blocks: the lines, and a table where there are labels. All text is the harness's own."""
    classes = record.classes
    if classes is None:
        return []
    blocks = ["; ".join(classes_notes(record)).replace("#", "vector ")]
    if classes.labelled is None:
        return blocks
    if classes.count <= _MOST_COLUMNS:
        heads = ["label", *(str(k) for k in range(classes.count)), "recall", "precision"]
        rows = [[f"**{row[0]}**", *row[1:]] for row in matrix_rows(classes.labelled, empty="")]
        blocks[0] += f". Confusion matrix, {_MATRIX_NOTE}"
    else:
        heads, rows = class_rows(classes.labelled)
    lines = [heads, ["---"] * len(heads), *rows]
    return [*blocks, "\n".join("| " + " | ".join(cells) + " |" for cells in lines)]


def classes_properties(record: RunRecord) -> dict[str, str]:
    """For JUnit."""
    classes = record.classes
    if classes is None:
        return {}
    found = {"same_class_as_keras": str(classes.same_as_keras)}
    if classes.labelled is not None:
        found |= {"board_right": str(classes.labelled.right), "keras_right": str(classes.labelled.keras_right)}
    return found


def matrix_rows(labelled: LabelledRecord, *, empty: str) -> list[list[str]]:
    """Label, counts, recall, precision; as text, zeros as `empty`."""
    return [
        [str(k), *(str(n) if n else empty for n in row), _share(score.recall), _share(score.precision)]
        for k, (row, score) in enumerate(zip(labelled.confusion, labelled.classes, strict=True))
    ]


def class_rows(labelled: LabelledRecord) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the classes with the lowest recall: vectors, recall, precision, what they are taken for."""
    order = sorted(
        (k for k, score in enumerate(labelled.classes) if score.labels),
        key=lambda k: (labelled.classes[k].recall or 0.0, k),
    )
    rows = []
    for k in order[:_MOST_ROWS]:
        score = labelled.classes[k]
        others = sorted(((n, other) for other, n in enumerate(labelled.confusion[k]) if n and other != k), reverse=True)
        taken = ", ".join(f"{other} ({n}x)" for n, other in others[:3]) or ABSENT
        rows.append([str(k), str(score.labels), _share(score.recall), _share(score.precision), taken])
    return ["label", "vectors", "recall", "precision", "taken for"], rows


def _right(labelled: LabelledRecord, vectors: int, reference: str) -> str:
    share = labelled.accuracy
    text = f"{count(labelled.right)} of {count(vectors)} right, {_share(share.value)}"
    if share.low is not None and share.high is not None:
        text += f" (95 %: {100 * share.low:.1f} to {_share(share.high)})"
    if labelled.auc is not None:
        text += f", AUC {near_one(labelled.auc.value)}"
    return f"{text}; {reference}: {count(labelled.keras_right)}"


def _share(value: float | None) -> str:
    return ABSENT if value is None else "100 %" if value == 1 else f"{100 * value:.1f} %"


def _column_width(labelled: LabelledRecord) -> int:
    most = max(max(row) for row in labelled.confusion)
    return max(len(str(most)), len(str(len(labelled.confusion) - 1)), 2)


def _table(heads: list[str], *, column: int | None = None) -> Table:
    """Heads over figures, right-aligned; those that are numbers at least `column` wide."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style=FAINT)
    for head in heads:
        justify: Literal["left", "right"] = "left" if head == "taken for" else "right"
        least = column if head.isdecimal() else None
        table.add_column(Text(head), justify=justify, min_width=least, no_wrap=True)
    return table


def _cell(text: str, *, hit: bool) -> Text:
    return Text(text, style="bold" if hit else FAINT if text == "·" else "none")
