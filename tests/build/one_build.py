"""One build in a process of its own: `python -m tests.build.one_build BOARD ARENA_BYTES`."""

from __future__ import annotations

import sys

from harness.boards.catalogue import find_board
from harness.build.build import build_firmware
from tests.build.small_model import small_model


def main() -> None:
    board, arena_bytes = sys.argv[1], int(sys.argv[2])
    image = build_firmware(
        find_board(board), small_model(), arena_bytes=arena_bytes, on_line=lambda line: print(line, flush=True)
    )
    print(image.elf)


if __name__ == "__main__":
    main()
