"""Flash slots of emulated boards, filled by PlatformIO's upload target."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.build.flash import flash
from harness.build.image import FirmwareImage
from harness.errors import FlashError
from harness.resources import firmware_dir

Build = Callable[[str], FirmwareImage]


@pytest.mark.parametrize("name", ["host", "netduino2plus", "megaatmega2560"])
def test_a_slot_holds_the_image_and_its_id_and_nothing_else(name: str, build: Build, tmp_path: Path) -> None:
    image, lines = build(name), list[str]()
    flash(find_board(name), image, str(tmp_path), lines.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build_id", "firmware.elf"]
    assert (tmp_path / "firmware.elf").read_bytes() == image.elf.read_bytes()
    assert (tmp_path / "build_id").read_text().strip() == image.build_id.hex()
    assert os.access(tmp_path / "firmware.elf", os.X_OK)
    assert not [line for line in lines if line.startswith(("Compiling", "Linking"))]


def test_a_later_image_takes_the_place_of_the_earlier(build: Build, tmp_path: Path) -> None:
    first, second = build("host"), build("netduino2plus")
    flash(find_board("host"), first, str(tmp_path))
    flash(find_board("netduino2plus"), second, str(tmp_path))
    assert (tmp_path / "firmware.elf").read_bytes() == second.elf.read_bytes()
    assert (tmp_path / "build_id").read_text().strip() == second.build_id.hex()


def test_an_upload_by_hand_leaves_no_stale_id(build: Build, cache: Path, tmp_path: Path) -> None:
    image, slot = build("host"), tmp_path / "slot"
    slot.mkdir()
    flash(find_board("host"), image, str(slot))
    staged = tmp_path / "work" / "build" / "host"
    staged.mkdir(parents=True)
    (staged / "firmware.elf").write_bytes(b"another image")
    subprocess.run(
        [
            *(sys.executable, "-m", "platformio", "run", "-e", "host", "--disable-auto-clean"),
            *("-t", "nobuild", "-t", "upload", "--upload-port", str(slot)),
        ],
        cwd=firmware_dir(),
        env={
            **os.environ,
            "PLATFORMIO_CORE_DIR": str(cache / "platformio-core"),
            "PLATFORMIO_WORKSPACE_DIR": str(tmp_path / "work"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert (slot / "firmware.elf").read_bytes() == b"another image"
    assert not (slot / "build_id").exists()


def test_an_image_for_another_board_is_refused(build: Build, tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="is for board host"):
        flash(find_board("netduino2plus"), build("host"), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_slot_that_is_not_there_is_named(build: Build, tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="nowhere"):
        flash(find_board("host"), build("host"), str(tmp_path / "nowhere"))


def test_a_vanished_image_is_an_error_and_leaves_the_old_one(build: Build, tmp_path: Path) -> None:
    image = build("host")
    flash(find_board("host"), image, str(tmp_path))
    with pytest.raises(FlashError):
        flash(find_board("host"), replace(image, elf=tmp_path / "gone.elf"), str(tmp_path))
    assert (tmp_path / "firmware.elf").read_bytes() == image.elf.read_bytes()
