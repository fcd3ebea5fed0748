"""hil_build_config.h: what a firmware knows about its board, build and model."""

from __future__ import annotations

from harness.boards.catalogue import Board
from harness.model.packed import PackedModel

FILE_NAME = "hil_build_config.h"

BUILD_ID_BYTES = 16
"""Length of a build id."""


def config_header(
    board: Board, packed: PackedModel, *, arena_bytes: int, capacity_bytes: int, frame_bytes: int, build_id: bytes
) -> str:
    """Text of the header.

    Args:
        board: gives the names and the limits of the link.
        packed: gives the model's identity.
        arena_bytes: ARENA_SIZE, what the engine may use from the start.
        capacity_bytes: what the host may raise it to at run time.
        frame_bytes: the longest header + body + crc it takes and sends.
        build_id: 16 bytes. The id itself is the hash of a header made with zeros here.
    """
    macros = {
        "HIL_BOARD_ID": f'"{board.id}"',
        "HIL_MCU": f'"{board.mcu}"',
        "HIL_BUILD_ID": _bytes(build_id),
        "HIL_MODEL_SHA256": _bytes(packed.model_sha256),
        "HIL_ARENA_CAPACITY": str(capacity_bytes),
        "ARENA_SIZE": str(arena_bytes),
        "HIL_MAX_FRAME_BYTES": str(frame_bytes),
        "HIL_RX_RING_BYTES": str(board.rx_buffer_bytes),
        "HIL_BAUD": str(board.baud_safe),
    }
    lines = [f"#define {name} {value}" for name, value in macros.items()]
    guard = ["#ifndef HIL_BUILD_CONFIG_H", "#define HIL_BUILD_CONFIG_H"]
    return "\n".join(["/* Made by the harness for one build. */", *guard, "", *lines, "", "#endif", ""])


def _bytes(data: bytes) -> str:
    return ", ".join(str(byte) for byte in data)
