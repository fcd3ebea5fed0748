"""The runner is compiled once, by content, and its absence is explained."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.boards.simavr_runner import build_runner
from harness.errors import EXIT_BUILD, BuildError
from tests.boards.programs import build_program


@pytest.fixture
def _simavr_here(tmp_path: Path) -> None:
    build_program("megaatmega2560", tmp_path)  # skips where it is not


@pytest.mark.usefixtures("_simavr_here")
def test_two_builds_at_once_make_one_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(build_runner, ["megaatmega2560"] * 2)
    assert one == two
    assert [path.name for path in one.parent.iterdir()] == ["simavr_runner"]  # nothing half-made is left
    made = one.stat().st_mtime_ns
    assert build_runner("megaatmega2560").stat().st_mtime_ns == made


@pytest.mark.usefixtures("_simavr_here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage:"),
        (["atmega2560", "0", "115200", "x.elf"], "positive"),
        (["atmega2560", "16000000", "115200", "absent.elf"], "not an AVR ELF"),
    ],
)
def test_wrong_words_to_the_runner_end_it_with_a_reason(words: list[str], said: str) -> None:
    runner = build_runner("megaatmega2560")
    done = subprocess.run([runner, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
    assert done.returncode in range(64, 80)
    assert said in done.stderr.decode()
    assert done.stdout == b""  # that is the line


def test_no_compiler_is_a_build_error_with_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildError, match="compiler cc") as caught:
        build_runner("megaatmega2560")
    assert caught.value.exit_code == EXIT_BUILD
    assert "libsimavr-dev" in (caught.value.hint or "")
