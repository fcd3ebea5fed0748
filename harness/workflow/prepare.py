"""From a model to a firmware image: bundle -> packed model -> PlatformIO build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build.build import build_firmware
from harness.build.image import FirmwareImage
from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.packed import PackedModel
from harness.workflow.progress import Progress


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run needs before it touches a board."""

    bundle: Bundle
    packed: PackedModel
    image: FirmwareImage


def choose_engine(board: Board, engine: str | None) -> str:
    """The engine asked for, or the board's first.

    Raises:
        UsageError: the board does not have that engine.
    """
    if engine is None:
        return board.engines[0]
    if engine not in board.engines:
        raise UsageError(
            f"board {board.id} has no engine {engine!r}",
            board=board.id,
            hint=f"its engines: {', '.join(board.engines)} (see hil boards)",
        )
    return engine


def pack(bundle: Bundle, engine: str) -> PackedModel:
    """The bundle's model in the form `engine` takes.

    Raises:
        UsageError: a layer or setting the engine can't compute, named.
    """
    if engine == "rnn":
        from harness.model.rnn_pack import pack_rnn

        return pack_rnn(bundle.graph)
    if engine == "tflm":
        from harness.model.tflite_pack import pack_tflm

        return pack_tflm(bundle.graph)
    raise UsageError(f"no packer for engine {engine!r}", hint="engines: rnn, tflm")


def prepare(
    bundle: Bundle, board: Board, *, engine: str | None, arena_bytes: int | None, progress: Progress
) -> Prepared:
    """Packs the model and builds the firmware, or finds the build in the cache.

    Args:
        arena_bytes: ARENA_SIZE to start with; None: the bundle's setting for this board and engine, else what the packer planned.

    Raises:
        UsageError, BuildError.
    """
    chosen = choose_engine(board, engine)
    packed = pack(bundle, chosen)
    size = arena_bytes or bundle.arena_bytes.get(f"{board.id}/{chosen}") or packed.arena_bytes
    progress.phase("build", None)
    return Prepared(bundle, packed, build_image(board, packed, arena_bytes=size, progress=progress))


def build_image(
    board: Board,
    packed: PackedModel,
    *,
    arena_bytes: int | None,
    capacity_bytes: int | None = None,
    progress: Progress,
) -> FirmwareImage:
    """The image of `packed` for `board`: a PlatformIO build, or what a board that no compiler builds takes instead.

    Args:
        arena_bytes: ARENA_SIZE to start with; None: the capacity.
        capacity_bytes: what the host may raise it to; None: the board's largest, or `arena_bytes` if that is more.

    Raises:
        UsageError, BuildError.
    """
    if board.emulator == "tflm":
        from harness.boards.tflm_device import image

        return image.build_image(board, packed, arena_bytes=arena_bytes, capacity_bytes=capacity_bytes)
    return build_firmware(board, packed, arena_bytes=arena_bytes, capacity_bytes=capacity_bytes, on_line=progress.line)


def existing_file(path: Path | None, what: str) -> Path | None:
    """`path`, which must be a file if given.

    Raises:
        UsageError: it is not.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"{what} {path} is not a file", hint="check the path")
    return path
