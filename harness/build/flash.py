"""Puts an image on a board, through PlatformIO's upload target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build import store
from harness.build.export import exported_files
from harness.build.flash_causes import slower_may_help
from harness.build.image import FirmwareImage
from harness.build.pio import OnLine, run_platformio
from harness.errors import FlashError
from harness.resources import firmware_dir, scratch

# Read by firmware/scripts/upload_speed.py.
SPEED_VARIABLE = "HIL_UPLOAD_SPEED"
_SLOT_TIMEOUT_S = 60.0
_UPLOAD_TIMEOUT_S = 600.0


def flash(board: Board, image: FirmwareImage, port: str, on_line: OnLine | None = None) -> None:
    """Put `image` on the board at `port`.

    Args:
        board: the board the image was built for.
        image: what to flash.
        port: the upload port. Emulated boards without a boot loader: their flash slot, an existing directory;
            afterwards it holds `firmware.elf` and `build_id` (the image's build id in hex). `build_id` is there only
            while it belongs to the ELF.
        on_line: called with each line PlatformIO prints.

    Raises:
        FlashError: the image is for another board, PlatformIO or its uploader failed, or took too long. Where lower
            speed may help and the board has one, it has failed at that too.
    """
    if image.board != board.id:
        raise FlashError(f"the image is for board {image.board}", board=board.id, port=port)
    if not board.flashed_over_line and not Path(port).is_dir():
        raise FlashError("the flash slot is not a directory", board=board.id, port=port)
    try:
        _upload(board, image, port, on_line, {})
    except FlashError as error:
        error.port = error.port or port
        slower = board.upload_baud_safe
        if slower is None or not slower_may_help(error.cause):
            raise
        if on_line is not None:
            on_line(f"{error.cause}: once more at {slower} baud")
        try:
            _upload(board, image, port, on_line, {SPEED_VARIABLE: str(slower)})
        except FlashError as again:
            again.port = again.port or port
            again.what += f" (at {slower} baud too)"
            raise


def _upload(
    board: Board, image: FirmwareImage, port: str, on_line: OnLine | None, environment: Mapping[str, str]
) -> None:
    ready = exported_files(image) if board.kind == "real" else (image.elf,)
    if ready:
        _upload_as_is(board, image, ready, port, on_line, environment)
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
        environment=environment,
        on_line=on_line,
        error=FlashError,
    ):
        pass


def _upload_as_is(
    board: Board,
    image: FirmwareImage,
    files: Sequence[Path],
    port: str,
    on_line: OnLine | None,
    environment: Mapping[str, str],
) -> None:
    # The upload target takes its image from a build directory; this one holds nothing else, and nothing is built. Of an
    # exported image an ESP32 gets the application alone: boot loader and partition table must be there from an earlier
    # `hil flash`.
    section = board.environment(image.engine)
    with scratch() as temporary:
        staged = temporary / "build" / section
        staged.mkdir(parents=True)
        for file in files:
            (staged / file.name).symlink_to(file)
        output = run_platformio(
            board,
            firmware_dir(),
            [
                *("run", "-e", section, "--disable-auto-clean"),
                *("-t", "nobuild", "-t", "upload", "--upload-port", port),
            ],
            workspace=temporary,
            environment={"HIL_BUILD_ID": image.build_id.hex(), "HIL_ENGINE": image.engine, **environment},
            timeout_s=_UPLOAD_TIMEOUT_S if board.flashed_over_line else _SLOT_TIMEOUT_S,
            on_line=on_line,
            error=FlashError,
        )
    output.check(FlashError)
