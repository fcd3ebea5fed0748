"""From a packed model to a firmware image; the same inputs are built once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build import store
from harness.build.config_header import BUILD_ID_BYTES, FILE_NAME, config_header
from harness.build.image import FirmwareImage
from harness.build.pio import OnLine
from harness.build.store import Recipe
from harness.build.toolchain import toolchain_version
from harness.build.user_libraries import OPTION, VARIABLE, content_digest, has_tflm, library_dirs
from harness.errors import BuildError, UsageError
from harness.model.packed import PackedModel
from harness.resources import firmware_dir

_OPTION_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_OPTION_VALUE = re.compile(r"[A-Za-z0-9_.+-]*")
_ENGINE_LIBRARY = "hil_engine_"
_STACK_MIN_BYTES = 512
_DOES_NOT_FIT = re.compile(r"overflowed|will not fit|not within region|exceeds")


def build_firmware(
    board: Board,
    packed: PackedModel,
    *,
    arena_bytes: int | None = None,
    capacity_bytes: int | None = None,
    frame_bytes: int | None = None,
    options: Mapping[str, str] | None = None,
    on_line: OnLine | None = None,
) -> FirmwareImage:
    """Build the firmware for a board with a model in it, or find the same build in the cache.

    Nothing is written into the firmware project. Several processes may build at once.

    Args:
        board: the board.
        packed: the model in its engine's form.
        arena_bytes: ARENA_SIZE, what the engine may use from the start. None: the capacity.
        capacity_bytes: what the host may raise it to at run time. None: the board's largest arena, or `arena_bytes` if
            that is more.
        frame_bytes: longest frame of the link. None: the board's own; more costs RAM twice.
        options: macros for the compiler, name -> value.
        on_line: called with each line PlatformIO prints; not at all when the build is in the cache.

    Raises:
        UsageError: an option's name or value is not a plain word, or a folder of libraries is wrong.
        BuildError: a compiler or the engine's library is missing, the sources do not compile, or the image does not fit
            the board.
    """
    capacity = capacity_bytes if capacity_bytes is not None else max(board.arena_max_bytes, arena_bytes or 0)
    arena = arena_bytes if arena_bytes is not None else capacity
    frame = frame_bytes if frame_bytes is not None else board.max_frame_bytes
    chosen = _checked_options(options or {})
    _check_arena(board, arena, capacity)

    libraries = library_dirs()
    # Elsewhere the engine's own environment names one.
    if packed.engine == "tflm" and board.environment("tflm") == board.platformio_env and not has_tflm(libraries):
        raise BuildError(
            "engine tflm needs the library TensorFlow Lite for Microcontrollers, and the project brings none",
            board=board.id,
            hint="put one (tflite-micro, or an Arduino library of it) into a folder and give that folder with "
            f"{OPTION} or {VARIABLE}; docs/boards.md says which are known to work. "
            "Without one: --engine rnn, or --board host-tflm",
        )
    firmware = firmware_dir()
    toolchain = toolchain_version(board, firmware, engine=packed.engine)
    draft = _recipe(board, packed, arena, capacity, frame, chosen, bytes(BUILD_ID_BYTES))
    build_id = _build_id(board, draft, toolchain, firmware, libraries)
    found = store.load(build_id)
    if found is not None:
        return found[0]

    # PlatformIO, the ELF reader and what they bring are imported only when there is something to build.
    from harness.build.compile import compiled
    from harness.build.elf import read_sections

    recipe = _recipe(board, packed, arena, capacity, frame, chosen, build_id)
    with (
        _named_by_size(board, capacity),
        compiled(board, recipe, toolchain, firmware, on_line=on_line) as (folder, output),
    ):
        image = FirmwareImage(
            board=board.id,
            engine=packed.engine,
            build_id=build_id,
            model_sha256=packed.model_sha256,
            elf=folder / "firmware.elf",
            sections=(),
            arena_bytes=arena,
            arena_capacity_bytes=capacity,
            toolchain=toolchain,
            warnings=output.warnings,
        )
        image = replace(image, sections=read_sections(image.elf, board))
        _check_fit(board, image)
        return store.publish(image, recipe)


def _checked_options(options: Mapping[str, str]) -> dict[str, str]:
    for name, value in options.items():
        if not _OPTION_NAME.fullmatch(name) or not _OPTION_VALUE.fullmatch(value):
            raise UsageError(
                f"build option {name}={value} is not a macro name and a plain value", hint="e.g. HIL_TEST_HOOKS=1"
            )
    return dict(sorted(options.items()))


def _check_arena(board: Board, arena_bytes: int, capacity_bytes: int) -> None:
    if not 0 < arena_bytes <= capacity_bytes:
        raise BuildError(
            f"an arena of {arena_bytes} bytes does not fit the {capacity_bytes} bytes the firmware would reserve",
            board=board.id,
            hint="ask for an arena of 1 byte up to the capacity",
        )
    if board.ram_bytes and capacity_bytes > board.ram_bytes:
        raise BuildError(
            f"an arena of {capacity_bytes} bytes is more than the board's RAM of {board.ram_bytes} bytes",
            board=board.id,
            hint=f"the catalogue's largest arena for {board.id} is {board.arena_max_bytes} bytes",
        )


def _check_fit(board: Board, image: FirmwareImage) -> None:
    if board.flash_bytes and image.flash_bytes > board.flash_bytes:
        raise BuildError(
            f"the image takes {image.flash_bytes} bytes of flash, the board has {board.flash_bytes}",
            board=board.id,
            hint="use a smaller model",
        )
    if board.ram_bytes and image.ram_bytes + _STACK_MIN_BYTES > board.ram_bytes:
        raise BuildError(
            f"the image takes {image.ram_bytes} bytes of RAM, {image.arena_capacity_bytes} of them for the arena; "
            f"the board has {board.ram_bytes} and its stack needs {_STACK_MIN_BYTES}",
            board=board.id,
            hint="use a smaller arena",
        )


@contextlib.contextmanager
def _named_by_size(board: Board, capacity_bytes: int) -> Iterator[None]:
    """Says a linker's "section will not fit" in the board's numbers."""
    try:
        yield
    except BuildError as error:
        if not board.ram_bytes or not _DOES_NOT_FIT.search(error.what):
            raise
        raise BuildError(
            f"the image does not fit the board: {board.flash_bytes} bytes of flash, {board.ram_bytes} bytes of RAM, "
            f"{capacity_bytes} of them for the arena\n  {error.what}",
            board=board.id,
            hint="use a smaller arena or model",
            console=error.console,
        ) from error


def _recipe(
    board: Board,
    packed: PackedModel,
    arena: int,
    capacity: int,
    frame: int,
    options: Mapping[str, str],
    build_id: bytes,
) -> Recipe:
    header = config_header(
        board, packed, arena_bytes=arena, capacity_bytes=capacity, frame_bytes=frame, build_id=build_id
    )
    return Recipe(engine=packed.engine, options=options, headers={**packed.sources, FILE_NAME: header})


def _build_id(board: Board, recipe: Recipe, toolchain: str, firmware: Path, libraries: Sequence[Path]) -> bytes:
    """First 16 bytes of the SHA-256 of everything that decides the image's bytes."""
    digest = hashlib.sha256()
    words = [
        board.environment(recipe.engine),
        toolchain,
        recipe.engine,
        dict(recipe.options),
        dict(sorted(recipe.headers.items())),
        content_digest(libraries),
    ]
    digest.update(json.dumps(words).encode())
    for path in sorted(_sources(firmware, recipe.engine)):
        data = path.read_bytes()
        # Lengths keep two files from passing for one.
        digest.update(f"\n{path.relative_to(firmware)} {len(data)}\n".encode())
        digest.update(data)
    return digest.digest()[:BUILD_ID_BYTES]


def _sources(firmware: Path, engine: str) -> list[Path]:
    """Files of the project but those of other engines, hidden ones (an IDE's own) and Python's caches."""

    def counts(path: Path) -> bool:
        parts = path.relative_to(firmware).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            return False
        library = parts[1] if parts[0] == "lib" else ""
        return not library.startswith(_ENGINE_LIBRARY) or library == _ENGINE_LIBRARY + engine

    return [path for path in firmware.rglob("*") if path.is_file() and counts(path)]
