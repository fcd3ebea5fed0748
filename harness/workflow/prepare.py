"""From a model to a firmware image: bundle -> packed model -> PlatformIO build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build.build import build_firmware
from harness.build.export import BUNDLE_NAME, check_export, load_export
from harness.build.image import FirmwareImage
from harness.errors import BuildError, UsageError
from harness.link.pipeline import largest_frame_bytes, vector_frame_bytes
from harness.model.bundle import Bundle
from harness.model.bundle_toml import FILE_NAME
from harness.model.packed import PackedModel
from harness.model.tflite_pack import tflite_of
from harness.model.tflite_read import read_tflite
from harness.model.tflm_arena import arena_floor_bytes
from harness.workflow.conversion import TFLM, ConversionOptions, pack_for_rnn, pack_for_tflm
from harness.workflow.progress import Progress

AS_IS = ConversionOptions()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run needs before it touches a board."""

    bundle: Bundle
    packed: PackedModel
    image: FirmwareImage


def choose_engine(board: Board, engine: str | None, bundle: Bundle | None = None) -> str:
    """The engine asked for, or the board's first; for a model that came converted, the one that takes it.

    Raises:
        UsageError: the board does not have that engine, or the model does not go with it.
    """
    if bundle is not None and bundle.tflite is not None:
        if engine not in (None, TFLM):
            raise UsageError(
                f"{bundle.model_path} is converted for TFLM; engine {engine!r} takes Keras models",
                hint=f"--engine {TFLM}, or give the .keras file",
            )
        engine = TFLM
    if engine is None:
        return board.engines[0]
    if engine not in board.engines:
        raise UsageError(
            f"board {board.id} has no engine {engine!r}",
            board=board.id,
            hint=f"its engines: {', '.join(board.engines)} (see hil boards)",
        )
    return engine


def pack(
    bundle: Bundle,
    engine: str,
    conversion: ConversionOptions = AS_IS,
    *,
    progress: Progress | None = None,
) -> PackedModel:
    """The bundle's model in the form `engine` takes; a conversion that takes seconds is a phase of its own.

    Raises:
        UsageError: a layer or setting the engine can't compute, named; or lint refuses the converted model.
    """

    def slow(note: str) -> None:
        if progress is not None:
            progress.phase("convert", None)
            progress.line(note)

    if engine == TFLM:
        return pack_for_tflm(bundle, conversion, on_note=slow)
    if engine == "rnn":
        return pack_for_rnn(bundle, conversion)
    raise UsageError(f"no packer for engine {engine!r}", hint="engines: rnn, tflm")


def prepare(
    bundle: Bundle,
    board: Board,
    *,
    engine: str | None,
    arena_bytes: int | None,
    progress: Progress,
    conversion: ConversionOptions = AS_IS,
    exported: Path | None = None,
    exported_sha256: str | None = None,
) -> Prepared:
    """Packs the model and builds the firmware, or finds the build in the cache.

    Args:
        arena_bytes: ARENA_SIZE to start with; None: the bundle's setting for this board and engine, else what the
            packer planned.
        exported: folder of an image that was built elsewhere (`hil build --export`), taken instead of a build.
        exported_sha256: of its hil_image.json, in hex; None: not known.

    Raises:
        UsageError, BuildError.
    """
    chosen = choose_engine(board, engine, bundle)
    packed = pack(bundle, chosen, conversion, progress=progress)
    check_flash(board, packed)
    if exported is not None:
        image = load_export(
            exported, board, engine=chosen, model_sha256=packed.model_sha256, record_sha256=exported_sha256
        )
        return Prepared(bundle, packed, image)
    size = arena_bytes or bundle.arena_bytes.get(f"{board.id}/{chosen}") or packed.arena_bytes
    check_tflm_arena(board, packed, size or board.arena_max_bytes)
    check_frames(board, packed)
    progress.phase("build", None)
    return Prepared(bundle, packed, build_image(board, packed, arena_bytes=size, progress=progress))


def check_flash(board: Board, packed: PackedModel) -> None:
    """Refuses a model that can't fit before minutes of compiling. (The arena's size: `build_firmware`.)

    Raises:
        BuildError: the model alone is larger than the board's flash.
    """
    if board.flash_bytes and packed.model_bytes > board.flash_bytes:
        raise BuildError(
            f"the model takes {packed.model_bytes} bytes, the flash of {board.id} has {board.flash_bytes}",
            board=board.id,
            hint="a smaller model, or --int8, which needs a quarter (engine tflm)",
        )


def check_tflm_arena(board: Board, packed: PackedModel, arena_bytes: int) -> None:
    """Refuses a model whose operators alone fill the arena, before minutes of compiling; other engines plan theirs.

    Raises:
        BuildError: TFLM could not start with that model in an arena of that size.
    """
    if packed.engine != TFLM or not board.ram_bytes:
        return
    model = read_tflite(tflite_of(packed))
    needed = arena_floor_bytes(model)
    if needed > arena_bytes:
        raise BuildError(
            f"TFLM takes at least {needed} bytes of its arena for the {len(model.main.operators)} operators and "
            f"{len(model.main.tensors)} tensors of the model, the arena on {board.id} has {arena_bytes}",
            board=board.id,
            hint="shorter vectors (an unrolled model grows with every time step), --engine rnn, or a larger arena",
        )


def frame_bytes(board: Board, packed: PackedModel) -> int:
    """The longest frame of the firmware: the board's own, or what one vector of this model takes if that is more.

    Whether the RAM holds it is known when the image is linked.
    """
    if packed.input_bytes is None or packed.output_bytes is None:
        return board.max_frame_bytes
    return max(board.max_frame_bytes, vector_frame_bytes(packed.input_bytes, packed.output_bytes))


def check_frames(board: Board, packed: PackedModel) -> None:
    """Refuses vectors or results that no frame of the board's can hold, before minutes of compiling.

    Raises:
        BuildError: one vector, or its result, does not fit a frame.
    """
    needed, most = frame_bytes(board, packed), largest_frame_bytes(board.rx_buffer_bytes)
    if needed > most:
        raise BuildError(
            f"one vector ({packed.input_bytes} bytes in, {packed.output_bytes} out) takes a frame of {needed} bytes, "
            f"the firmware of {board.id} takes frames of up to {most}",
            board=board.id,
            hint="a board with more RAM, or shorter vectors",
        )


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
    return build_firmware(
        board,
        packed,
        arena_bytes=arena_bytes,
        capacity_bytes=capacity_bytes,
        frame_bytes=frame_bytes(board, packed),
        on_line=progress.line,
    )


def bundle_of_export(folder: Path, record_sha256: str | None) -> str:
    """The bundle that came with an exported image, looked at only after the image's hash.

    Raises:
        UsageError: the export is damaged, or came without a bundle.
    """
    check_export(folder, record_sha256)
    bundle = folder / BUNDLE_NAME
    if not (bundle / FILE_NAME).is_file():
        raise UsageError(f"{folder} holds an image without a model", hint="name the model: hil run MODEL --image ...")
    return str(bundle)


def existing_file(path: Path | None, what: str) -> Path | None:
    """`path`, which must be a file if given.

    Raises:
        UsageError: it is not.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"{what} {path} is not a file", hint="check the path")
    return path
