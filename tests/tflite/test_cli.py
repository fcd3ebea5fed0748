"""`hil convert` and `hil lint` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.errors import EXIT_FAIL, EXIT_PASS, EXIT_USAGE
from harness.model.tflite_header import parse_header
from tests.tflite.conftest import FIXTURES


def test_convert_writes_model_and_header_and_says_how_near_it_is(
    tmp_path: Path, fuel_tflite: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fuel.tflite"
    assert main(["convert", "fuel_lstm", "--engine", "tflm", "--output", str(out), "--json", "-"]) == EXIT_PASS
    values = json.loads(capsys.readouterr().out)
    assert out.read_bytes() == fuel_tflite
    assert parse_header((tmp_path / "model.h").read_text()).data == fuel_tflite
    assert values["check"]["max_abs"] < 1e-5
    assert values["tflite_bytes"] == len(fuel_tflite)


def test_convert_to_int8_is_smaller(tmp_path: Path, fuel_tflite: bytes) -> None:
    out = tmp_path / "fuel.tflite"
    assert main(["convert", "fuel_lstm", "--int8", "--output", str(out)]) == EXIT_PASS
    assert len(out.read_bytes()) < 0.7 * len(fuel_tflite)


def test_header_read_is_not_written_over(tmp_path: Path, fuel_tflite: bytes, needs_tflm: None) -> None:
    first = tmp_path / "fuel.tflite"
    assert main(["convert", "fuel_lstm", "--output", str(first)]) == EXIT_PASS
    header = tmp_path / "model.h"
    header.write_text("// mine\n" + header.read_text())
    again = tmp_path / "again.tflite"
    assert main(["convert", str(header), "--output", str(again)]) == EXIT_PASS
    assert again.read_bytes() == fuel_tflite
    assert header.read_text().startswith("// mine\n")


def test_convert_needs_a_tflite_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "fuel_lstm", "--output", str(tmp_path / "model.h")]) == EXIT_USAGE
    assert ".tflite" in capsys.readouterr().err


def test_int8_of_a_converted_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = FIXTURES / "while_lstm.tflite"
    assert main(["convert", str(source), "--int8", "--output", str(tmp_path / "a.tflite")]) == EXIT_USAGE
    assert "converted already" in capsys.readouterr().err


def test_lint_refuses_the_loop_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(FIXTURES / "while_lstm.tflite")]) == EXIT_FAIL
    shown = capsys.readouterr().out
    for words in ("refused", "WHILE", "why:", "instead:", "hil convert", "issues/3674"):
        assert words in shown


def test_lint_of_a_damaged_file_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "a.tflite"
    damaged.write_bytes((FIXTURES / "while_lstm.tflite").read_bytes()[:9000])
    assert main(["lint", str(damaged)]) == EXIT_USAGE
    assert "not a whole .tflite" in capsys.readouterr().err


def test_lint_as_json(tmp_path: Path, fuel_tflite: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fuel.tflite"
    path.write_bytes(fuel_tflite)
    assert main(["lint", str(path), "--library", "eloquent", "--json", "-"]) == EXIT_PASS
    values = json.loads(capsys.readouterr().out)
    assert (values["library"], values["refused"], values["unregistered"]) == ("eloquent", False, [])
    assert [finding["rule"] for finding in values["findings"]] == ["kept-state"]
