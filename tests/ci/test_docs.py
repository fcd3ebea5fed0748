"""Guides name only commands, options and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from harness.cli.root import root

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "docs" / name for name in ("tutorial.md", "porting.md", "runner.md")]
PAGES = [pytest.param(path, id=path.stem) for path in GUIDES]


@pytest.mark.parametrize("path", PAGES)
def test_links_and_pictures_are_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("path", PAGES)
def test_commands_and_their_options_exist(path: Path) -> None:
    calls = re.findall(r"\bhil (?!-)([a-z][a-z-]+)((?: [^`\n#]*)?)", path.read_text())
    context = click.Context(root)
    seen = 0
    for name, words in calls:
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        if command is None:
            continue  # the user `hil` in a sentence
        seen += 1
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", words)) <= known, (name, words)
    assert seen > 5


def test_pictures_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "docs" / "img").iterdir()) < 600_000


def test_files_the_guides_name_exist() -> None:
    for path in GUIDES:
        for name in re.findall(r"`((?:ci|firmware|harness|models|tests)/[\w./-]+)`", path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
