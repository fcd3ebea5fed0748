"""Libraries the user brings for the firmware, such as TensorFlow Lite for Microcontrollers.

HIL_LIB_EXTRA_DIRS names folders that hold libraries, separated as in PATH; the option --lib-dir sets it. PlatformIO
gets them as `lib_extra_dirs` and takes from them what the engine includes. What lies there is part of the build id.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.errors import UsageError

VARIABLE = "HIL_LIB_EXTRA_DIRS"
OPTION = "--lib-dir"
TFLM_HEADER = Path("tensorflow/lite/micro/micro_interpreter.h")

_MANIFESTS = ("library.json", "library.properties")


def library_dirs() -> tuple[Path, ...]:
    """Absolute folders that HIL_LIB_EXTRA_DIRS names, in its order; empty if it is not set.

    Raises:
        UsageError: one is not a folder, or is itself a library instead of the folder around it.
    """
    words = os.environ.get(VARIABLE, "").split(os.pathsep)
    return _checked((Path(word) for word in words if word), VARIABLE)


def use_library_dirs(folders: Sequence[Path]) -> None:
    """Makes `folders` those that `library_dirs` gives from here on, in place of what the environment named.

    Raises:
        UsageError: as `library_dirs`; or a folder's name holds the character that separates folders.
    """
    # In the environment, where everything that builds finds it.
    checked = [str(folder) for folder in _checked(folders, OPTION)]
    for folder in checked:
        if os.pathsep in folder:
            raise UsageError(f"{OPTION} names {folder}, which has {os.pathsep!r} in it", hint="rename the folder")
    os.environ[VARIABLE] = os.pathsep.join(checked)


def _checked(paths: Iterable[Path], named_by: str) -> tuple[Path, ...]:
    folders = tuple(path.expanduser().absolute() for path in paths)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{named_by} names {folder}, which is not a folder", hint="check the path")
        if any((folder / name).is_file() for name in _MANIFESTS):
            raise UsageError(
                f"{named_by} names {folder}, which is itself a library",
                hint=f"name the folder that holds it: {folder.parent}",
            )
    return folders


def has_tflm(folders: Sequence[Path]) -> bool:
    """Whether a library with TFLM's headers lies in one of the folders."""
    return any(
        (root / TFLM_HEADER).is_file()
        for folder in folders
        for library in folder.iterdir()
        for root in (library, library / "src")
    )


def content_digest(folders: Sequence[Path]) -> str:
    """SHA-256, in hex, of the names and bytes of every file in the folders; not of where they lie."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(_files(folder)):
            data = path.read_bytes()
            digest.update(f"\n{path.relative_to(folder)} {len(data)}\n".encode())
            digest.update(data)
        digest.update(b"\n\n")
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    # A library is often a link to where it really lies. Hidden folders are .git and the like.
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))
