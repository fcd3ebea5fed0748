"""Runs PlatformIO as a process of its own, with a deadline, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.emulator_process import die_with_parent
from harness.build.flash_causes import find_cause
from harness.build.offline_kit import core_dir_for
from harness.errors import BuildError, FlashError

OnLine = Callable[[str], None]

_TERMINATE_GRACE_S = 2.0
_READ_BYTES = 65536
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_ERROR = re.compile(
    r"\b(?:fatal )?error\b ?:|undefined reference|multiple definition|overflowed|will not fit|not within region"
    r"|No such file or directory|: not found|^\*\*\* \[|^Error\b|Exception: ",
    re.IGNORECASE,
)
# "/usr/lib/gcc/arm-none-eabi/.../bin/ld: " says nothing to the reader.
_TOOL = re.compile(r"^/\S*/(?:ld|ld\.bfd|collect2|cc1plus): ")
_NO_REGISTRY = re.compile(
    r"HTTPClientError|InternetConnectionError|UnknownPackageError|Could not find the package|ConnectionError"
)
_ERROR_LINES = 6
_UPLOAD_BEGINS = ("Configuring upload protocol", "Looking for upload port", "Uploading ")


@dataclass(frozen=True, slots=True)
class PioOutput:
    """What a PlatformIO process left.

    Attributes:
        board: the board it worked for.
        code: exit code.
        lines: what it printed, stdout and stderr as they came; without terminal escapes, and without the workspace's
            path before file names.
    """

    board: Board
    code: int
    lines: tuple[str, ...]

    @property
    def warnings(self) -> str:
        """Compiler warnings, one a line."""
        return "\n".join(line for line in self.lines if re.search(r"\bwarning:", line, re.IGNORECASE))

    def check(self, error: type[BuildError] = BuildError) -> None:
        """Raises `error` if PlatformIO failed, with the first lines that say why."""
        if self.code != 0:
            raise _failure(error, self)


def run_platformio(
    board: Board,
    project: Path,
    arguments: Sequence[str],
    *,
    workspace: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_line: OnLine | None = None,
    error: type[BuildError] = BuildError,
) -> PioOutput:
    """Run `platformio <arguments>` on `project` and wait for it.

    Args:
        board: names the core directory to use, and stands in the errors.
        project: folder of platformio.ini; nothing is written into it.
        arguments: e.g. ["run", "-e", "host"].
        workspace: takes everything PlatformIO writes for the project (objects, libraries, platform links).
        environment: further variables of the process.
        timeout_s: the process and all its children are ended after that long.
        on_line: called with each line as it comes.
        error: what running out of time raises.

    Raises:
        BuildError: it did not end in time. A failure of its own is for `PioOutput.check`.
    """
    lines: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "platformio", *arguments],
        cwd=project,
        env=_environment(board, workspace, environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own: compilers are grandchildren, and all of them must be reached.
        start_new_session=True,
        # A killed harness must not leave an upload that holds the board.
        preexec_fn=die_with_parent(os.getpid()),
    )
    assert process.stdout is not None
    code: int | None = None
    try:
        if _collect(process, f"{workspace}/", lines, time.monotonic() + timeout_s, on_line):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_TERMINATE_GRACE_S)
    finally:
        if code is None:
            _end_group(process)
        process.stdout.close()
    if code is None:
        raise error(
            f"PlatformIO did not finish within {timeout_s:.0f} s",
            board=board.id,
            hint="run it again: a first build for a real board downloads its compiler",
            console=tuple(lines[-20:]),
        )
    return PioOutput(board, code, tuple(lines))


def _environment(board: Board, workspace: Path, further: Mapping[str, str]) -> dict[str, str]:
    # A caller's own PLATFORMIO_* settings are for the caller's own projects, and no part of the build id.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PLATFORMIO_")}
    return inherited | {
        "PLATFORMIO_CORE_DIR": str(core_dir_for(board)),
        "PLATFORMIO_WORKSPACE_DIR": str(workspace),
        # A link to the project's own local platform is kept by name: a checkout and a wheel must not share it.
        **({"PLATFORMIO_PLATFORMS_DIR": str(workspace / "platforms")} if board.kind == "emulated" else {}),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "3650",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        # platform.py is imported from the project, which must stay as it is.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        # Compilers' messages are searched for their English words.
        "LC_ALL": "C.UTF-8",
        **further,
    }


def _collect(
    process: subprocess.Popen[bytes], drop: str, lines: list[str], deadline: float, on_line: OnLine | None
) -> bool:
    """Read lines until the output ends (True) or the deadline passes (False)."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            if not selector.select(left_s):
                continue
            chunk = os.read(descriptor, _READ_BYTES)
            *whole, rest = (rest + chunk).split(b"\n")
            if not chunk and rest:
                whole, rest = [rest], b""
            for raw in whole:
                line = _ESCAPE.sub("", raw.decode("utf-8", "replace")).replace(drop, "").rstrip()
                lines.append(line)
                if on_line is not None:
                    on_line(line)
            if not chunk:
                return True


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it started. SIGTERM first: a compiler then removes its temporary files."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _TERMINATE_GRACE_S
    # The leader is not reaped before the last signal: as long as it is a zombie no other process can get its id.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _uploader_lines(lines: Sequence[str]) -> Sequence[str]:
    """What came after the build; nothing if it did not get that far."""
    begins = [number for number, line in enumerate(lines) if line.startswith(_UPLOAD_BEGINS)]
    return lines[begins[0] :] if begins else ()


def _failure(error: type[BuildError], output: PioOutput) -> BuildError:
    board, lines = output.board, output.lines
    unreachable = [line for line in lines if _NO_REGISTRY.search(line)]
    if board.kind == "real" and unreachable:
        return error(
            "PlatformIO can't reach its package registry, and this board's compiler is not installed yet",
            board=board.id,
            hint="once, with a network, in the firmware folder: "
            f"`python -m platformio pkg install -e {board.platformio_env}`; "
            "its core directory (PLATFORMIO_CORE_DIR) can then be copied to a computer without one",
            console=lines[-20:],
        )
    cause = find_cause(_uploader_lines(lines)) if issubclass(error, FlashError) else None
    if cause is not None:
        return FlashError(
            f"flashing failed, {cause.name}: {cause.line}",
            cause=cause.name,
            board=board.id,
            hint=board.boot_hint if cause.name == "not in boot mode" and board.boot_hint else cause.hint,
            console=lines[-20:],
        )
    # One message may come twice: as the compiler's own, and as PlatformIO's summary of the exit code.
    causes = dict.fromkeys(_TOOL.sub("", line.strip()) for line in lines if _ERROR.search(line))
    told = list(causes)[:_ERROR_LINES] or [f"PlatformIO ended with exit code {output.code}"]
    return error(
        "\n  ".join(["flashing failed" if issubclass(error, FlashError) else "the build failed", *told]),
        board=board.id,
        console=lines[-20:],
    )
