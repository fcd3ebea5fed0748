"""Images of all boards that can be built here, and the cache that saves building them twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from harness.boards.catalogue import find_board
from harness.build.build import build_firmware
from harness.build.image import FirmwareImage
from harness.errors import BuildError, UsageError
from harness.model.packed import PackedModel
from harness.resources import firmware_dir
from tests.build.conftest import ARENA_BYTES
from tests.build.small_model import small_model

BOARDS = ("host", "netduino2plus", "megaatmega2560")
Build = Callable[[str], FirmwareImage]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", BOARDS)
def test_an_image_says_what_it_is_and_what_it_takes(name: str, build: Build) -> None:
    board, image = find_board(name), build(name)
    assert (image.board, image.engine, image.arena_bytes) == (name, "rnn", ARENA_BYTES)
    assert image.arena_capacity_bytes == board.arena_max_bytes
    assert image.elf.read_bytes().startswith(b"\x7fELF")
    assert len(image.build_id) == 16
    assert any(character.isdigit() for character in image.toolchain)
    assert image.warnings == ""
    assert image.ram_bytes > board.arena_max_bytes
    assert image.flash_bytes > 1000
    assert not board.flash_bytes or image.flash_bytes < board.flash_bytes
    assert not board.ram_bytes or image.ram_bytes < board.ram_bytes
    names = {section.name for section in image.sections}
    assert {".text", ".bss"} <= names
    assert not {".comment", ".debug_info", ".eeprom"} & names


@pytest.mark.parametrize("name", BOARDS)
def test_the_build_id_is_in_the_image(name: str, build: Build) -> None:
    image = build(name)
    assert image.build_id in image.elf.read_bytes()


@pytest.mark.parametrize("name", BOARDS)
def test_the_same_inputs_give_the_same_bytes_anywhere(
    name: str, build: Build, packed: PackedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(name)
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "some other place"))
    second = build_firmware(find_board(name), packed, arena_bytes=ARENA_BYTES)
    assert second.build_id == first.build_id
    assert second.elf != first.elf
    assert second.elf.read_bytes() == first.elf.read_bytes()


def test_an_incremental_build_has_the_bytes_of_a_fresh_one(
    packed: PackedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = find_board("host")
    build_firmware(board, small_model(seed=1), arena_bytes=ARENA_BYTES)
    after_another = build_firmware(board, small_model(seed=2), arena_bytes=ARENA_BYTES)
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path))
    fresh = build_firmware(board, small_model(seed=2), arena_bytes=ARENA_BYTES)
    assert fresh.build_id == after_another.build_id
    assert fresh.elf.read_bytes() == after_another.elf.read_bytes()


def test_the_same_build_is_not_made_twice(build: Build, packed: PackedModel) -> None:
    first = build("host")
    lines: list[str] = []
    again = build_firmware(find_board("host"), packed, arena_bytes=ARENA_BYTES, on_line=lines.append)
    assert again == first
    assert lines == []


def test_a_warm_build_imports_neither_platformio_nor_the_elf_reader(build: Build) -> None:
    build("host")
    program = (
        "import sys, tests.build.small_model as m;"
        "from harness.boards.catalogue import find_board; from harness.build.build import build_firmware;"
        f"build_firmware(find_board('host'), m.small_model(), arena_bytes={ARENA_BYTES});"
        "print([n for n in ('platformio', 'SCons', 'elftools', 'tensorflow', 'serial') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_damaged_build_in_the_cache_is_made_again(build: Build) -> None:
    first = build("host")
    content = first.elf.read_bytes()
    (first.elf.parent / "image.json").write_text('{"image": 1}')
    assert build("host") == first
    assert first.elf.read_bytes() == content


@pytest.mark.parametrize(
    "change", ["arena", "capacity", "model", "option"], ids=lambda change: f"another {change} is another build"
)
def test_what_decides_the_image_decides_the_build_id(change: str, build: Build, packed: PackedModel) -> None:
    board, first = find_board("host"), build("host")
    other = {
        "arena": lambda: build_firmware(board, packed, arena_bytes=ARENA_BYTES + 1),
        "capacity": lambda: build_firmware(board, packed, arena_bytes=ARENA_BYTES, capacity_bytes=ARENA_BYTES),
        "model": lambda: build_firmware(board, small_model(seed=1), arena_bytes=ARENA_BYTES),
        "option": lambda: build_firmware(board, packed, arena_bytes=ARENA_BYTES, options={"HIL_TEST_HOOKS": "1"}),
    }[change]()
    assert other.build_id != first.build_id
    assert other.elf.read_bytes() != first.elf.read_bytes()
    assert (other.ram_bytes < first.ram_bytes) == (change == "capacity")


@pytest.mark.parametrize(("name", "value"), [("-DX", "1"), ("X", "1 -Wl,x"), ("X", "1\n-fplugin=y"), ("", "")])
def test_an_option_is_a_macro_and_nothing_else(name: str, value: str, packed: PackedModel) -> None:
    with pytest.raises(UsageError, match="build option"):
        build_firmware(find_board("host"), packed, options={name: value})


def test_builds_at_once_of_one_image_and_of_another(tmp_path: Path) -> None:
    environment = {**os.environ, "HIL_CACHE_DIR": str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.build.one_build", "host", str(arena)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arena in (3000, 3000, 3001)
    ]
    outputs = [process.communicate(timeout=100)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    elves = [Path(output.splitlines()[-1]) for output in outputs]
    assert elves[0] == elves[1] != elves[2]
    for elf in elves:
        with elf.open("rb") as stream:
            assert ELFFile(stream).get_section_by_name(".text") is not None
    assert {path.name for path in (tmp_path / "builds").iterdir()} == {elf.parent.name for elf in elves}


def test_an_interrupted_build_leaves_no_process_and_the_next_one_works(tmp_path: Path) -> None:
    environment = {**os.environ, "HIL_CACHE_DIR": str(tmp_path)}
    words = [sys.executable, "-m", "tests.build.one_build", "host", "3000"]
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Compiling"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert _processes_naming(str(tmp_path)) == []
    assert not (tmp_path / "builds").exists()
    assert [path.name for path in (tmp_path / "work").iterdir() if path.suffix != ".lock"] == []
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


def _processes_naming(text: str) -> list[str]:
    """Command lines and environments of this user's processes that mention `text`, this one apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in words and folder.name != str(os.getpid()):
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.parametrize(
    ("name", "package"), [("host", "g++"), ("netduino2plus", "gcc-arm-none-eabi"), ("megaatmega2560", "gcc-avr")]
)
def test_a_missing_compiler_is_named_with_its_package(
    name: str, package: str, packed: PackedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="is not installed") as raised:
        build_firmware(find_board(name), packed)
    assert raised.value.hint is not None
    assert package in raised.value.hint


@pytest.mark.parametrize("name", BOARDS)
def test_a_compile_error_comes_out_and_does_not_stay(name: str, build: Build, packed: PackedModel) -> None:
    broken = replace(packed, sources={"hil_model.h": '#error "this model is broken"\n'})
    with pytest.raises(BuildError, match="this model is broken") as raised:
        build_firmware(find_board(name), broken)
    assert raised.value.board == name
    build(name)


def test_a_link_error_comes_out(packed: PackedModel) -> None:
    # The header is read twice, and the declaration may stand once.
    use = "#ifndef KEEP\n#define KEEP\nint nowhere_to_be_found();\n"
    use += "__attribute__((used)) static int kKeep = nowhere_to_be_found();\n#endif\n"
    broken = replace(packed, sources={"hil_model.h": packed.sources["hil_model.h"] + use})
    with pytest.raises(BuildError, match=r"undefined reference to .nowhere_to_be_found"):
        build_firmware(find_board("host"), broken)


@pytest.mark.parametrize("name", ["netduino2plus", "megaatmega2560"])
def test_an_arena_beyond_the_ram_is_refused_with_the_numbers(name: str, packed: PackedModel) -> None:
    board = find_board(name)
    with pytest.raises(BuildError, match=f"{board.ram_bytes + 1} bytes .* RAM of {board.ram_bytes} bytes"):
        build_firmware(board, packed, arena_bytes=board.ram_bytes + 1)


@pytest.mark.parametrize("name", ["netduino2plus", "megaatmega2560"])
def test_an_arena_that_leaves_no_room_for_the_rest_is_refused(name: str, packed: PackedModel) -> None:
    board = find_board(name)
    with pytest.raises(
        BuildError, match=f"{board.ram_bytes} bytes of RAM, {board.ram_bytes - 64} of them for the arena"
    ):
        build_firmware(board, packed, arena_bytes=board.ram_bytes - 64)


def test_an_image_beyond_the_flash_is_refused_with_the_numbers(packed: PackedModel) -> None:
    board = replace(find_board("netduino2plus"), flash_bytes=1000)
    with pytest.raises(BuildError, match=r"bytes of flash, the board has 1000"):
        build_firmware(board, packed)


def test_builds_write_nothing_into_the_firmware_project() -> None:
    def snapshot() -> set[Path]:
        return set(firmware_dir().rglob("*"))

    before = snapshot()
    build_firmware(find_board("netduino2plus"), small_model(seed=3))
    assert snapshot() - before == set()


def test_platformio_reads_the_project(cache: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "project", "config", "--json-output"],
        cwd=firmware_dir(),
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(cache / "platformio-core")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    sections = {name for name, _ in json.loads(done.stdout)}
    assert {f"env:{name}" for name in (*BOARDS, "esp32")} <= sections


def test_the_project_builds_from_an_ide_too(build: Build, cache: Path, tmp_path: Path) -> None:
    build("host")
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "run", "-e", "host"],
        cwd=firmware_dir(),
        env={
            **os.environ,
            "PLATFORMIO_CORE_DIR": str(cache / "platformio-core"),
            "PLATFORMIO_WORKSPACE_DIR": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build" / "host" / "firmware.elf").is_file()


def test_an_engine_that_is_not_there_is_named(packed: PackedModel) -> None:
    with pytest.raises(BuildError, match="no engine library hil_engine_abacus"):
        build_firmware(find_board("host"), replace(packed, engine="abacus"))
