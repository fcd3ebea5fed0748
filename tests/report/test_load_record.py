"""A run's JSON read back: nothing lost on the way, and files that are no results refused by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BoardError, HilError, UsageError
from harness.report.json_file import dumps, error_json, load_record, load_records, run_json
from harness.report.markdown import run_markdown
from harness.report.record import SCHEMA_VERSION, RunRecord
from tests.report.samples import HOSTILE, HOSTILE_LINES, failed, sample


def written(folder: Path, text: str) -> Path:
    path = folder / "result.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize("record", [sample(), failed(), replace(sample(), console=HOSTILE_LINES)])
def test_a_record_comes_back_as_it_was(record: RunRecord, tmp_path: Path) -> None:
    assert load_record(written(tmp_path, run_json(record))) == record


def test_an_error_comes_back_with_hint_and_console(tmp_path: Path) -> None:
    error = BoardError("no answer", board="host", port=HOSTILE, hint="replug", console=("a", "b"))
    back = load_record(written(tmp_path, error_json(error)))
    assert isinstance(back, HilError)
    assert (str(back), back.console) == (str(error), error.console)


def test_all_runs_of_a_pytest_session_come_back(tmp_path: Path) -> None:
    text = dumps({"schema_version": SCHEMA_VERSION, "runs": [sample(), failed()]})
    assert load_records(written(tmp_path, text)) == [sample(), failed()]
    with pytest.raises(UsageError, match="holds 2 runs"):
        load_record(tmp_path / "result.json")


def test_keys_of_a_newer_harness_are_left_out(tmp_path: Path) -> None:
    data = json.loads(run_json(sample())) | {"new": {"key": 1}}
    assert load_record(written(tmp_path, json.dumps(data))) == sample()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ({"wall_s": "long"}, "wall_s is not a number"),
        ({"verdict": "maybe"}, "verdict is 'maybe'"),
        ({"latency": {"us": 3}}, "latency.us is not an object"),
        ({"outputs": []}, "outputs is empty"),
        ({"reasons": "none"}, "reasons is not a list"),
        ({"vectors": True}, "vectors is not a number"),
    ],
)
def test_a_wrong_key_is_named(change: dict[str, object], said: str, tmp_path: Path) -> None:
    data = json.loads(run_json(sample())) | change
    with pytest.raises(UsageError, match=said):
        load_record(written(tmp_path, json.dumps(data)))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "7", '{"schema_version": 1}', '{"schema_version": 1, "runs": [3]}']
)
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_records(written(tmp_path, text))
    with pytest.raises(UsageError, match="can't be read"):
        load_records(tmp_path / "missing.json")


def hil(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "report", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "80"})


def test_the_command_appends_the_same_markdown_a_run_would(tmp_path: Path) -> None:
    result, summary = written(tmp_path, run_json(failed())), tmp_path / "summary.md"
    summary.write_text("before\n")
    done = hil(str(result), "--markdown", str(summary))
    assert (done.returncode, done.stdout) == (0, "")
    assert summary.read_text() == "before\n" + run_markdown(failed())


def test_the_command_renders_on_the_terminal_and_as_junit(tmp_path: Path) -> None:
    result = written(tmp_path, run_json(sample()))
    assert "PASS" in hil(str(result)).stdout
    assert hil(str(result), "--junit", "-").stdout.startswith("<?xml")
    missing = hil(str(tmp_path / "no.json"))
    assert missing.returncode == 2
    assert "no.json can't be read" in missing.stderr
