"""`hil watch` on a process that prints what the tutorial's sketch prints."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.model.tflite_header import write_header
from harness.resources import cache_dir
from tests.watch.conftest import ROOT, Watch, Watched, running
from tests.watch.sketch import FIXTURES, predictions

pytest_plugins = ("pytester",)
pytest.importorskip("tflite_micro", reason="the simulated sketch computes with the real TFLM")
CACHE = cache_dir()  # pytester changes HOME, and golden outputs would be computed again


def record_of(watched: Watched) -> dict[str, object]:
    record = json.loads(watched.out)
    assert isinstance(record, dict)
    return record


def test_a_sketch_that_clears_its_state_passes(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("begin", "--json", "-")
    assert watched.code == 0, watched.err
    record = record_of(watched)
    assert record["reasons"] == []
    assert [p["vector"] for p in record["predictions"]] == [0, 1, 0, 1]
    assert record["matched_by"] == "label"
    assert record["state"]["verdict"] == "cleared"
    assert record["board_vs_keras"]["max_abs"] <= 0.005 + 0.001


def test_the_wrong_second_prediction_of_a_leaking_sketch_is_caught_and_explained(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("leak")
    assert watched.code == 1, watched.err
    leaking = predictions(reset=False)
    assert abs(leaking[1] - predictions(reset=True)[1]) > 1  # the sketch does leak
    assert "ok   vector 0: printed 17.69" in watched.err
    assert f"OFF  vector 1: printed {leaking[1]:.2f}, right is 11.42" in watched.err
    assert "does not clear the LSTM's state between predictions" in watched.out
    assert "Reset()" in watched.out
    assert watched.out.lstrip().startswith("FAIL")


def test_a_leak_is_named_without_labels_and_with_a_pattern_of_ones_own(hil_watch_command: Watch) -> None:
    words = ("--pattern", "y=(?P<predicted>[-.0-9]+)", "--sample", "4.6,8,304", "--sample", "2,4,216", "--json", "-")
    watched = hil_watch_command("no-labels-leak", *words)
    record = record_of(watched)
    assert (watched.code, record["matched_by"]) == (1, "order")
    assert [p["passed"] for p in record["predictions"]] == [True, False, False, False]
    assert record["state"]["verdict"] == "leaks"
    assert hil_watch_command("no-labels", *words).code == 0


def test_an_error_that_is_no_leak_is_not_called_one(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("wrong", "--json", "-")
    record = record_of(watched)
    assert watched.code == 1
    assert [p["passed"] for p in record["predictions"]] == [True, False, True, True]
    assert record["state"]["verdict"] == "unknown"
    assert len(record["reasons"]) == 1


def test_nan_never_passes(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("nan", "--json", "-")
    assert watched.code == 1
    assert "1 of 4 predictions are NaN or infinite" in record_of(watched)["reasons"][0]


def test_a_restart_is_told_and_begins_the_order_anew(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("restart", "--count", "5", "--match", "order", "--json", "-")
    record = record_of(watched)
    assert watched.code == 1
    assert [p["vector"] for p in record["predictions"]] == [0, 1, 0, 0, 1]
    assert "the board restarted 1 times after its first prediction" in record["reasons"]


def test_the_sketchs_own_header_will_do_for_a_model(hil_watch_command: Watch, tmp_path: Path) -> None:
    assert main(["convert", "fuel_lstm", "--output", str(tmp_path / "fuel.tflite"), "--quiet"]) == 0
    watched = hil_watch_command("leak", str(tmp_path / "model.h"), "--json", "-")
    record = record_of(watched)
    assert watched.code == 1
    assert "keras" not in record["reference"]
    assert record["state"]["verdict"] == "leaks"


def test_full_tensorflow_lite_is_the_referee_of_a_header_so_that_tflms_own_mistakes_show(
    hil_watch_command: Watch, tmp_path: Path
) -> None:
    (tmp_path / "model.h").write_text(write_header((FIXTURES / "while_lstm.tflite").read_bytes()))
    with np.load(FIXTURES / "while_lstm.npz") as data:
        np.savez(tmp_path / "x.npz", x=data["inputs"])
        count = str(len(data["inputs"]))
    words = ("--vectors", str(tmp_path / "x.npz"), "--pattern", "y=(?P<predicted>[-.0-9 ]+)", "--count", count)
    watched = hil_watch_command("while", str(tmp_path / "model.h"), *words, "--json", "-")
    record = record_of(watched)
    assert watched.code == 1, watched.err
    assert str(record["reference"]).startswith("tflite ")
    assert "the conversion is at fault" in str(record["reasons"])


def test_a_too_small_arena_is_named_with_what_to_do(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("arena")
    assert watched.code == 3
    assert "the library could not place the model's tensors in the arena" in watched.err
    assert "hil sweep-arena" in watched.err
    assert "were missing" in watched.err or "plan" in watched.err


def test_a_crash_among_right_predictions_fails_and_no_device_text_gets_out_raw(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("hostile")
    assert watched.code == 1
    assert "the board crashed" in watched.out
    for text in (watched.out, watched.err):
        assert "\x1b" not in text
        assert "\n::error" not in text


@pytest.mark.parametrize(
    ("conduct", "words", "said"),
    [
        ("mute", ("--silence", "0.5"), "nothing came: no prediction came for 0.5 s"),
        ("mute", ("--for", "0.5"), "nothing came: 0.5 s were over"),
        ("garbage", ("--silence", "2"), "no readable text"),
        ("other", ("--for", "2"), "none fits the pattern"),
    ],
)
def test_no_prediction_is_an_error_of_the_board(
    conduct: str, words: tuple[str, ...], said: str, hil_watch_command: Watch
) -> None:
    watched = hil_watch_command(conduct, *words)
    assert watched.code == 3, watched.err
    assert said in watched.err
    assert "try:" in watched.err


def test_too_few_predictions_fail(hil_watch_command: Watch) -> None:
    watched = hil_watch_command("begin", "--count", "1000", "--silence", "3", "--json", "-")
    assert watched.code == 1
    assert "24 of 1000 predictions came: no prediction came for 3 s" in record_of(watched)["reasons"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "neither --port nor --board"),
        (("-b", "host"), "is emulated"),
        (("-p", "/dev/null", "--pattern", "("), "no regular expression"),
        (("-p", "/dev/null", "--pattern", "x"), "groups none"),
        (("-p", "/dev/null", "--sample", "1,x,3"), "not made of numbers"),
        (("-p", "/dev/null", "--sample", "1,2,3=1", "--sample", "1,2,3"), "some have none"),
        (("-p", "/dev/null", "--sample", "1,2,3,4"), "4 columns"),
        (("-p", "/dev/null", "--match", "label", "--sample", "1,2,3"), "needs labels"),
        (("-p", "spy:///dev/null?file=/tmp/x"), "is no port"),
    ],
)
def test_wrong_words_are_refused_before_the_port_is_opened(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *words]) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_reports_what_came() -> None:
    with running("begin", 0.02, 100) as sketch:
        command = [sys.executable, "-m", "harness.cli", "watch", "-p", sketch.port, "--count", "500"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stderr is not None
        while "Ctrl-C ends" not in process.stderr.readline():
            pass
        sketch.start()
        while "vector 1" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "predictions right" in out


def test_the_fixture_compares_in_a_test_suite_and_skips_without_a_port(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(CACHE))
    pytester.makepyfile(
        """
        def test_sketch(hil_watch):
            record = hil_watch(count=4, for_s=20)
            assert record.verdict == "pass", record.reasons
        """
    )
    skipped = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    skipped.assert_outcomes(skipped=1)
    skipped.stdout.fnmatch_lines(["*no --port given*"])
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "--require-board").assert_outcomes(errors=1)
    for conduct, outcome in (("begin", {"passed": 1}), ("leak", {"failed": 1})):
        # Joins in the middle, as on a board that does not reset when its port is opened.
        with running(conduct, 0.05, 1000) as sketch:
            sketch.start()
            done = pytester.runpytest_inprocess("-p", "no:cacheprovider", f"--port={sketch.port}")
        done.assert_outcomes(**outcome)
    done.stdout.fnmatch_lines(["*AssertionError: *the sketch does*"])
