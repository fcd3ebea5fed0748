"""The rows of a converted model in every report, and through JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from harness.report.checks import checks
from harness.report.json_file import load_record, run_json
from harness.report.junit import run_junit
from harness.report.markdown import run_markdown
from harness.report.record import ConversionRecord, RunRecord
from harness.report.terminal import print_run
from tests.report.samples import CROSS, sample

CONVERSION = ConversionRecord(
    runtime="tflite-micro 1",
    tflite_sha256="ef" * 32,
    tflite_bytes=8320,
    quantised=True,
    tolerances_max_abs=[3.3],
    converted_passed=True,
    board_passed=True,
    lsb_histogram={"-1": 4, "0": 100, "1": 16},
    at_fault="none",
)


def converted(**changes: object) -> RunRecord:
    good = sample()
    accuracy = replace(
        good.accuracy, converted_vs_keras=replace(CROSS, max_abs=2.13), board_vs_converted=replace(CROSS, max_abs=0.084)
    )
    return replace(good, engine="tflm", accuracy=accuracy, conversion=replace(CONVERSION, **changes))


def on_terminal(record: RunRecord) -> str:
    stream = StringIO()
    print_run(record, Console(file=stream, width=80))
    return stream.getvalue()


def test_terminal_and_markdown_have_the_three_rows_and_the_histograms() -> None:
    narrow = converted(lsb_histogram_keras={"0": 120})
    wide = converted(lsb_histogram_keras={"-25": 3, "-3": 10, "-1": 7, "0": 50, "2": 30, "4": 20})
    for make in (on_terminal, run_markdown):
        for row in ("board vs Keras", "TFLM vs Keras", "board vs TFLM"):
            assert row in make(narrow)
        flat = " ".join(make(narrow).replace("|", " ").split())
        assert "LSB apart -1 0 +1" in flat
        assert "board - TFLM 4 100 16" in flat
        assert "TFLM - Keras 0 120 0" in flat
        flat = " ".join(make(wide).replace("|", " ").split())
        assert "LSB apart -25..-3 -2 -1 0 +1 +2 +3..+4" in flat
        assert "board - TFLM 0 0 4 100 16 0 0" in flat
        assert "TFLM - Keras 13 0 7 50 0 30 20" in flat
        floats = " ".join(make(converted(lsb_histogram=None)).split())
        assert "no output is integers" in floats
        assert "LSB apart" not in floats
    assert "TFLM" not in on_terminal(sample())


def test_reference_of_a_model_that_came_converted_is_tflite() -> None:
    record = converted()
    text = on_terminal(replace(record, model=replace(record.model, framework="tflite 2.21.0", macs=0)))
    assert "board vs TFLite" in text
    assert "Keras" not in text
    assert "unknown MACs" in text


def test_who_is_at_fault_is_in_the_checks() -> None:
    found = {check.name: check for check in checks(converted(board_passed=False, at_fault="board"))}
    assert found["converted"].passed
    assert not found["board"].passed
    assert found["board"].detail.endswith("at most 1 LSB: the board is at fault")
    found = {check.name: check for check in checks(converted(converted_passed=False, at_fault="conversion"))}
    assert found["converted"].detail.endswith("the conversion is at fault")
    assert "converted" not in {check.name for check in checks(sample())}


def test_junit_has_the_fault_and_the_figures() -> None:
    text = run_junit(converted(at_fault="board"))
    assert 'name="at_fault" value="board"' in text
    assert 'name="board_vs_converted_max_abs" value="0.084"' in text


def test_json_holds_it_and_older_files_lack_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(run_json(converted()))
    assert load_record(path) == converted()
    values = json.loads(run_json(sample()))
    del values["conversion"], values["accuracy"]["converted_vs_keras"], values["accuracy"]["board_vs_converted"]
    path.write_text(json.dumps(values))
    assert load_record(path) == sample()
