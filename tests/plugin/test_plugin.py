"""The pytest plugin, in pytest runs of its own; where a board is needed it is `host`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from harness.assertions import assert_hil_pass, failure_text
from harness.resources import cache_dir, models_dir
from tests.report.samples import failed, sample

pytest_plugins = ("pytester",)
CACHE = cache_dir()  # pytester changes HOME

USES_BOARD = """
    def test_it(board):
        assert board.id
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    # Without plugins that take most of the start.
    return pytester.runpytest_inprocess(
        *("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio"), *arguments
    )


def test_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.plugin;"
        "print({m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert not any(name in done.stdout for name in ("numpy", "serial", "tensorflow", "rich", "click", "platformio"))


@pytest.mark.promise("P7")
def test_no_board_skips_loudly(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_BOARD)
    result = run(pytester)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED no --board given: nothing was proved on hardware"])


@pytest.mark.promise("P7")
def test_no_board_fails_where_one_is_required(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_BOARD)
    result = run(pytester, "--require-board")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--require-board: no --board given*"])


def test_a_folder_of_libraries_that_is_not_there_ends_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_LIB_EXTRA_DIRS", "")
    pytester.makepyfile(USES_BOARD)
    result = run(pytester, "--board", "host", "--lib-dir", "gone")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--lib-dir names */gone, which is not a folder*"])


def test_absent_board_skips_naming_what_was_looked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIL_INVENTORY", raising=False)
    pytester.makepyfile(USES_BOARD)
    result = run(pytester, "--board", "esp32", "--serial-number", "no-such-number")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *no-such-number*board esp32*"])
    result = run(pytester, "--board", "esp32", "--serial-number", "no-such-number", "--require-board")
    result.assert_outcomes(errors=1)


def test_board_without_its_tools_skips_with_what_mends_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(USES_BOARD)
    monkeypatch.setenv("PATH", "/nonexistent")
    result = run(pytester, "--board", "netduino2plus")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *arm-none-eabi-g++*sudo apt install*"])


def test_unknown_board_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_BOARD)
    result = run(pytester, "--board", "netduino3plus")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*did you mean netduino2plus*"])


def test_port_with_two_boards_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_BOARD)
    result = run(pytester, "--board", "esp32", "--board", "host", "--port", "/dev/null")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_path_after_a_blank_that_misleads_pytest_is_a_usage_error(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytester.makepyfile(USES_BOARD)
    port = tmp_path_factory.mktemp("dev") / "ttyUSB0"
    port.touch()
    pytester.makeini("[pytest]")
    misled = run(pytester, "--board", "esp32", "--port", str(port))
    assert misled.ret == pytest.ExitCode.USAGE_ERROR
    misled.stderr.fnmatch_lines([f"*write --port={port}*"])
    for words in ([f"--port={port}"], ["--port", str(port), "--rootdir", "."], ["--port", str(port), "."]):
        result = run(pytester, "--board", "esp32", *words)
        assert result.ret != pytest.ExitCode.USAGE_ERROR, words
        result.stdout.fnmatch_lines([f"rootdir: {pytester.path}"])


def test_tests_run_once_per_board_and_others_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_on_board(board):
            assert board.id in ("host", "netduino2plus")

        def test_elsewhere():
            pass
    """)
    result = run(pytester, "--board", "host", "--board", "netduino2plus", "--board", "host", "--collect-only", "-q")
    result.stdout.fnmatch_lines_random(["*test_on_board?host?", "*test_on_board?netduino2plus?", "*test_elsewhere"])
    result.stdout.fnmatch_lines(["3 tests collected*"])


def test_a_suites_own_board_fixture_wins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.fixture
        def board():
            return "wooden"

        def test_it(board):
            assert board == "wooden"
    """)
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("ini", "arguments", "expected"),
    [
        ("", ["--board", "host"], "timeout: 600*s"),
        ("timeout = 7", ["--board", "host"], "timeout: 7*s"),
        ("", ["--board", "host", "--timeout", "8"], "timeout: 8*s"),
    ],
    ids=["default", "ini wins", "option wins"],
)
def test_time_limit_is_set_only_where_the_user_has_none(
    pytester: pytest.Pytester, ini: str, arguments: list[str], expected: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makepyfile("def test_it(): pass")
    run(pytester, *arguments).stdout.fnmatch_lines([expected, "timeout method: signal"])


def test_suites_without_boards_get_no_time_limit(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    run(pytester).stdout.no_fnmatch_line("timeout: *")


def test_errors_of_the_harness_are_told_without_traceback(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(r"""
        import pytest
        from harness.errors import NoAnswerError

        def fail():
            raise NoAnswerError("nothing answered", board="esp32", hint="press reset", console=("\x1b[2J[/dram]",))

        @pytest.fixture
        def broken():
            fail()

        def test_in_test():
            fail()

        def test_in_fixture(broken):
            pass
    """)
    result = run(pytester)
    result.assert_outcomes(failed=1, errors=1)
    text = result.stdout.str()
    assert "NoAnswerError: nothing answered (board esp32)" in text
    assert "try: press reset" in text
    assert "  | \\x1b[2J[/dram]" in text
    assert "raise NoAnswerError" not in text


def test_a_whole_run_on_a_board(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from harness.assertions import assert_hil_pass

        def test_pass(hil_run):
            assert_hil_pass(hil_run)

        def test_same_run_again(hil_run, bundle):
            assert hil_run.record.vectors == bundle.count

        def test_session(hil_session, board, target):
            assert hil_session.info.board == board.id == target.board.id
    """)
    arguments = ("-p", "no:cacheprovider", "--board", "host", "--hil-json", "runs.json", "--require-board")
    result = pytester.runpytest_subprocess(*arguments, timeout=100)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["hil: fuel_lstm on host", "PASS fuel_lstm on host: max|e| *"])
    (record,) = json.loads((pytester.path / "runs.json").read_text())["runs"]
    assert (record["verdict"], record["board"]) == ("pass", "host")


def test_a_run_says_whether_the_session_flashed_its_board(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(CACHE))
    monkeypatch.setenv("HIL_STATE_DIR", str(pytester.path / "state"))
    pytester.makepyfile("def test_run(hil_run):\n    print('flashed:', hil_run.record.target.flashed)\n")
    for flashed in (True, False):
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-s", "--board=host", timeout=100)
        result.stdout.fnmatch_lines([f"*flashed: {flashed}"])


def test_a_suite_sets_what_its_runs_are_made_with(pytester: pytest.Pytester) -> None:
    model = models_dir() / "fuel_lstm"
    np.save(pytester.path / "labels.npy", np.full((64, 1), 10, np.float32))
    pytester.makepyfile("""
        from dataclasses import replace
        import pytest

        @pytest.fixture(scope="session")
        def hil_options(hil_options):
            return replace(hil_options, arena_bytes=1024)

        def test_options(hil_run):
            assert hil_run.record.memory.arena.size_bytes == 1024
            assert hil_run.record.accuracy.board_vs_labels.n == 64
    """)
    files = (f"--hil-model={model / 'model.keras'}", f"--hil-vectors={model / 'vectors.npz'}")
    arguments = ("-p", "no:cacheprovider", "--board", "host", *files, "--hil-labels", "labels.npy")
    result = pytester.runpytest_subprocess(*arguments, timeout=100)
    result.assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess(*arguments, "--hil-engine", "tflm", timeout=100)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: *tflm*"])


def test_failing_run_says_why() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_hil_pass(failed())
    text = str(raised.value)
    assert "max|e| 0.52 at vector 17 is above 0.0039" in text
    assert "#17: board 17.38041" in text
    assert "device console, last lines:" in text
    assert all(char == "\n" or char.isprintable() for char in text)


def test_passing_run_raises_nothing() -> None:
    assert_hil_pass(sample())
    assert "failed" in failure_text(replace(sample(), verdict="fail", reasons=["x"]))
