"""Keras <-> converted model in TFLM on this computer <-> board: every run of engine tflm says who is at fault."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.errors import EXIT_BOARD, EXIT_FAIL, EXIT_PASS, UsageError
from harness.model.bundle import Bundle
from harness.model.graph import FloatArray
from harness.model.tflite_pack import pack_tflite
from harness.model.tflite_source import load_tflite
from harness.model.tflite_write import TfliteWriter
from harness.model.tflm_host import TflmHostError
from harness.protocol.ids import DType
from harness.protocol.messages import TensorSpec
from harness.report.record import RunRecord
from harness.resources import cache_dir
from harness.workflow.conversion import ConversionOptions
from harness.workflow.converted import ConvertedOutputs, converted_outputs
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, run
from harness.workflow.three_way import three_way

pytestmark = pytest.mark.usefixtures("needs_tflm")

BOARD = "host-tflm"


def record_of(
    model: str = "fuel_lstm", *, vectors: Path | None = None, conversion: ConversionOptions | None = None
) -> RunRecord:
    return run(
        RunOptions(model=model, board=BOARD, vectors=vectors, conversion=conversion or ConversionOptions())
    ).record


def test_right_model_on_a_right_board_passes_in_all_three_rows() -> None:
    record = record_of()
    assert (record.verdict, record.reasons) == ("pass", [])
    accuracy, conversion = record.accuracy, record.conversion
    assert conversion is not None
    assert (conversion.at_fault, conversion.converted_passed, conversion.board_passed) == ("none", True, True)
    assert conversion.lsb_histogram is None
    assert accuracy.converted_vs_keras is not None
    assert accuracy.board_vs_converted is not None
    # Fused LSTMs differ from Keras by rounding; the same runtime twice gives the same bits.
    assert 0 < (accuracy.converted_vs_keras.max_abs or 0) < 1e-4
    assert accuracy.board_vs_converted.max_abs == 0


def test_engine_that_converts_nothing_has_no_converted_rows() -> None:
    record = run(RunOptions(board="host")).record
    assert record.conversion is None
    assert record.accuracy.converted_vs_keras is None


def test_int8_is_held_to_the_bundles_int8_tolerance_and_the_board_to_one_lsb(fuel: Bundle) -> None:
    record = record_of(conversion=ConversionOptions(int8=True))
    conversion = record.conversion
    assert conversion is not None
    assert record.verdict == "pass"
    assert conversion.quantised
    assert conversion.lsb_histogram == {"0": fuel.count}
    (allowed,) = conversion.tolerances_max_abs
    assert allowed == pytest.approx(0.25 * np.ptp(fuel.golden[0]))
    # The board may be one LSB further away.
    assert allowed < record.outputs[0].tolerance_max_abs < 1.1 * allowed


def test_converted_outputs_are_kept_by_content(fuel: Bundle) -> None:
    record_of()
    before = {path: path.stat().st_mtime_ns for path in (cache_dir() / "golden").glob("converted-*")}
    assert before
    record_of()
    assert {path: path.stat().st_mtime_ns for path in (cache_dir() / "golden").glob("converted-*")} == before


def test_loop_of_keras_3_is_refused_by_lint_before_anything_starts(while_model: tuple[Path, Path]) -> None:
    model, vectors = while_model
    with pytest.raises(UsageError, match=r"refused by lint: 2 x operator WHILE.*\[several-subgraphs\].*") as caught:
        record_of(str(model), vectors=vectors)
    assert "hil convert" in (caught.value.hint or "")
    assert "tflite-micro/issues/3674" in (caught.value.hint or "")


def test_loop_of_keras_3_is_right_in_full_tflite_and_the_comparison_fails_it_without_lint(
    while_model: tuple[Path, Path],
) -> None:
    model, vectors = while_model
    outcome = run(RunOptions(model=str(model), board=BOARD, vectors=vectors, conversion=ConversionOptions(lint=False)))
    record = outcome.record
    with np.load(model.with_suffix(".npz")) as data:
        assert np.abs(outcome.bundle.golden[0] - data["keras"]).max() < 1e-5, "full TensorFlow Lite agrees with Keras"
    assert record.verdict == "fail"
    assert record.reasons[0].startswith("the conversion is at fault")
    conversion = record.conversion
    assert conversion is not None
    assert (conversion.at_fault, conversion.converted_passed, conversion.board_passed) == ("conversion", False, True)
    assert record.leakage.identical, "the loop keeps no state: nothing else is wrong"


def test_board_that_never_clears_its_state_fails_and_the_report_names_leakage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    assert main(["run", "-b", BOARD, "-q", "--test-no-state-reset", "--json", str(result)]) == EXIT_FAIL
    text = " ".join(capsys.readouterr().out.split())
    assert "FAILED leakage" in text
    assert "state leaks from one vector into the next" in text
    values = json.loads(result.read_text())
    assert values["conversion"]["at_fault"] == "board"
    assert values["conversion"]["converted_passed"]
    assert values["reasons"][0].startswith("the board is at fault")
    assert "HIL_TEST_TFLM_NO_RESET" not in os.environ


def test_converted_model_that_tflm_cannot_run_is_the_conversions_fault_and_needs_no_board(
    tmp_path: Path, fuel: Bundle
) -> None:
    writer = TfliteWriter()
    source = writer.tensor("x", "INT32", (1, 3, 1))
    result = writer.tensor("y", "INT32", (1, 3, 1))
    writer.operator("TANH", 1, [source], [result], None, "NONE")
    path = tmp_path / "odd.tflite"
    path.write_bytes(writer.finish([source], [result], description="tanh of integers, which no kernel has"))
    packed = pack_tflite(load_tflite(path))
    with pytest.raises(TflmHostError, match="the conversion is at fault, no board was touched") as caught:
        converted_outputs(fuel, packed, Silent())
    assert caught.value.fault in ("model-invalid", "invoke-failed")


def test_image_with_another_conversion_of_the_same_model_is_not_blamed_on_the_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "image")
    assert main(["build", "fuel_lstm", "-b", BOARD, "-q", "--int8", "--export", folder]) == EXIT_PASS
    assert main(["run", "-b", BOARD, "-q", "--int8", "--image", folder]) == EXIT_PASS
    assert main(["run", "-b", BOARD, "-q", "--image", folder]) == EXIT_BOARD
    text = " ".join(capsys.readouterr().err.split())
    assert "the device's inputs are stored as int8 (scale 2.28235, zero point -128)" in text
    assert "those of this run as float32" in text
    assert "--int8" in text


FLOAT = TensorSpec(DType.FLOAT32, (1,), 0.0, 0)
INT8 = TensorSpec(DType.INT8, (1,), 0.1, 0)


def converted_of(outputs: FloatArray, spec: TensorSpec = FLOAT) -> ConvertedOutputs:
    return ConvertedOutputs((outputs,), (spec,), bytes(32), 0, "")


@pytest.mark.parametrize(
    ("conversion_off", "board_off", "leaks", "at_fault"),
    [
        (0.0, 0.0, False, "none"),
        (1.0, 0.0, False, "conversion"),
        (0.0, 1.0, False, "board"),
        (1.0, 1.0, False, "both"),
        (0.0, 0.0, True, "board"),
        (float("nan"), 0.0, False, "both"),  # nobody agrees with NaN, not even another NaN
    ],
)
def test_who_is_at_fault_follows_from_who_differs_from_whom(
    fuel: Bundle, conversion_off: float, board_off: float, leaks: bool, at_fault: str
) -> None:
    middle = np.asarray(fuel.golden[0] + np.float32(conversion_off), np.float32)
    board = np.asarray(middle + np.float32(board_off), np.float32)
    found = three_way(fuel, (board,), converted_of(middle), board_misbehaves=leaks)
    assert found.record.at_fault == at_fault
    assert bool(found.reasons) is (at_fault != "none")


@pytest.mark.parametrize(("lsb", "passed"), [(1, True), (-1, True), (2, False), (-3, False)])
def test_quantised_board_may_be_off_by_one_lsb(fuel: Bundle, lsb: int, passed: bool) -> None:
    middle = np.round(np.linspace(0, 12, fuel.count, dtype=np.float32), 1).reshape(-1, 1)
    board = middle.copy()
    board[5] += lsb * np.float32(INT8.scale)
    found = three_way(fuel, (board,), converted_of(middle, INT8), board_misbehaves=False)
    assert found.record.board_passed is passed
    assert found.record.lsb_histogram == {str(key): count for key, count in sorted({0: fuel.count - 1, lsb: 1}.items())}
