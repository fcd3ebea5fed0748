"""A PlatformIO core directory of the harness's own, in which a build needs no network.

PlatformIO asks its registry for the package `tool-scons` before the first build of any kind. The package is no more
than SCons with a script that starts it; the harness puts the SCons installed beside it (from PyPI) in that place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from harness.boards.catalogue import Board
from harness.errors import BuildError
from harness.resources import cache_dir

_SCONS_PACKAGE = "tool-scons"

# PlatformIO runs this with the interpreter that runs PlatformIO, so SCons is importable wherever PlatformIO is.
_SCONS_SCRIPT = """\
from SCons.Script.Main import main

if __name__ == "__main__":
    main()
"""


def ensure_core_dir() -> Path:
    """The harness's own core directory, complete for a build without network.

    Safe to call from several processes at once: the package appears whole or not at all.

    Raises:
        BuildError: SCons is not installed, or PlatformIO names no version of it this code can read.
    """
    core = cache_dir() / "platformio-core"
    version = _wanted_scons_version()
    _check_scons()
    package = core / "packages" / f"{_SCONS_PACKAGE}@{version}"
    if not package.is_dir():
        _publish_scons(package, version)
    return core


def core_dir_for(board: Board) -> Path:
    """The core directory for a board's builds.

    Emulated boards need nothing but SCons: the harness's own. A real board needs compilers from PlatformIO's registry,
    so the user's own core directory comes first: the one PLATFORMIO_CORE_DIR names, else ~/.platformio where it exists.
    """
    if board.kind == "real":
        if named := os.environ.get("PLATFORMIO_CORE_DIR"):
            return Path(named).expanduser().absolute()
        usual = Path("~/.platformio").expanduser()
        if (usual / "platforms").is_dir():
            return usual
    return ensure_core_dir()


def _wanted_scons_version() -> str:
    # Here, not at the top: importing PlatformIO takes a good part of what a warm run takes in all.
    from platformio.dependencies import get_core_dependencies

    requirement = str(get_core_dependencies()[_SCONS_PACKAGE])
    found = re.search(r"\d+\.\d+\.\d+", requirement)
    if found is None:
        raise BuildError(
            f"this PlatformIO asks for {_SCONS_PACKAGE} {requirement}, which names no version",
            hint="install the PlatformIO version that this harness was tested with",
        )
    return found.group()


def _check_scons() -> None:
    import importlib.util

    if importlib.util.find_spec("SCons") is None:
        raise BuildError("SCons is not installed beside the harness", hint="python -m pip install scons")


def _publish_scons(package: Path, version: str) -> None:
    package.parent.mkdir(parents=True, exist_ok=True)
    # Where PlatformIO does not look for packages, on the same file system.
    draft = Path(tempfile.mkdtemp(prefix=".tool-scons.", dir=package.parent.parent))
    try:
        draft.chmod(0o755)
        # Without the owner in .piopm PlatformIO does not take the package for its own.
        spec = {"owner": "platformio", "id": 8192, "name": _SCONS_PACKAGE, "requirements": None, "uri": None}
        piopm = {"type": "tool", "name": _SCONS_PACKAGE, "version": version, "spec": spec}
        manifest = {"name": _SCONS_PACKAGE, "version": version, "description": "SCons of this Python environment"}
        (draft / ".piopm").write_text(json.dumps(piopm), encoding="utf-8")
        (draft / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
        (draft / "scons.py").write_text(_SCONS_SCRIPT, encoding="utf-8")
        # Another process was faster: its package is as good as this one.
        with contextlib.suppress(OSError):
            draft.rename(package)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if not package.is_dir():
        raise BuildError(f"can't write {package}", hint="check the rights on the cache directory, or set HIL_CACHE_DIR")
