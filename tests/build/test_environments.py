"""platformio.ini and the catalogue: every board has environments that PlatformIO reads, pinned, and described."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.boards.catalogue import Board, load_catalogue
from harness.resources import firmware_dir

Options = Mapping[str, object]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "boards.md"
BOARDS = tuple(board for board in load_catalogue().values() if board.platformio_env)
REAL = tuple(board for board in BOARDS if board.kind == "real")
ASKED_FOR = {
    *("esp32", "esp32s3", "esp32c3", "esp8266", "pico", "nano33ble", "giga"),
    *("teensy41", "nucleo_f446re", "uno", "megaatmega2560", "hifive1"),
}


def environments(board: Board) -> set[str]:
    return {board.environment(engine) for engine in board.engines}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Options]:
    """Environment -> its options as PlatformIO resolves them, inheritance and all."""
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "project", "config", "--json-output"],
        cwd=firmware_dir(),
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path_factory.mktemp("core"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    sections = {name: dict(options) for name, options in json.loads(done.stdout)}
    return {name.removeprefix("env:"): options for name, options in sections.items() if name.startswith("env:")}


def words(options: Options, key: str) -> list[str]:
    value = options.get(key, [])
    assert isinstance(value, list)
    return [str(word) for word in value]


def test_the_catalogue_has_every_board_that_was_asked_for() -> None:
    assert set(load_catalogue()) >= ASKED_FOR


def test_environments_and_boards_name_each_other(project: Mapping[str, Options]) -> None:
    assert set().union(*map(environments, BOARDS)) == set(project)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.id))
def test_an_environment_is_complete(board: Board, project: Mapping[str, Options]) -> None:
    for name in environments(board):
        options = project[name]
        assert options["platform"] and options["board"]
        assert "pre:scripts/select_engine.py" in words(options, "extra_scripts")
        assert "-ffp-contract=off" in words(options, "build_flags")
        assert any(word.startswith("+<platform/") for word in " ".join(words(options, "build_src_filter")).split())


@pytest.mark.parametrize("board", REAL, ids=lambda board: str(board.id))
def test_what_comes_from_a_registry_is_pinned(board: Board, project: Mapping[str, Options]) -> None:
    for name in environments(board):
        options = project[name]
        assert re.fullmatch(
            r"\w+ @ \d+\.\d+\.\d+|https://\S+/releases/download/[\d.]+/\S+\.zip", str(options["platform"])
        )
        assert all(re.fullmatch(r"[\w-]+/\w+ @ \d+\.\d+\.\d+", word) for word in words(options, "lib_deps"))
        # Without a framework the platform knows nothing of the chip: the project brings what it takes.
        assert options.get("framework") or (firmware_dir() / str(options["board_build.ldscript"])).is_file()
        assert options["monitor_speed"] == board.baud_safe


@pytest.mark.parametrize("board", REAL, ids=lambda board: str(board.id))
def test_an_engine_with_an_environment_of_its_own_is_chosen_there(board: Board, project: Mapping[str, Options]) -> None:
    for engine in board.engines:
        own = project[board.environment(engine)]
        if board.environment(engine) != board.platformio_env:
            assert own["custom_hil_engine"] == engine
            assert own["board"] == project[board.platformio_env]["board"]
        else:
            assert own["custom_hil_engine"] == "rnn"


@pytest.mark.parametrize("board", REAL, ids=lambda board: str(board.id))
def test_the_page_says_of_every_environment_what_was_proved(board: Board) -> None:
    text = PAGE.read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for name in environments(board):
        (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        assert re.search(r"\| (yes|no)[^|]*\| (yes|no)[^|]*\| (yes|no)[^|]*\|$", row), row


@pytest.mark.parametrize("board", REAL, ids=lambda board: str(board.id))
def test_the_firmware_keeps_what_the_host_may_send_at_once(board: Board, project: Mapping[str, Options]) -> None:
    """AVR and STM32 cores take the size of their receive buffer from a macro, and hold one byte less."""
    flags = words(project[board.platformio_env], "build_flags")
    (size,) = [int(flag.partition("=")[2]) for flag in flags if flag.startswith("-DSERIAL_RX_BUFFER_SIZE=")] or [None]
    assert size is None or board.rx_buffer_bytes < size
