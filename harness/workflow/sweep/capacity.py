"""The largest arena a board can hold: its catalogue entry, and the RAM the linker left over."""

from __future__ import annotations

from collections.abc import Callable

from harness.boards.catalogue import Board
from harness.build.image import FirmwareImage
from harness.errors import BuildError

# Arguments: ARENA_SIZE to start with, the largest the host may set; None: the board's own.
Build = Callable[[int | None, int | None], FirmwareImage]

ALIGN = 16
STACK_SHARE = 8  # of the RAM, kept free for stack and interrupts when the arena takes all that is left
STACK_MIN_BYTES = 1024
_SMALL_BYTES = 64


def leftover_bytes(board: Board, image: FirmwareImage) -> int | None:
    """The largest arena that fits beside everything else in the image; None: the board has no meaningful limit."""
    if not board.ram_bytes:
        return None
    others = image.ram_bytes - image.arena_capacity_bytes
    stack = max(STACK_MIN_BYTES, board.ram_bytes // STACK_SHARE)
    return max(0, (board.ram_bytes - others - stack) // ALIGN * ALIGN)


def build_largest(board: Board, build: Build) -> FirmwareImage:
    """A firmware with the catalogue's largest arena, or, beside a large model, the largest that is left.

    Raises:
        BuildError: it does not build, or not even a small arena fits.
    """
    try:
        return build(None, None)
    except BuildError as error:
        if not board.ram_bytes or ("does not fit" not in error.what and "bytes of RAM" not in error.what):
            raise
        small = build(_SMALL_BYTES, _SMALL_BYTES)
        left = leftover_bytes(board, small)
        if not left:
            raise
        return build(left, left)


def build_larger(board: Board, build: Build, image: FirmwareImage) -> FirmwareImage | None:
    """A firmware with all the RAM the linker left for the arena, where `image` has less; None: there is no more.

    Raises:
        BuildError: it does not build.
    """
    left = leftover_bytes(board, image)
    return None if left is None or left <= image.arena_capacity_bytes else build(left, left)
