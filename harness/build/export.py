"""A built image as a folder that another computer, without compilers, can flash and run: `hil build --export`.

hil_image.json pins everything: the image's identity and sizes, and the SHA-256 of each file beside it. Whoever knows
the SHA-256 of hil_image.json can let the folder go through untrusted hands.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build.image import FirmwareImage, Section
from harness.build.store import ELF_NAME, UPLOAD_NAMES
from harness.errors import UsageError
from harness.model.bundle_write import FILE_NAMES
from harness.protocol.info import BUILD_ID_BYTES
from harness.resources import write_atomic

RECORD_NAME = "hil_image.json"
BUNDLE_NAME = "bundle"
_NAMES = {ELF_NAME, *UPLOAD_NAMES, *(f"{BUNDLE_NAME}/{name}" for name in FILE_NAMES)}
_FORMAT = 1
_MAX_RECORD_BYTES = 1 << 20
_MAX_FILE_BYTES = 256 << 20
_SHA256_BYTES = 32


def export_image(image: FirmwareImage, folder: Path, *, bundle: Mapping[str, bytes] | None = None) -> str:
    """Writes `image` into `folder` (made if need be; files of an earlier export are replaced).

    Args:
        image: the image.
        folder: where to.
        bundle: files of the model's bundle, which go into a folder of their own beside it.

    Returns:
        SHA-256 of hil_image.json, in hex.

    Raises:
        UsageError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Gone until all is there: a torn export is no export.
        (folder / RECORD_NAME).unlink(missing_ok=True)
        files = {}
        for name, source in {ELF_NAME: image.elf, **_beside(image)}.items():
            shutil.copyfile(source, folder / name)
            files[name] = _digest(folder / name)
        for name, content in (bundle or {}).items():
            path = folder / BUNDLE_NAME / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            files[f"{BUNDLE_NAME}/{name}"] = hashlib.sha256(content).hexdigest()
        for name in _NAMES - set(files):
            (folder / name).unlink(missing_ok=True)
        values = asdict(image) | {"build_id": image.build_id.hex(), "model_sha256": image.model_sha256.hex()}
        del values["elf"]
        text = json.dumps({"format": _FORMAT, "image": values, "files": files}, indent=1) + "\n"
        write_atomic(folder / RECORD_NAME, text.encode())
    except OSError as error:
        raise UsageError(
            f"{error.filename} can't be written: {error.strerror}", hint="choose another folder"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def load_export(
    folder: Path, board: Board, *, engine: str, model_sha256: bytes, record_sha256: str | None = None
) -> FirmwareImage:
    """The image in a folder that `export_image` wrote.

    Args:
        folder: the folder.
        board, engine, model_sha256: what the image must be for.
        record_sha256: what `export_image` returned, in hex; None: not known.

    Raises:
        UsageError: it is no such folder, was changed, or is for something else; the message says what.
    """
    image = check_export(folder, record_sha256)
    wrong = []
    if image.board != board.id:
        wrong.append(f"board {image.board}, not {board.id}")
    if image.engine != engine:
        wrong.append(f"engine {image.engine}, not {engine}")
    if image.model_sha256 != model_sha256:
        wrong.append(f"model {image.model_sha256.hex()[:12]}, not {model_sha256.hex()[:12]}")
    if wrong:
        raise UsageError(
            f"the image in {folder} is for {'; '.join(wrong)}", board=board.id, hint="build it for this run"
        )
    return image


def check_export(folder: Path, record_sha256: str | None = None) -> FirmwareImage:
    """The image in a folder, every file of which is what it was when it was exported; for whatever board it is.

    Raises:
        UsageError: as `load_export`.
    """
    try:
        with (folder / RECORD_NAME).open("rb") as stream:
            raw = stream.read(_MAX_RECORD_BYTES)
    except OSError as error:
        raise UsageError(
            f"{folder} holds no exported image: {error.strerror}", hint="hil build --export makes one"
        ) from error
    found = hashlib.sha256(raw).hexdigest()
    if record_sha256 is not None and found != record_sha256.strip().lower():
        raise UsageError(
            f"{folder / RECORD_NAME} has SHA-256 {found[:16]}..., not {record_sha256[:16]}...",
            hint="it is not the image that was built, or was changed on the way: build it again",
        )
    image, files = _decode(raw, folder)
    for name, digest in files.items():
        if _checked_digest(folder / name) != digest:
            raise UsageError(f"{folder / name} is not the file {RECORD_NAME} names", hint="export the image again")
    return image


def exported_files(image: FirmwareImage) -> tuple[Path, ...]:
    """What an uploader takes of an exported image; empty for an image of this computer's own build cache."""
    folder = image.elf.parent
    if not (folder / RECORD_NAME).is_file():
        return ()
    return tuple(folder / name for name in (ELF_NAME, *UPLOAD_NAMES) if (folder / name).is_file())


def _beside(image: FirmwareImage) -> dict[str, Path]:
    return {name: image.elf.parent / name for name in UPLOAD_NAMES if (image.elf.parent / name).is_file()}


def _decode(raw: bytes, folder: Path) -> tuple[FirmwareImage, dict[str, str]]:
    try:
        data = json.loads(raw)
        if data["format"] != _FORMAT:
            raise ValueError(f"its format is {data['format']!r}, this harness reads {_FORMAT}")
        values, files = data["image"], data["files"]
        if ELF_NAME not in files or not set(files) <= _NAMES:
            raise ValueError("it names other files than an image has")
        image = FirmwareImage(
            board=str(values["board"]),
            engine=str(values["engine"]),
            build_id=_bytes(values["build_id"], BUILD_ID_BYTES),
            model_sha256=_bytes(values["model_sha256"], _SHA256_BYTES),
            elf=(folder / ELF_NAME).absolute(),
            sections=tuple(
                Section(str(s["name"]), int(s["bytes"]), bool(s["in_flash"]), bool(s["in_ram"]))
                for s in values["sections"]
            ),
            arena_bytes=int(values["arena_bytes"]),
            arena_capacity_bytes=int(values["arena_capacity_bytes"]),
            toolchain=str(values["toolchain"]),
            warnings=str(values["warnings"]),
        )
        return image, {str(name): str(digest) for name, digest in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{folder / RECORD_NAME} is no exported image: {type(error).__name__}: {error}",
            hint="hil build --export makes one",
        ) from None


def _bytes(text: str, length: int) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != length:
        raise ValueError(f"{text[:20]!r} has not {length} bytes")
    return value


def _checked_digest(path: Path) -> str:
    try:
        if path.is_symlink() or path.stat().st_size > _MAX_FILE_BYTES:
            raise UsageError(f"{path} is a link, or too large for an image", hint="export the image again")
        return _digest(path)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="export the image again") from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
