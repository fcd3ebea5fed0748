"""A run as Markdown, for a CI job's summary page."""

from __future__ import annotations

import re

from harness.errors import HilError
from harness.report.checks import checks
from harness.report.classes import classes_markdown
from harness.report.interruptions import interruption_text
from harness.report.numbers import count, micros, near_one, percent, share, size, small
from harness.report.record import RunRecord
from harness.report.rows import accuracy_rows, conversion_note, lsb_table
from harness.report.safe_text import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@!&$])")


def run_markdown(record: RunRecord) -> str:
    """Markdown text of a finished run, ending in a blank line so that several can follow one another in one file."""
    word = "passed" if record.verdict == "pass" else "**FAILED**"
    parts = [
        f"### HIL {word}: {_text(record.model.name)} on {_text(record.board)}",
        _table(
            ["check", "", "figures"],
            [[check.name, "pass" if check.passed else "**fail**", _text(check.detail)] for check in checks(record)],
        ),
        _accuracy(record),
        *classes_markdown(record),
        _figures(record),
    ]
    if record.interruptions:
        parts.append(f"**Warning**: {_text(interruption_text(record.interruptions, record.vectors))}")
    parts += [f"**Note**: {_text(text)}" for text in record.notes]
    if record.verdict == "fail":
        parts += ["\n".join(f"- {_text(reason)}" for reason in record.reasons), _console(record.console)]
    identity = (
        f"{record.engine} {record.engine_version}, build {record.build_id[:16]}, model {record.model.sha256[:12]}"
    )
    where = f"{record.target.title}, port {record.target.port}, {record.toolchain}"
    parts.append(f"{_text(identity)}; {_text(where)}")
    return "\n\n".join(part for part in parts if part) + "\n\n"


def error_markdown(error: HilError, *, board: str, model: str) -> str:
    """Markdown text of a run that ended in an error before it had a result."""
    lines = [f"### HIL **ERROR**: {_text(model)} on {_text(board)}", _text(error.what)]
    if error.hint:
        lines.append(f"Try: {_text(error.hint)}")
    return "\n\n".join(part for part in [*lines, _console(error.console)] if part) + "\n\n"


def _accuracy(record: RunRecord) -> str:
    head = ["accuracy", "max abs", "rmse", "mae", "l2r", "nse", "cos", "r2", "acc"]
    lines = []
    for row in accuracy_rows(record):
        m = row.metrics
        errors, shares = map(small, (m.max_abs, m.rmse, m.mae, m.l2r)), map(near_one, (m.nse, m.cos, m.r2))
        lines.append([row.name + (" (X-cross)" if row.is_cross else ""), *errors, *shares, percent(m.acc)])
    parts = [_table(head, lines)]
    remark, lsb = conversion_note(record), lsb_table(record)
    if remark is not None:
        parts.append(_text(remark))
    if lsb is not None:
        heads, rows = lsb
        parts.append(_table(["LSB apart", *heads], rows))
    return "\n\n".join(parts)


def _figures(record: RunRecord) -> str:
    memory, latency = record.memory, record.latency
    cycles = f", {count(latency.cycles.median)} cycles" if latency.cycles else ""
    rows = [
        ["latency, median", f"{micros(latency.us.median)} us{cycles}"],
        ["latency, p99 / max", f"{micros(latency.us.p99)} / {micros(latency.us.max)} us"],
        ["arena used", f"{size(memory.arena.used_bytes)} of {size(memory.arena.size_bytes)}"],
        ["flash", _of(memory.flash_bytes, memory.flash_limit_bytes)],
        ["RAM, static", _of(memory.ram_bytes, memory.ram_limit_bytes)],
        ["vectors", f"{count(record.vectors)}, {small(record.link.vectors_per_s)} per second over the link"],
    ]
    return _table(["figure", "value"], rows)


def _of(part: int, whole: int) -> str:
    fraction = share(part, whole)
    return size(part) if fraction is None else f"{size(part)} of {size(whole)} ({fraction:.1%})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _console(lines: tuple[str, ...] | list[str]) -> str:
    if not lines:
        return ""
    # An indented block has no closing fence that device text could imitate.
    return "Last console lines of the device:\n\n" + "\n".join("    " + printable(line) for line in lines[-20:])


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))
