"""A .tflite or a header with one is a model like any other: run, built, flashed, linted, tested; bad ones are named."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.cli.main import main
from harness.errors import EXIT_BUILD, EXIT_FAIL, EXIT_PASS, EXIT_USAGE, BuildError, UsageError
from harness.model.bundle import Bundle, load_bundle
from harness.model.packed import PackedModel
from harness.model.tflite_pack import pack_tflite, pack_tflm
from harness.model.tflite_source import load_tflite, require_sendable
from harness.model.tflite_write import TfliteWriter
from harness.workflow.conversion import ConversionOptions, pack_for_tflm
from harness.workflow.prepare import check_flash, check_tflm_arena, choose_engine, pack
from tests.tflite.models import dense, lstm, model

pytest_plugins = ("pytester",)
pytestmark = pytest.mark.usefixtures("needs_tflm")

BOARD = "host-tflm"


def words(folder: Path, command: str, name: str, *more: str) -> list[str]:
    return [command, str(folder / name), "-b", BOARD, "--vectors", str(folder / "x.npz"), "-q", *more]


@pytest.mark.parametrize("name", ["fuel.tflite", "model.h"])
def test_converted_model_runs_and_full_tflite_is_its_reference(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    result = tmp_path / "result.json"
    assert main(words(converted, "run", name, "--json", str(result))) == EXIT_PASS
    assert "board vs TFLite" in capsys.readouterr().out
    values = json.loads(result.read_text())
    assert values["model"]["framework"].startswith("tflite ")
    assert values["model"]["sha256"] == hashlib.sha256((converted / "fuel.tflite").read_bytes()).hexdigest()
    assert values["model"]["parameters"] == 2321
    assert values["accuracy"]["converted_vs_keras"]["max_abs"] < 1e-4


def test_int8_model_of_the_converter_runs_in_full_tflite_too(converted: Path, tmp_path: Path, fuel: Bundle) -> None:
    result = tmp_path / "result.json"
    assert main(words(converted, "run", "fuel-int8.tflite", "--json", str(result))) == EXIT_PASS
    values = json.loads(result.read_text())
    assert values["conversion"]["lsb_histogram"] == {"0": fuel.count}
    (scale,) = (tensor.scale for tensor in load_tflite(converted / "fuel-int8.tflite").model.outputs)
    # TensorFlow Lite's own kernels round some sums the other way.
    assert values["accuracy"]["converted_vs_keras"]["max_abs"] <= 1.01 * scale


def test_build_and_flash_and_lint_take_it(converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(converted, "build", "model.h", "--json", "-")) == EXIT_PASS
    image = json.loads(capsys.readouterr().out)
    assert image["model_sha256"] == hashlib.sha256((converted / "fuel.tflite").read_bytes()).hexdigest()
    assert main(words(converted, "flash", "fuel.tflite", "--json", "-")) == EXIT_PASS
    # The header and the file it was made from are one model, so one build.
    assert json.loads(capsys.readouterr().out)["build_id"] == image["build_id"]
    assert main(["lint", str(converted / "model.h")]) == EXIT_PASS


def test_bundle_folder_may_hold_one(converted: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes((converted / "fuel.tflite").read_bytes())
    (tmp_path / "x.npz").write_bytes((converted / "x.npz").read_bytes())
    text = 'name = "mine"\ntask = "regression"\n[files]\nmodel = "model.tflite"\nvectors = "x.npz"\n'
    (tmp_path / "bundle.toml").write_text(text)
    bundle = load_bundle(tmp_path)
    assert bundle.tflite is not None
    assert bundle.tolerance_int8_of_range == 0.02
    assert main(["run", str(tmp_path), "-b", BOARD, "-q"]) == EXIT_PASS


def test_pytest_plugin_takes_it(pytester: pytest.Pytester, converted: Path) -> None:
    pytester.makepyfile("def test_it(hil_run):\n    assert hil_run.record.conversion.at_fault == 'none'\n")
    arguments = ["--board", BOARD, f"--hil-model={converted / 'model.h'}", f"--hil-vectors={converted / 'x.npz'}"]
    quick = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio")
    pytester.runpytest_inprocess(*quick, *arguments).assert_outcomes(passed=1)


def test_it_takes_engine_tflm_whatever_the_boards_first_is(converted: Path) -> None:
    bundle = load_bundle(converted / "fuel.tflite", vectors=converted / "x.npz")
    assert choose_engine(find_board("netduino2plus"), None, bundle) == "tflm"
    with pytest.raises(UsageError, match="converted for TFLM; engine 'rnn' takes Keras models"):
        choose_engine(find_board("netduino2plus"), "rnn", bundle)
    with pytest.raises(UsageError, match="board host has no engine 'tflm'"):
        choose_engine(find_board("host"), None, bundle)
    with pytest.raises(UsageError, match="converted already"):
        pack(bundle, "tflm", ConversionOptions(int8=True))


def test_it_needs_vectors(converted: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.h needs vectors"):
        load_bundle(converted / "model.h")


@pytest.mark.parametrize("end", [0, 7, 100, 5000, -1])
def test_corrupted_tflite_is_a_usage_error_that_names_the_file(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: int
) -> None:
    (tmp_path / "x.npz").write_bytes((converted / "x.npz").read_bytes())
    (tmp_path / "cut.tflite").write_bytes((converted / "fuel.tflite").read_bytes()[:end])
    assert main(words(tmp_path, "run", "cut.tflite")) == EXIT_USAGE
    assert re.search(r"cut\.tflite is not a whole \.tflite model", capsys.readouterr().err)


def test_header_without_a_model_is_a_usage_error_that_names_the_file(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.npz").write_bytes((converted / "x.npz").read_bytes())
    (tmp_path / "config.h").write_text("#pragma once\nconst unsigned char logo[] = {1, 2, 3};\n")
    assert main(words(tmp_path, "run", "config.h")) == EXIT_USAGE
    assert re.search(r"config\.h: the header has no array that holds a \.tflite model", capsys.readouterr().err)


def test_operator_the_library_lacks_is_refused_before_the_build(fuel: Bundle) -> None:
    graph = model(3, (4, 2), lstm("a", "x", 2, 5, 4, go_backwards=True))
    backwards = dataclasses.replace(fuel, name="backwards", graph=graph)
    pack_for_tflm(backwards, ConversionOptions())
    with pytest.raises(UsageError, match=r"backwards, converted, is refused by lint: operator REVERSE_V2"):
        pack_for_tflm(backwards, ConversionOptions(library="eloquent"))
    pack_for_tflm(backwards, ConversionOptions(library="eloquent", lint=False))


def odd_model(path: Path, operator: str, shape: Sequence[int]) -> Path:
    writer = TfliteWriter()
    source, result = writer.tensor("x", "FLOAT32", shape), writer.tensor("y", "FLOAT32", shape)
    writer.operator(operator, 1, [source, source], [result], None, "NONE")
    path.write_bytes(writer.finish([source], [result], description=""))
    return path


@pytest.mark.parametrize("lint", [True, False])
def test_operator_no_library_has_is_refused_with_and_without_lint(tmp_path: Path, lint: bool) -> None:
    source = load_tflite(odd_model(tmp_path / "odd.tflite", "ATAN2", (1, 3, 1)))
    with pytest.raises(UsageError, match="ATAN2"):
        pack_tflite(source, lint=lint)


def test_model_for_a_batch_is_refused_as_vectors_come_one_by_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[batch\]"):
        require_sendable(load_tflite(odd_model(tmp_path / "batch.tflite", "ADD", (2, 3, 1))))


def test_model_larger_than_flash_is_refused_before_the_build_with_both_numbers() -> None:
    packed = PackedModel("tflm", bytes(32), {}, None, 1_200_000, 0)
    with pytest.raises(BuildError, match="the model takes 1200000 bytes, the flash of netduino2plus has 1048576"):
        check_flash(find_board("netduino2plus"), packed)


def test_operators_that_fill_the_arena_are_refused_before_the_build_with_both_numbers() -> None:
    deep = model(1, (4, 3), *(dense(f"d{k}", f"d{k - 1}" if k else "x", (4, 3), 3) for k in range(40)))
    packed = pack_tflm(deep)
    with pytest.raises(BuildError, match=r"at least \d{4} bytes .* 40 operators .* has 2048"):
        check_tflm_arena(find_board("netduino2plus"), packed, 2048)
    check_tflm_arena(find_board("netduino2plus"), packed, 65536)
    check_tflm_arena(find_board("host-tflm"), packed, 2048)


def test_arena_larger_than_ram_is_refused_before_the_build_with_both_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["build", "-b", "netduino2plus", "--engine", "tflm", "--arena-size", "200K", "-q"]) == EXIT_BUILD
    assert "an arena of 204800 bytes is more than the board's RAM of 131072 bytes" in capsys.readouterr().err


def test_failing_run_of_a_header_ends_with_the_code_of_a_failed_comparison(
    converted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(converted, "run", "model.h", "--test-no-state-reset")) == EXIT_FAIL
    assert "state leaks" in " ".join(capsys.readouterr().out.split())


def test_calibration_from_a_file_sets_the_ranges(fuel: Bundle, tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.npz"
    np.savez(narrow, x=fuel.inputs[0] / 100)
    own = pack_for_tflm(fuel, ConversionOptions(int8=True))
    assert pack_for_tflm(fuel, ConversionOptions(int8=True, calibrate=narrow)).sources != own.sources
    with pytest.raises(UsageError, match="not asked for"):
        pack_for_tflm(fuel, ConversionOptions(calibrate=narrow))
