"""One PlatformIO run over the firmware project, with generated headers and without a trace in the project."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build.pio import OnLine, PioOutput, run_platformio
from harness.build.store import Recipe
from harness.build.user_libraries import library_dirs
from harness.build.workspace import workspace
from harness.errors import BuildError

_LOCAL_TIMEOUT_S = 300.0
# A first build for a real board downloads some hundred megabytes; a library of the user's may be as large.
_REAL_TIMEOUT_S = 1800.0


@contextlib.contextmanager
def compiled(
    board: Board,
    recipe: Recipe,
    toolchain: str,
    firmware: Path,
    *,
    targets: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    on_line: OnLine | None = None,
    error: type[BuildError] = BuildError,
) -> Iterator[tuple[Path, PioOutput]]:
    """Compile, and for the time of the block give PlatformIO's build directory of the environment and what it printed.

    Args:
        board: the board.
        recipe: engine, options, headers.
        toolchain: version of the compiler; another one starts from nothing.
        firmware: the PlatformIO project.
        targets: further words for `pio run`, e.g. ["-t", "upload"].
        environment: further variables of the process.
        on_line: called with each line PlatformIO prints.
        error: what a failure raises.

    Raises:
        BuildError: PlatformIO or a compiler failed.
        UsageError: a folder of libraries is wrong.
    """
    section = board.environment(recipe.engine)
    libraries = library_dirs()
    words = [str(firmware), toolchain, *([recipe.engine, *map(str, libraries)] if libraries else [])]
    key = hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]
    with workspace(f"{section}-{key}", recipe.headers) as work:
        # One per line: PlatformIO splits a list at line ends.
        flags = [shlex.quote(f"-I{work.generated}")]
        flags += [shlex.quote(f"-D{name}={value}") for name, value in sorted(recipe.options.items())]
        output = run_platformio(
            board,
            firmware,
            ["run", "-e", section, *targets],
            workspace=work.path,
            environment={
                "PLATFORMIO_BUILD_FLAGS": "\n".join(flags),
                "PLATFORMIO_LIB_EXTRA_DIRS": "\n".join(map(str, libraries)),
                "HIL_ENGINE": recipe.engine,
                **(environment or {}),
            },
            timeout_s=_LOCAL_TIMEOUT_S if board.kind == "emulated" and not libraries else _REAL_TIMEOUT_S,
            on_line=on_line,
            error=error,
        )
        work.settle()
        output.check(error)
        yield work.path / "build" / section, output
