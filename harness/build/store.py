"""Finished builds on disk: one directory per build id, never changed once it is there."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.build.image import FirmwareImage, Section
from harness.resources import cache_dir

ELF_NAME = "firmware.elf"
# What uploaders of real boards take, where PlatformIO made it.
UPLOAD_NAMES = ("firmware.bin", "firmware.hex", "firmware.uf2", "firmware.zip", "bootloader.bin", "partitions.bin")
_RECORD = "image.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into a build besides the firmware's own sources.

    Attributes:
        engine: picks the library lib/hil_engine_<engine>.
        options: macros given to the compiler, name -> value.
        headers: generated headers, file name -> text.
    """

    engine: str
    options: Mapping[str, str]
    headers: Mapping[str, str]


def load(build_id: bytes) -> tuple[FirmwareImage, Recipe] | None:
    """The finished build of that id and what made it; None if it is not there or was damaged."""
    folder = _folder(build_id)
    try:
        data = json.loads((folder / _RECORD).read_text("utf-8"))
        image_data, recipe = data["image"], Recipe(**data["recipe"])
        image = FirmwareImage(
            **image_data
            | {
                "build_id": bytes.fromhex(image_data["build_id"]),
                "model_sha256": bytes.fromhex(image_data["model_sha256"]),
                "elf": folder / ELF_NAME,
                "sections": tuple(Section(**section) for section in image_data["sections"]),
            }
        )
        whole = image.build_id == build_id and image.elf.stat().st_size > 0
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (image, recipe) if whole else None


def publish(image: FirmwareImage, recipe: Recipe) -> FirmwareImage:
    """Keep a build and what lies beside its ELF for uploaders. The directory appears whole or not at all.

    Returns:
        The image with `elf` in its lasting place.

    Raises:
        OSError: the cache can't be written.
    """
    folder = _folder(image.build_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft.", dir=folder.parent))
    try:
        draft.chmod(0o755)
        shutil.copy(image.elf, draft / ELF_NAME)
        for name in UPLOAD_NAMES:
            if (image.elf.parent / name).is_file():
                shutil.copy(image.elf.parent / name, draft / name)
        image_data = asdict(image) | {
            "build_id": image.build_id.hex(),
            "model_sha256": image.model_sha256.hex(),
            "elf": ELF_NAME,
        }
        recipe_data = {"engine": recipe.engine, "options": dict(recipe.options), "headers": dict(recipe.headers)}
        (draft / _RECORD).write_text(json.dumps({"image": image_data, "recipe": recipe_data}, indent=1), "utf-8")
        # Not empty: either another process was faster, or a damaged build lies there, which `load` had refused.
        if load(image.build_id) is None:
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return replace(image, elf=folder / ELF_NAME)


def _folder(build_id: bytes) -> Path:
    return cache_dir() / "builds" / build_id.hex()
