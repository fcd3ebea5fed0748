"""What is in this board's flash: a configuration and a .tflite, in one file.

    "HILTFLM1" | u32 length of the configuration | configuration, JSON | .tflite

The .tflite starts at a multiple of 16, as its own alignment asks (spaces after the JSON).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.boards.catalogue import Board
from harness.build.image import FirmwareImage, Section
from harness.errors import FlashError, UsageError
from harness.model.packed import PackedModel
from harness.model.tflite_pack import tflite_of
from harness.model.tflm_runtime import engine_version
from harness.protocol.info import BUILD_ID_BYTES
from harness.resources import cache_dir, write_atomic

MAGIC = b"HILTFLM1"
IMAGE_NAME = "firmware.elf"  # the name every emulated board's flash slot uses
_BUILD_ID_NAME = "build_id"
MAX_IMAGE_BYTES = 80 * 1024 * 1024
_LENGTH = struct.Struct("<I")
_ALIGNMENT = 16
_FORMAT = 1  # part of the build id: the same model in another format is another build


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """The configuration: what a firmware gets compiled in.

    Attributes:
        board: catalogue id.
        mcu: as in the catalogue.
        build_id: 16 bytes.
        model_sha256: 32 bytes.
        arena_bytes: ARENA_SIZE to start with.
        arena_capacity_bytes: the largest the host may set.
        max_frame_bytes: longest frame taken and sent.
        rx_buffer_bytes: encoded bytes held while it computes.
        watchdog_s: longest time one engine call may take before the device resets; 0: no watchdog.
    """

    board: str
    mcu: str
    build_id: bytes
    model_sha256: bytes
    arena_bytes: int
    arena_capacity_bytes: int
    max_frame_bytes: int
    rx_buffer_bytes: int
    watchdog_s: float = 8.0


def encode_image(config: DeviceConfig, tflite: bytes) -> bytes:
    """The file."""
    text = json.dumps(
        {
            "board": config.board,
            "mcu": config.mcu,
            "build_id": config.build_id.hex(),
            "model_sha256": config.model_sha256.hex(),
            "arena_bytes": config.arena_bytes,
            "arena_capacity_bytes": config.arena_capacity_bytes,
            "max_frame_bytes": config.max_frame_bytes,
            "rx_buffer_bytes": config.rx_buffer_bytes,
            "watchdog_s": config.watchdog_s,
        },
        sort_keys=True,
    ).encode()
    head = len(MAGIC) + _LENGTH.size
    text += b" " * (-(head + len(text)) % _ALIGNMENT)
    return MAGIC + _LENGTH.pack(len(text)) + text + tflite


def decode_image(data: bytes) -> tuple[DeviceConfig, bytes]:
    """(configuration, .tflite) of a file.

    Raises:
        UsageError: it is no image of this board, or damaged.
    """
    head = len(MAGIC) + _LENGTH.size
    if len(data) < head or not data.startswith(MAGIC):
        raise UsageError("the flash holds no image of board host-tflm", hint="flash it again")
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    if head + length > len(data):
        raise UsageError("the image in flash is cut short", hint="flash it again")
    try:
        raw = json.loads(data[head : head + length])
        config = DeviceConfig(
            board=str(raw["board"]),
            mcu=str(raw["mcu"]),
            build_id=bytes.fromhex(raw["build_id"]),
            model_sha256=bytes.fromhex(raw["model_sha256"]),
            arena_bytes=int(raw["arena_bytes"]),
            arena_capacity_bytes=int(raw["arena_capacity_bytes"]),
            max_frame_bytes=int(raw["max_frame_bytes"]),
            rx_buffer_bytes=int(raw["rx_buffer_bytes"]),
            watchdog_s=float(raw["watchdog_s"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the image in flash is damaged ({error})", hint="flash it again") from error
    return config, data[head + length :]


def load_image(place: Path) -> tuple[DeviceConfig, bytes]:
    """(configuration, .tflite) from a flash slot's directory or an image file.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = place / IMAGE_NAME if place.is_dir() else place
    try:
        with path.open("rb") as stream:
            return decode_image(stream.read(MAX_IMAGE_BYTES))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="flash the board first") from error


def build_image(
    board: Board, packed: PackedModel, *, arena_bytes: int | None = None, capacity_bytes: int | None = None
) -> FirmwareImage:
    """The image of a packed model, in the cache; what `harness.build.build.build_firmware` is for other boards.

    Args:
        board: the board, with its limits.
        packed: of engine tflm.
        arena_bytes: ARENA_SIZE to start with; None: the capacity.
        capacity_bytes: what the host may raise it to; None: the board's largest, or `arena_bytes` if that is more.

    Raises:
        UsageError: packed for another engine, arena larger than the capacity, or tflite-micro is not installed.
    """
    capacity = max(board.arena_max_bytes, arena_bytes or 0) if capacity_bytes is None else capacity_bytes
    size = capacity if arena_bytes is None else arena_bytes
    if not 0 < size <= capacity:
        raise UsageError(f"arena size {size} is not within 1 to {capacity}", board=board.id)
    tflite = tflite_of(packed)
    draft = DeviceConfig(
        board=board.id,
        mcu=board.mcu,
        build_id=bytes(BUILD_ID_BYTES),
        model_sha256=packed.model_sha256,
        arena_bytes=size,
        arena_capacity_bytes=capacity,
        max_frame_bytes=board.max_frame_bytes,
        rx_buffer_bytes=board.rx_buffer_bytes,
    )
    version = engine_version()
    digest = hashlib.sha256(f"{_FORMAT} {version} ".encode() + encode_image(draft, tflite)).digest()
    build_id = digest[:BUILD_ID_BYTES]
    data = encode_image(replace(draft, build_id=build_id), tflite)
    path = cache_dir() / "builds" / f"{build_id.hex()}-tflm" / IMAGE_NAME
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return FirmwareImage(
        board=board.id,
        engine=packed.engine,
        build_id=build_id,
        model_sha256=packed.model_sha256,
        elf=path,
        sections=(Section("model", len(tflite), in_flash=True, in_ram=False),),
        arena_bytes=size,
        arena_capacity_bytes=capacity,
        toolchain=f"tflite-micro {version}",
    )


def flash_image(board: Board, image: FirmwareImage, port: str, on_line: Callable[[str], None] | None = None) -> None:
    """Puts an image into a flash slot, as `harness.build.flash.flash` does for other boards.

    Args:
        board: the board the image was built for.
        image: what to flash.
        port: the slot's directory; afterwards it holds the image and `build_id`, in hex.
        on_line: told what is done.

    Raises:
        FlashError: the image is for another board, or the slot can't be written.
    """
    if image.board != board.id:
        raise FlashError(f"the image is for board {image.board}", board=board.id, port=port)
    slot = Path(port)
    try:
        # The id goes first and comes last: it is there only while it belongs to the image beside it.
        (slot / _BUILD_ID_NAME).unlink(missing_ok=True)
        write_atomic(slot / IMAGE_NAME, image.elf.read_bytes())
        write_atomic(slot / _BUILD_ID_NAME, image.build_id.hex().encode())
    except OSError as error:
        raise FlashError(f"{error.filename}: {error.strerror}", board=board.id, port=port) from error
    if on_line is not None:
        on_line(f"{image.elf.stat().st_size} bytes in {slot}")
