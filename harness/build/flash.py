"""Puts an image on a board, through PlatformIO's upload target."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build import store
from harness.build.export import exported_files
from harness.build.image import FirmwareImage
from harness.build.pio import OnLine, run_platformio
from harness.errors import FlashError
from harness.resources import cache_dir, firmware_dir

_SLOT_TIMEOUT_S = 60.0
_UPLOAD_TIMEOUT_S = 600.0


def flash(board: Board, image: FirmwareImage, port: str, on_line: OnLine | None = None) -> None:
    """Put `image` on the board at `port`.

    Args:
        board: the board the image was built for.
        image: what to flash.
        port: real boards: the upload port. Emulated boards: their flash slot, an existing directory; afterwards it
            holds `firmware.elf` and `build_id` (the image's build id in hex). `build_id` is there only while it
            belongs to the ELF.
        on_line: called with each line PlatformIO prints.

    Raises:
        FlashError: the image is for another board, PlatformIO or its uploader failed, or took too long.
    """
    if image.board != board.id:
        raise FlashError(f"the image is for board {image.board}", board=board.id, port=port)
    if not board.flashed_over_line:
        _fill_slot(board, image, Path(port), on_line)
    elif board.kind == "emulated":
        _upload_elf(board, image, port, on_line)
    else:
        _upload(board, image, port, on_line)


def _fill_slot(board: Board, image: FirmwareImage, slot: Path, on_line: OnLine | None) -> None:
    if not slot.is_dir():
        raise FlashError("the flash slot is not a directory", board=board.id, port=str(slot))
    _upload_elf(board, image, str(slot), on_line)


def _upload_elf(board: Board, image: FirmwareImage, port: str, on_line: OnLine | None) -> None:
    work = cache_dir() / "work"
    work.mkdir(parents=True, exist_ok=True)
    # The upload target takes its image from a build directory; this one holds nothing else, and nothing is built.
    with tempfile.TemporaryDirectory(prefix=".flash.", dir=work) as temporary:
        staged = Path(temporary) / "build" / board.platformio_env / "firmware.elf"
        staged.parent.mkdir(parents=True)
        staged.symlink_to(image.elf)
        output = run_platformio(
            board,
            firmware_dir(),
            [
                *("run", "-e", board.platformio_env, "--disable-auto-clean"),
                *("-t", "nobuild", "-t", "upload", "--upload-port", port),
            ],
            workspace=Path(temporary),
            environment={"HIL_BUILD_ID": image.build_id.hex(), "HIL_ENGINE": image.engine},
            timeout_s=_SLOT_TIMEOUT_S,
            on_line=on_line,
            error=FlashError,
        )
    output.check(FlashError)


def _upload(board: Board, image: FirmwareImage, port: str, on_line: OnLine | None) -> None:
    ready = exported_files(image)
    if ready:
        _upload_as_is(board, image, ready, port, on_line)
        return
    # Not with `-t nobuild`: platform espressif32 then leaves the boot loader and the partition table out, which a blank
    # or foreign board needs. In the kept work directory there is nothing left to compile.
    from harness.build.compile import compiled

    found = store.load(image.build_id)
    if found is None:
        raise FlashError(
            "the build is no longer in the cache", board=board.id, port=port, hint="build it again: hil build"
        )
    with compiled(
        board,
        found[1],
        image.toolchain,
        firmware_dir(),
        targets=["-t", "upload", "--upload-port", port],
        on_line=on_line,
        error=FlashError,
    ):
        pass


def _upload_as_is(board: Board, image: FirmwareImage, files: Sequence[Path], port: str, on_line: OnLine | None) -> None:
    # An exported image was built elsewhere, and nothing is compiled here. On an ESP32 this writes the application
    # alone: boot loader and partition table must be there from an earlier `hil flash`.
    work = cache_dir() / "work"
    work.mkdir(parents=True, exist_ok=True)
    environment = board.environment(image.engine)
    with tempfile.TemporaryDirectory(prefix=".flash.", dir=work) as temporary:
        staged = Path(temporary) / "build" / environment
        staged.mkdir(parents=True)
        for file in files:
            (staged / file.name).symlink_to(file)
        output = run_platformio(
            board,
            firmware_dir(),
            [
                *("run", "-e", environment, "--disable-auto-clean"),
                *("-t", "nobuild", "-t", "upload", "--upload-port", port),
            ],
            workspace=Path(temporary),
            environment={"HIL_ENGINE": image.engine},
            timeout_s=_UPLOAD_TIMEOUT_S,
            on_line=on_line,
            error=FlashError,
        )
    output.check(FlashError)
