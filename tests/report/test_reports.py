"""What every form of the report must hold, and what must never get into one."""

from __future__ import annotations

import io
import json
import math
import unicodedata
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from harness.errors import BoardError
from harness.report.checks import checks
from harness.report.json_file import dumps, error_json, run_json
from harness.report.junit import error_junit, run_junit
from harness.report.markdown import error_markdown, run_markdown
from harness.report.record import RunRecord
from harness.report.terminal import print_run
from tests.report.samples import HOSTILE, HOSTILE_LINES, failed, not_a_number, sample

RECORDS = [pytest.param(make, id=make.__name__) for make in (sample, failed, not_a_number)]
ERROR = BoardError(f"it said {HOSTILE}", board="host", port=HOSTILE, hint=HOSTILE, console=tuple(HOSTILE_LINES))

# What `hil run --json` promises to scripts. A key that goes or changes its meaning raises SCHEMA_VERSION.
PROMISED_KEYS = """
schema_version verdict board engine model.sha256 build_id vectors
accuracy.board_vs_keras.max_abs accuracy.board_vs_keras.rmse accuracy.board_vs_keras.mae accuracy.board_vs_keras.l2r
accuracy.board_vs_keras.nse accuracy.board_vs_keras.cos accuracy.board_vs_labels.mae
leakage.identical
latency.cycles.min latency.cycles.median latency.cycles.p95 latency.cycles.p99 latency.cycles.max latency.us.median
memory.arena.capacity_bytes memory.arena.used_bytes memory.flash_bytes memory.ram_bytes
link.vectors_per_s link.bytes_on_wire
outputs_sha256
"""


def terminal_text(record: RunRecord, *, width: int = 80, colour: bool = False) -> str:
    stream = io.StringIO()
    print_run(
        record, Console(file=stream, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    )
    return stream.getvalue()


def assert_printable(text: str) -> None:
    bad = [c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert not bad


@pytest.mark.parametrize("key", PROMISED_KEYS.split())
def test_json_holds_every_promised_key(key: str) -> None:
    value = json.loads(run_json(sample()))
    for part in key.split("."):
        value = value[part]
    assert value is not None


@pytest.mark.parametrize("make", RECORDS)
def test_json_is_strict_ascii_and_has_no_nan(make: type) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    text = run_json(make())
    assert text.isascii()
    assert json.loads(text, parse_constant=refuse)["verdict"] == make().verdict


def test_json_turns_what_it_cannot_hold_into_null() -> None:
    assert json.loads(dumps({"a": [math.nan, math.inf, -math.inf, 1.5]})) == {"a": [None, None, None, 1.5]}


def test_json_of_an_error_is_no_result() -> None:
    value = json.loads(error_json(ERROR))
    assert value["verdict"] == "error"
    assert value["error"]["kind"] == "BoardError"
    assert value["error"]["exit_code"] == 3


@pytest.mark.parametrize("make", RECORDS)
def test_junit_has_one_case_per_check_and_counts_failures(make: type) -> None:
    record = make()
    (suite,) = ElementTree.fromstring(run_junit(record))
    cases = suite.findall("testcase")
    names = [case.get("name") for case in cases]
    assert names[:4] == ["finite", "accuracy", "leakage", "arena"]
    assert suite.get("tests") == str(len(cases))
    bad = sum(case.find("failure") is not None for case in cases)
    assert suite.get("failures") == str(bad)
    assert (bad > 0) == (record.verdict == "fail")
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["model_sha256"] == record.model.sha256
    assert properties["build_id"] == record.build_id


def test_junit_of_an_error_has_one_error() -> None:
    (suite,) = ElementTree.fromstring(error_junit(ERROR, board="host", model="m"))
    assert suite.get("errors") == "1"
    assert suite.find("testcase/error") is not None


@pytest.mark.parametrize("width", [40, 80, 132])
@pytest.mark.parametrize("make", RECORDS)
def test_terminal_report_is_plain_when_piped(make: type, width: int) -> None:
    assert_printable(terminal_text(make(), width=width))


@pytest.mark.parametrize("make", RECORDS)
def test_terminal_report_fits_80_columns_and_cuts_no_figure(make: type) -> None:
    lines = terminal_text(make()).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_terminal_report_ends_with_the_verdict() -> None:
    assert "FAIL" in terminal_text(failed()).splitlines()[-1] + terminal_text(failed()).splitlines()[-2]
    assert "PASS" in "".join(terminal_text(sample()).splitlines()[-2:])


def test_hostile_text_cannot_style_or_command_a_terminal() -> None:
    text = terminal_text(failed(), colour=True)
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "[/dram]" in text  # shown, not taken for markup
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        run_junit(failed()),
        error_junit(ERROR, board=HOSTILE, model=HOSTILE),
        run_markdown(failed()),
        error_markdown(ERROR, board=HOSTILE, model=HOSTILE),
    ],
    ids=["junit", "junit-error", "markdown", "markdown-error"],
)
def test_hostile_text_is_escaped_in_files(text: str) -> None:
    assert_printable(text)
    assert "##[error]" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_markdown_takes_no_markup_from_the_device() -> None:
    record = replace(failed(), reasons=["<img src=x> [a](http://b) | `c` @someone"], console=[])
    assert "\\<img src=x\\> \\[a\\](http://b) \\| \\`c\\` \\@someone" in run_markdown(record)


def test_a_failed_run_shows_at_least_one_failed_check() -> None:
    other = replace(sample(), verdict="fail", reasons=["the guard bytes have changed"])
    failing = [check for check in checks(other) if not check.passed]
    assert [check.detail for check in failing] == ["the guard bytes have changed"]


def test_a_passed_run_shows_no_failed_check() -> None:
    assert all(check.passed for check in checks(sample()))


def test_of_several_outputs_the_one_over_its_tolerance_is_shown() -> None:
    first = sample().outputs[0]
    second = replace(first, index=1, max_abs=2e-6, tolerance_max_abs=1e-6, passed=False)
    record = replace(sample(), outputs=[first, second], verdict="fail", reasons=["output 1: max|e| is 2e-06"])
    accuracy = next(check for check in checks(record) if check.name == "accuracy")
    assert not accuracy.passed
    assert accuracy.detail == "output 1: max|e| 2.00e-06, at most 1.00e-06"


def test_notes_are_in_every_report_of_a_pass_too() -> None:
    record = replace(sample(), notes=["the golden outputs are alike"])
    shown = [terminal_text(record, width=400), run_markdown(record), run_junit(record), dumps(run_json(record))]
    assert all("the golden outputs are alike" in text for text in shown)
    assert record.verdict == "pass"
