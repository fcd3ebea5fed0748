"""An image that leaves the computer it was built on, and what is refused of it elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.build.export import RECORD_NAME, export_image, exported_files, load_export
from harness.build.image import FirmwareImage, Section
from harness.errors import UsageError
from harness.model.bundle import load_bundle
from harness.model.bundle_write import bundle_files

HOST = find_board("host")


@pytest.fixture
def image(tmp_path: Path) -> FirmwareImage:
    (tmp_path / "build").mkdir()
    elf = tmp_path / "build" / "firmware.elf"
    elf.write_bytes(b"\x7fELF and so on")
    (tmp_path / "build" / "firmware.bin").write_bytes(b"bin")
    (tmp_path / "build" / "secret.txt").write_bytes(b"not for export")
    sections = (Section(".text", 10, in_flash=True, in_ram=False),)
    return FirmwareImage("host", "rnn", bytes(16), bytes(32), elf, sections, 100, 200, "c++ 12", "")


def load(folder: Path, digest: str | None = None) -> FirmwareImage:
    return load_export(folder, HOST, engine="rnn", model_sha256=bytes(32), record_sha256=digest)


def test_an_image_comes_back_as_it_was_and_nothing_else_leaves(image: FirmwareImage, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "host"
    digest = export_image(image, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["firmware.bin", "firmware.elf", RECORD_NAME]
    assert load(folder, digest.upper()) == replace(image, elf=folder / "firmware.elf")
    assert [path.name for path in exported_files(load(folder))] == ["firmware.elf", "firmware.bin"]
    assert exported_files(image) == ()
    assert str(tmp_path) not in (folder / RECORD_NAME).read_text()


def test_the_same_image_exports_the_same_and_an_old_export_leaves_nothing(image: FirmwareImage, tmp_path: Path) -> None:
    first = export_image(image, tmp_path / "a")
    (tmp_path / "a" / "firmware.hex").write_text("of an earlier board")
    assert export_image(image, tmp_path / "a") == first
    assert not (tmp_path / "a" / "firmware.hex").exists()


@pytest.mark.parametrize("name", ["firmware.elf", "firmware.bin"])
def test_a_changed_file_is_refused(name: str, image: FirmwareImage, tmp_path: Path) -> None:
    export_image(image, tmp_path / "a")
    (tmp_path / "a" / name).write_bytes(b"other")
    with pytest.raises(UsageError, match=name):
        load(tmp_path / "a")
    (tmp_path / "a" / name).unlink()
    (tmp_path / "a" / name).symlink_to(image.elf.parent / name)
    with pytest.raises(UsageError, match="is a link"):
        load(tmp_path / "a")


def test_the_models_bundle_goes_along_and_is_pinned_too(image: FirmwareImage, tmp_path: Path) -> None:
    bundle = load_bundle("fuel_lstm_int8")
    export_image(image, tmp_path / "a", bundle=bundle_files(bundle))
    back = load_bundle(tmp_path / "a" / "bundle")
    assert (back.name, back.model_sha256, back.tolerance_int8_of_range, back.quantise) == (
        bundle.name,
        bundle.model_sha256,
        bundle.tolerance_int8_of_range,
        "int8",
    )
    assert np.array_equal(back.golden[0], bundle.golden[0])
    load(tmp_path / "a")
    (tmp_path / "a" / "bundle" / "vectors.npz").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"vectors\.npz is not the file"):
        load(tmp_path / "a")


def test_a_changed_record_is_refused_by_its_hash(image: FirmwareImage, tmp_path: Path) -> None:
    digest = export_image(image, tmp_path / "a")
    record = tmp_path / "a" / RECORD_NAME
    record.write_text(record.read_text().replace("c++ 12", "c++ 13"))
    assert load(tmp_path / "a").toolchain == "c++ 13"
    with pytest.raises(UsageError, match="has SHA-256"):
        load(tmp_path / "a", digest)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"image": {}},
        {"files": {"../../etc/passwd": "00"}},
        {"files": {}},
        {"image": None},
    ],
)
def test_a_damaged_record_is_refused(change: dict[str, object], image: FirmwareImage, tmp_path: Path) -> None:
    export_image(image, tmp_path / "a")
    record = tmp_path / "a" / RECORD_NAME
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(UsageError, match="is no exported image"):
        load(tmp_path / "a")
    record.write_text("[")
    with pytest.raises(UsageError, match="is no exported image"):
        load(tmp_path / "a")
    record.unlink()
    with pytest.raises(UsageError, match="holds no exported image"):
        load(tmp_path / "a")


def test_an_image_for_something_else_is_refused_by_name(image: FirmwareImage, tmp_path: Path) -> None:
    export_image(image, tmp_path / "a")
    with pytest.raises(UsageError, match="board host, not megaatmega2560; model 000000000000, not 010101"):
        load_export(tmp_path / "a", find_board("megaatmega2560"), engine="rnn", model_sha256=b"\1" * 32)
    with pytest.raises(UsageError, match="engine rnn, not tflm"):
        load_export(tmp_path / "a", HOST, engine="tflm", model_sha256=bytes(32))


def test_a_run_takes_an_exported_image_where_there_is_no_compiler(tmp_path: Path) -> None:
    """Built with compilers and one cache, run with an empty cache and a PATH on which there is none."""
    if shutil.which("c++") is None:
        pytest.skip("board host needs a C++ compiler")
    words = [sys.executable, "-m", "harness.cli"]
    environment = os.environ | {"HIL_STATE_DIR": str(tmp_path / "state")}
    built = subprocess.run(
        [*words, "build", "-b", "host", "-q", "--export", str(tmp_path / "image"), "--json", "-"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=110,
    )
    assert built.returncode == 0, built.stderr
    made = json.loads(built.stdout)
    (tmp_path / "bin").mkdir()
    bare = environment | {"HIL_CACHE_DIR": str(tmp_path / "cache"), "PATH": str(tmp_path / "bin")}
    run = [*words, "run", "-b", "host", "-q", "--image", str(tmp_path / "image"), "--json", "-"]
    done = subprocess.run(
        [*run, "--image-sha256", made["export_sha256"]], capture_output=True, text=True, env=bare, timeout=110
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["verdict"], record["build_id"]) == ("pass", made["build_id"])
    assert not (tmp_path / "cache" / "builds").exists()
    other = subprocess.run([*run, "--image-sha256", "0" * 64], capture_output=True, text=True, env=bare, timeout=110)
    assert other.returncode == 2, other.stderr
