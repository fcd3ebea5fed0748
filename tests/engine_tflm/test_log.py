"""What the firmware makes of TFLM's messages: captured, cut, read. Needs a C++ compiler and no TFLM."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.resources import firmware_dir

LIBRARY = firmware_dir() / "lib" / "hil_engine_tflm"
CAPACITY = 192


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: the message parser of hil_engine_tflm is not proved here")
    program = tmp_path_factory.mktemp("log") / "driver"
    warnings = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [Path(__file__).with_name("log_driver.cpp"), LIBRARY / "hil_tflm_log.cpp"]
    subprocess.run(["c++", "-std=c++11", *warnings, f"-I{LIBRARY}", *sources, "-o", program], check=True, timeout=100)
    return program


def read(driver: Path, *lines: str) -> tuple[str, int, bool]:
    """(text, bytes missing, whether the model is to blame) after TFLM printed `lines`."""
    done = subprocess.run([driver, *lines], capture_output=True, text=True, check=True, timeout=20)
    text, missing, model = done.stdout.rstrip("\n").rsplit("|", 2)
    return text, int(missing), model == "1"


def test_formats_as_printf_does_without_a_heap(driver: Path) -> None:
    done = subprocess.run([driver, "formats"], capture_output=True, text=True, check=True, timeout=20)
    assert [line.split("|", 1)[1] for line in done.stdout.splitlines()] == [
        "Requested: 1176, available 900, missing: 276",
        "-5 0 -2147483648 -9223372036854775808 7",
        "beef BEEF 00000ABC 05   42|42  |",
        "op 'abc' z % (null)",
        "1.500000 -0.13 huge 1.000000",
        "cut to ",
        "",
        "stops at what it does not know: %",
    ]


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("Failed to resize buffer. Requested: 1176, available 900, missing: 276\r\n", 276),
        ("Failed to allocate tail memory. Requested: 16, available 0, missing: 16\r\n", 16),
        ("Too many buffers (max is 13)\r\n", 0),
        ("missing: 99999999999999999999", 0xFFFFFFFF),
        ("", 0),
    ],
)
def test_an_arena_that_is_too_small_says_by_how_much(driver: Path, said: str, missing: int) -> None:
    assert read(driver, said) == (said.strip(), missing, False)


@pytest.mark.parametrize(
    "said",
    [
        "Didn't find op for builtin opcode 'UNIDIRECTIONAL_SEQUENCE_LSTM'",
        "Failed to get registration from op code CUSTOM",
        "Type INT64 (4) not supported.",
        "Node FULLY_CONNECTED (number 2) failed to prepare with status 1",
    ],
)
def test_a_model_the_library_cannot_run_is_not_taken_for_a_small_arena(driver: Path, said: str) -> None:
    assert read(driver, said) == (said, 0, True)


def test_a_kernel_that_fails_for_want_of_memory_blames_the_arena(driver: Path) -> None:
    said = ("Failed to allocate tail memory. Requested: 8, available 4, missing: 4\r\n", "Node X failed to prepare\r\n")
    text, missing, model = read(driver, *said)
    assert text == "Failed to allocate tail memory. Requested: 8, available 4, missing: 4; Node X failed to prepare"
    assert (missing, model) == (4, False)


def test_the_text_is_one_line_of_plain_characters_however_much_is_said(driver: Path) -> None:
    text, _, _ = read(driver, "\r\n\r\n", "bell\a tab\t umlaut \xe4\n", *(["a long line of words\n"] * 40))
    assert text.startswith("bell? tab? umlaut ??; a long line of words; ")
    assert len(text) == CAPACITY - 1
