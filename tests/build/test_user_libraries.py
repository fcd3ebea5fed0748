"""Libraries the user brings with --lib-dir or in HIL_LIB_EXTRA_DIRS."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.build.build import build_firmware
from harness.build.user_libraries import TFLM_HEADER, VARIABLE, content_digest, has_tflm, library_dirs, use_library_dirs
from harness.cli.main import main
from harness.errors import EXIT_PASS, EXIT_USAGE, BuildError, UsageError
from harness.model.packed import PackedModel


def library(folder: Path, file: Path, text: str = "") -> Path:
    """A library in `folder` with one file."""
    path = folder / "some_library" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (folder / "some_library" / "library.properties").write_text("name=some_library\nversion=1.0.0\n")
    return folder


def test_folders_are_separated_as_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "c").mkdir()
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path / "a b"), "", str(tmp_path / "c")]))
    assert library_dirs() == (tmp_path / "a b", tmp_path / "c")
    monkeypatch.delenv(VARIABLE)
    assert library_dirs() == ()


def test_a_library_in_place_of_the_folder_around_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tmp_path, TFLM_HEADER)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "some_library"))
    with pytest.raises(UsageError) as caught:
        library_dirs()
    assert str(tmp_path) in (caught.value.hint or "")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing here"))
    with pytest.raises(UsageError, match="not a folder"):
        library_dirs()


def test_the_option_takes_the_place_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(tmp_path)
    use_library_dirs([Path("a"), folders[1]])
    monkeypatch.chdir("/")
    assert library_dirs() == tuple(folders)
    (tmp_path / "c:d").mkdir()
    with pytest.raises(UsageError, match=r"--lib-dir names .*c:d"):
        use_library_dirs([tmp_path / "c:d"])


@pytest.mark.parametrize("command", ["build", "run", "flash", "sweep-arena"])
def test_every_command_that_builds_refuses_a_folder_that_is_not_there(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main([command, "-b", "host", "--lib-dir", str(tmp_path / "gone")]) == EXIT_USAGE
    error = capsys.readouterr().err
    assert "--lib-dir" in error
    assert "gone" in error
    assert "not a folder" in error


def test_a_library_given_to_a_command_is_part_of_the_build_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    one, two = library(tmp_path / "one", Path("a.h"), "int a;"), library(tmp_path / "two", Path("b.h"), "int b;")
    ids = []
    for words in ([], ["--lib-dir", str(one)], ["--lib-dir", str(one), "--lib-dir", str(two)]):
        monkeypatch.setenv(VARIABLE, "")
        assert main(["build", "cell4", "-b", "host", "-q", "--json", "-", *words]) == EXIT_PASS
        ids.append(json.loads(capsys.readouterr().out)["build_id"])
    assert len(set(ids)) == 3


@pytest.mark.parametrize("place", [TFLM_HEADER, "src" / TFLM_HEADER])
def test_tflm_is_known_by_its_header(place: Path, tmp_path: Path) -> None:
    (tmp_path / "file in between").write_text("")
    assert not has_tflm([tmp_path])
    assert has_tflm([library(tmp_path, place)])


def test_what_lies_in_a_library_decides_not_where(tmp_path: Path) -> None:
    one = library(tmp_path / "one", Path("a.h"), "int a;")
    two = library(tmp_path / "two", Path("a.h"), "int a;")
    assert content_digest([one]) == content_digest([two])
    (two / "some_library" / ".git").mkdir()
    (two / "some_library" / ".git" / "HEAD").write_text("x")
    assert content_digest([one]) == content_digest([two])
    (two / "some_library" / "a.h").write_text("int b;")
    assert content_digest([one]) != content_digest([two])
    assert content_digest([one]) != content_digest([]) != content_digest([one, one])


@pytest.mark.parametrize("name", ["netduino2plus", "teensy41"])
def test_engine_tflm_without_tflm_says_what_to_do(
    name: str, packed: PackedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(BuildError, match="brings none") as caught:
        build_firmware(find_board(name), replace(packed, engine="tflm"), arena_bytes=2048)
    assert all(word in (caught.value.hint or "") for word in (VARIABLE, "docs/boards.md", "rnn", "host-tflm"))
