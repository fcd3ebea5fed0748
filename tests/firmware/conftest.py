"""Builds the firmware's C++ once per test run: unit tests under sanitizers, and the host board with test hooks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.resources import firmware_dir

UNIT_DIR = Path(__file__).parent / "unit"
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"]


def include_flags() -> list[str]:
    """The search path of the session without an engine or model; the configuration is the unit tests' own."""
    firmware = firmware_dir()
    folders = [
        UNIT_DIR / "include",
        firmware / "include",
        firmware / "lib/hil_protocol/src",
        firmware / "lib/hil_session/src",
    ]
    return [f"-I{folder}" for folder in folders]


def library_sources() -> list[Path]:
    """The sources under test: frames and session."""
    libraries = ("hil_protocol", "hil_session")
    return [source for name in libraries for source in sorted((firmware_dir() / "lib" / name / "src").glob("*.cpp"))]


def compile_cpp(sources: list[Path], program: Path, flags: list[str]) -> Path:
    """Builds `program` from sources, or fails the test with the compiler's words."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler (Debian: apt install g++)")
    command = [compiler, "-std=c++11", *WARNINGS, *flags, *include_flags(), *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{done.stderr[-4000:]}", pytrace=False)
    return program


@pytest.fixture(scope="session")
def unit_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ unit tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path_factory.mktemp("unit") / "unit"
    return compile_cpp([*library_sources(), *sorted(UNIT_DIR.glob("*.cpp"))], program, flags)


@pytest.fixture(scope="session")
def host_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host board's real platform, session and main with test hooks, and the unit tests' engine for a model."""
    firmware = firmware_dir()
    sources = [
        *library_sources(),
        firmware / "src/main.cpp",
        firmware / "src/platform/posix.cpp",
        UNIT_DIR / "fake_engine.cpp",
    ]
    return compile_cpp(
        sources, tmp_path_factory.mktemp("host") / "firmware", ["-O2", "-DHIL_TEST_HOOKS", "-DFAKE_ENGINE_ON_HOST"]
    )
