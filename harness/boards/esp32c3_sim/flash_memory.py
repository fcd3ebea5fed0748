"""The chip's flash: a file of 4 MiB, and the image in it that the mask ROM boots."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

FLASH_BYTES = 4 << 20
_ERASED = b"\xff"
_MAGIC = 0xE9
_CHIP_ID = 5  # ESP32-C3
_HEADER = struct.Struct("<BBBBI")  # magic, segments, SPI mode, SPI speed and size, entry address
_HEADER_BYTES = 24
_SEGMENT = struct.Struct("<II")
_CHECKSUM_SEED = 0xEF
_MAX_SEGMENTS = 16


class BadImageError(ValueError):
    """What lies at flash offset 0 does not boot; the text is what the ROM's would be about."""


@dataclass(frozen=True, slots=True)
class BootImage:
    """A program as the ROM puts it into RAM: where it starts, and (address, bytes) of each part."""

    entry: int
    segments: tuple[tuple[int, bytes], ...]


class FlashMemory:
    """Flash that outlives the process. Every write is in the file when the call returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if os.fstat(self._file).st_size != FLASH_BYTES:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, _ERASED * FLASH_BYTES, 0)

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`; erased beyond the end."""
        return os.pread(self._file, count, offset).ljust(count, _ERASED)

    def erase(self, offset: int, count: int) -> None:
        """Sets bytes to 0xFF."""
        self.write(offset, _ERASED * count)

    def write(self, offset: int, data: bytes) -> None:
        """Writes; what lies beyond the end of the flash is lost."""
        os.pwrite(self._file, data[: max(0, FLASH_BYTES - offset)], offset)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def read_image(flash: FlashMemory) -> BootImage:
    """The image at offset 0, checked as the ROM checks it (checksum; SHA-256 where the image has one).

    Raises:
        BadImageError: erased, half written, damaged or for another chip.
    """
    header = flash.read(0, _HEADER_BYTES)
    magic, count, _, _, entry = _HEADER.unpack(header[: _HEADER.size])
    if magic != _MAGIC or not 0 < count <= _MAX_SEGMENTS:
        raise BadImageError(f"invalid header: 0x{int.from_bytes(header[:4], 'little'):08x}")
    chip = int.from_bytes(header[12:14], "little")
    if chip != _CHIP_ID:
        raise BadImageError(f"image for chip id {chip}")
    at, checksum, segments = _HEADER_BYTES, _CHECKSUM_SEED, []
    for _ in range(count):
        address, size = _SEGMENT.unpack(flash.read(at, _SEGMENT.size))
        at += _SEGMENT.size
        if size > FLASH_BYTES - at:
            raise BadImageError(f"segment of {size} bytes at 0x{at:x}")
        data = flash.read(at, size)
        at += size
        for byte in data:
            checksum ^= byte
        segments.append((address, data))
    end = (at | 15) + 1  # the checksum is the last byte of a block of 16
    if flash.read(end - 1, 1)[0] != checksum:
        raise BadImageError("csum err")
    if header[23] and hashlib.sha256(flash.read(0, end)).digest() != flash.read(end, 32):
        raise BadImageError("SHA-256 comparison failed")
    return BootImage(entry, tuple(segments))
