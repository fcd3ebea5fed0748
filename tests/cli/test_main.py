"""The command line's frame: instant help, exit codes, errors as text."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from harness import __version__
from harness.cli import root as root_module
from harness.cli.main import main
from harness.cli.root import COMMANDS
from harness.errors import BoardError, BuildError, HilError, UsageError
from tests.report.samples import HOSTILE, HOSTILE_LINES

HIL = [sys.executable, "-m", "harness.cli"]
HEAVY = {"numpy", "serial", "tensorflow", "keras", "torch", "rich", "platformio", "SCons", "elftools"}


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def command() -> None:
        raise error

    module = type(sys)("failing_command")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_command", module)
    monkeypatch.setitem(root_module.COMMANDS, "broken", ("failing_command", "For this test."))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from harness.cli.main import main; code = main(sys.argv[1:]);"
        f"sys.stderr.write(' '.join({HEAVY!r} & {{name.split('.')[0] for name in sys.modules}})); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:\n    hil " + name in text
    assert "--json" in text
    assert max(map(len, text.splitlines())) <= 80
    command = importlib.import_module(COMMANDS[name][0]).command
    assert command.name == name


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hil {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["run", "--no-such-option"],
        ["run"],
        ["run", "-b", "host", "--arena-size", "a lot"],
        ["run", "-b", "host", "--arena-size", "0"],
        ["run", "-b", "host", "--no-flash", "--flash", "always"],
        ["run", "-b", "host", "--json", "-", "--junit", "-"],
        ["run", "-b", "host", "--json", "/no/such/directory/x.json"],
        ["run", "-b", "host", "--warmup", "0"],
        ["run", "-b", "netduino3plus"],
        ["run", "-b", "host", "no-such-bundle"],
        ["monitor"],
        ["monitor", "-p", "/dev/null", "--reset"],
        ["monitor", "-p", "file:///etc/passwd"],
        ["boards", "extra"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_with_a_hint_and_no_traceback(arguments: list[str]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HIL_")}
    done = subprocess.run([*HIL, *arguments], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("u"), 2),
        (BoardError("b"), 3),
        (BuildError("f"), 4),
        (HilError("i"), 5),
        (ValueError("a bug"), 5),
        (OSError(28, "No space left on device"), 5),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.ClickException("c"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code_and_short_text(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HIL_DEBUG", raising=False)
    fail_with(monkeypatch, error)
    assert main(["broken"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_shows_where(how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HIL_DEBUG", "1" if how == "environment" else "0")
    fail_with(monkeypatch, ValueError("a bug"))
    assert main(["--debug", "broken"] if how == "option" else ["broken"]) == 5
    assert "Traceback" in capsys.readouterr().err


def test_errors_show_hint_and_console_but_no_raw_device_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = BoardError(f"said {HOSTILE}", board="esp32", port="/dev/x", hint="plug it in", console=tuple(HOSTILE_LINES))
    fail_with(monkeypatch, error)
    assert main(["broken"]) == 3
    text = capsys.readouterr().err
    assert "error: said" in text
    assert "(board esp32, port /dev/x)" in text
    assert "try: plug it in" in text
    assert "  | a\\x0d\\x0ab" in text
    assert all(char == "\n" or char.isprintable() for char in text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    # stdout is a pipe whose other end is closed already.
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([*HIL, "boards"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=30)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


# For a process that is to be interrupted: a signal just before a sleep is seen only after it.
DOZE = "while True:\n    time.sleep(0.1)\n"


@pytest.mark.parametrize("module", ["click", "numpy"])
def test_ctrl_c_while_python_imports_ends_it_quietly(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import time\nprint('importing', flush=True)\n" + DOZE)
    paths = [str(tmp_path), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    process = subprocess.Popen(
        [*HIL, "run", "fuel_lstm", "--board", "host"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "hil: interrupted\n")


def test_ctrl_c_in_a_finaliser_is_not_lost() -> None:
    code = """
import signal, sys, time, types, click
from harness.cli import main, root
class Slow:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
@click.command()
def command():
    slow = Slow()
    del slow
    time.sleep(30)
sys.modules["waiting"] = types.SimpleNamespace(command=command)
root.COMMANDS["wait"] = ("waiting", "")
sys.exit(main.main(["wait"]))
"""
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (130, "hil: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unwinds_and_exits_130(number: signal.Signals, tmp_path: Path) -> None:
    left, ready = tmp_path / "left", tmp_path / "ready"
    code = f"""
import pathlib, sys, time, types, click
from harness.cli import main, root
@click.command()
def command():
    try:
        pathlib.Path({str(ready)!r}).touch()
        while True:
            time.sleep(0.1)
    finally:
        pathlib.Path({str(left)!r}).touch()
sys.modules["waiting"] = types.SimpleNamespace(command=command)
root.COMMANDS["wait"] = ("waiting", "")
sys.exit(main.main(["wait"]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 20
    while not ready.exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "hil: interrupted\n")
    assert left.exists()
