"""A watch on a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.report.layout import FAINT, bullets, figures_table, identity, note
from harness.report.numbers import count, near_one, small
from harness.report.safe_text import printable
from harness.report.watch_record import PredictionRecord, WatchRecord

_MOST_ROWS = 12


def print_watch(record: WatchRecord, console: Console) -> None:
    """Print the whole report."""
    console.print(watch_report(record), soft_wrap=False, highlight=False)


def watch_report(record: WatchRecord) -> RenderableType:
    """The report as one renderable; what the sketch printed is in it as plain `Text`, never as markup."""
    blocks: list[RenderableType] = [_banner(record)]
    if record.reasons:
        blocks.append(bullets("Why", record.reasons, "red"))
    blocks += [_identity(record), _predictions(record), _accuracy(record)]
    if record.notes:
        blocks.append(bullets("Notes", record.notes, "yellow"))
    spaced = [part for block in blocks for part in (block, Text())]
    return Group(*spaced, _banner(record))


def prediction_line(made: PredictionRecord) -> str:
    """One prediction as it comes."""
    mark = "ok " if made.passed else "OFF"
    vector = "of no vector" if made.vector is None else f"vector {made.vector}"
    right = f", right is {_values(made.reference)}" if made.reference else ""
    return f"{made.t_s:8.2f} s  {mark}  {vector}: printed {_values(made.predicted)}{right}"


def _banner(record: WatchRecord) -> Text:
    passed = record.verdict == "pass"
    text = Text(" PASS " if passed else " FAIL ", style="bold white on green" if passed else "bold white on red")
    right = sum(made.passed for made in record.predictions)
    text.append(f" sketch at {printable(record.port)}: ", style="not bold")
    return text.append(f"{right} of {count(len(record.predictions))} predictions right", style="not bold")


def _identity(record: WatchRecord) -> RenderableType:
    ways = {"label": "the expected value", "order": "their order", "number": "the number they name"}
    words = {"leaks": "LEAKS from one prediction into the next", "cleared": "cleared between predictions"}
    return identity(
        [
            ("Port", f"{record.port} at {record.baud} baud, {record.wall_s:.1f} s"),
            ("Model", f"{record.model} ({record.reference}), sha256 {record.model_sha256[:12]}"),
            ("Vectors", f"{record.vectors}, matched by {ways[record.matched_by]}"),
            ("State", words.get(record.state.verdict, f"unknown: {record.state.detail}")),
        ]
    )


def _predictions(record: WatchRecord) -> RenderableType:
    table = figures_table("Predictions", ["expected", "printed", "right", "|e|", "allowed"])
    ordered = sorted(record.predictions, key=lambda made: (made.passed, made.t_s))
    shown = sorted(ordered[:_MOST_ROWS], key=lambda made: made.t_s)
    for made in shown:
        name = "no vector" if made.vector is None else f"vector {made.vector}"
        expected = "-" if made.expected is None else f"{made.expected:g}"
        cells = [expected, _values(made.predicted), _values(made.reference), small(made.error), small(made.tolerance)]
        table.add_row(Text(name), *map(Text, cells), style="none" if made.passed else "red")
    left = len(record.predictions) - len(shown)
    if not left:
        return table
    return Group(
        table,
        note(f"{left} more, all of them right" if all(m.passed for m in ordered[_MOST_ROWS:]) else f"{left} more"),
    )


def _accuracy(record: WatchRecord) -> RenderableType:
    table = figures_table("Accuracy", ["max|e|", "rmse", "mae", "r2"])
    rows = [
        ("board vs Keras", record.board_vs_keras),
        ("Keras vs labels", record.keras_vs_labels),
        ("board vs labels", record.board_vs_labels),
    ]
    for name, m in rows:
        if m is not None:
            style = "bold" if m is record.board_vs_keras else FAINT
            table.add_row(Text(name, style=style), small(m.max_abs), small(m.rmse), small(m.mae), near_one(m.r2))
    return Group(table, note("of printed digits: what they leave out is allowed for"))


def _values(values: list[float] | list[float | None]) -> str:
    texts = ["NaN" if value is None else f"{value:.7g}" for value in values[:4]]
    return " ".join(texts) if texts else "-"
