"""The PlatformIO process: its deadline, its errors, what it inherits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.build.pio import OnLine, run_platformio
from harness.errors import BuildError, FlashError

# A project whose build does nothing but run a script; it needs no compiler.
_INI = "[env:{env}]\nplatform = symlink://{platform}\nboard = host\nextra_scripts = pre:script.py\n"


def project(folder: Path, script: str, env: str = "host") -> Path:
    from harness.resources import firmware_dir

    folder.mkdir()
    (folder / "src").mkdir()
    (folder / "src" / "main.cpp").write_text("int main() {}\n")
    (folder / "platformio.ini").write_text(_INI.format(env=env, platform=firmware_dir() / "platforms" / "emulated"))
    (folder / "script.py").write_text(script)
    return folder


def run(
    where: Path,
    tmp_path: Path,
    board: str = "host",
    timeout_s: float = 60.0,
    on_line: OnLine | None = None,
    error: type[BuildError] = BuildError,
) -> tuple[str, ...]:
    words = ["run", "-e", board]
    output = run_platformio(
        find_board(board),
        where,
        words,
        workspace=tmp_path / "work",
        environment={},
        timeout_s=timeout_s,
        on_line=on_line,
    )
    output.check(error)
    return output.lines


def test_a_build_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "import os, signal, subprocess\n"
        "child = subprocess.Popen(['sleep', '300'], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    with pytest.raises(BuildError, match="did not finish within 5 s"):
        run(project(tmp_path / "p", script), tmp_path, timeout_s=5.0)
    assert _ends(int(pid_file.read_text()))


def _ends(pid: int, within_s: float = 10.0) -> bool:
    """Whether a killed process goes. An orphan that nobody has reaped yet is a zombie, not a running process."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_failure_is_raised_as_the_caller_asks_with_the_last_lines(tmp_path: Path) -> None:
    where = project(tmp_path / "p", "print('fatal error: the disk is on fire'); Exit(3)\n")
    with pytest.raises(FlashError, match="the disk is on fire") as raised:
        run(where, tmp_path, error=FlashError)
    assert any("on fire" in line for line in raised.value.console)


def test_an_unreachable_registry_is_one_line_and_what_to_do(tmp_path: Path) -> None:
    where = project(tmp_path / "p", "print('HTTPClientError: '); Exit(1)\n", env="esp32")
    # The platform link goes where a real board's core directory is: one of this test's own.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATFORMIO_CORE_DIR", str(_own_core(tmp_path)))
        with pytest.raises(BuildError, match="can't reach its package registry") as raised:
            run(where, tmp_path, board="esp32")
    assert "\n" not in raised.value.what
    assert raised.value.hint is not None
    assert "pkg install -e esp32" in raised.value.hint


def _own_core(tmp_path: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
        from harness.build.offline_kit import ensure_core_dir

        return ensure_core_dir()


def test_the_callers_own_platformio_settings_do_not_reach_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DFROM_OUTSIDE")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "nobodys"))
    script = "import os; print('flags', os.environ.get('PLATFORMIO_BUILD_FLAGS'), os.environ['PLATFORMIO_CORE_DIR'])\n"
    lines = run(project(tmp_path / "p", script), tmp_path)
    (line,) = [line for line in lines if line.startswith("flags ")]
    assert line.startswith("flags None ")
    assert "nobodys" not in line


def test_lines_come_one_by_one_and_without_escapes(tmp_path: Path) -> None:
    seen: list[str] = []
    where = project(tmp_path / "p", "print('\\x1b[31mred\\x1b[0m'); print('next', flush=True)\n")
    lines = run(where, tmp_path, on_line=seen.append)
    assert tuple(seen) == lines
    assert seen.index("next") == seen.index("red") + 1
