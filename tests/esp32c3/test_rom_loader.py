"""The boot loader's protocol, and the images it takes for bootable."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boards.esp32c3_sim.faults import parse_fault
from harness.boards.esp32c3_sim.flash_memory import FLASH_BYTES, BadImageError, FlashMemory, read_image
from harness.boards.esp32c3_sim.rom_loader import RomLoader

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[FlashMemory]:
    memory = FlashMemory(tmp_path / "flash.bin")
    yield memory
    memory.close()


def packet(command: int, body: bytes, checksum: int = 0) -> bytes:
    plain = struct.pack("<BBHI", 0, command, len(body), checksum) + body
    return b"\xc0" + plain.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def block(number: int, data: bytes, *, checksum: int | None = None) -> bytes:
    found = 0xEF
    for byte in data:
        found ^= byte
    return packet(0x03, struct.pack("<IIII", len(data), number, 0, 0) + data, found if checksum is None else checksum)


def begin(size: int, block_bytes: int) -> bytes:
    return packet(0x02, struct.pack("<IIII", size, -(-size // block_bytes), block_bytes, 0))


def an_image(payload: bytes = bytes(range(200))) -> bytes:
    """One segment, checksum and SHA-256, as esptool writes it."""
    header = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, 0x40380000) + bytes(4) + struct.pack("<H", 5) + bytes(9) + b"\x01"
    body = header + struct.pack("<II", 0x40380000, len(payload)) + payload
    checksum = 0xEF
    for byte in payload:
        checksum ^= byte
    body += bytes((len(body) | 15) - len(body)) + bytes([checksum])
    return body + hashlib.sha256(body).digest()


def test_sync_is_answered_eight_times(flash: FlashMemory) -> None:
    assert RomLoader(flash).feed(packet(0x08, SYNC)).count(b"\xc0\x01\x08") == 8


def test_blocks_land_where_they_belong_in_any_cut(flash: FlashMemory) -> None:
    data = random.Random(1).randbytes(3000)  # holds bytes that must be escaped
    stream = begin(len(data), 1024) + b"".join(block(n, data[n * 1024 : (n + 1) * 1024]) for n in range(3))
    loader = RomLoader(flash)
    for start in range(0, len(stream), 7):
        loader.feed(stream[start : start + 7])
    assert flash.read(0, 3000) == data
    assert flash.read(3000, 100) == b"\xff" * 100


def test_a_block_with_a_wrong_checksum_is_refused_and_not_written(flash: FlashMemory) -> None:
    loader = RomLoader(flash)
    loader.feed(begin(64, 64))
    assert b"\x01\x05\x00\x00\xc0" in loader.feed(block(0, bytes(64), checksum=0))
    assert flash.read(0, 64) == b"\xff" * 64


def test_junk_is_never_more_than_junk(flash: FlashMemory) -> None:
    source = random.Random(2)
    loader = RomLoader(flash)
    for _ in range(300):
        loader.feed(source.randbytes(source.randrange(1, 40)) + b"\xc0" * source.randrange(3))
        # Every command, with a body of any length.
        loader.feed(packet(source.randrange(0x20), source.randbytes(source.randrange(20))))
    assert RomLoader(flash).feed(packet(0x08, SYNC))
    assert flash.path.stat().st_size == FLASH_BYTES


def test_a_loader_without_an_ear_says_nothing(flash: FlashMemory) -> None:
    assert RomLoader(flash, parse_fault("no-sync")).feed(packet(0x08, SYNC)) == b""


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        parse_fault("gremlins")


def test_a_good_image_boots(flash: FlashMemory) -> None:
    flash.write(0, an_image())
    image = read_image(flash)
    assert image.entry == 0x40380000
    assert image.segments == ((0x40380000, bytes(range(200))),)


def test_an_erased_flash_does_not_boot(flash: FlashMemory) -> None:
    with pytest.raises(BadImageError, match="invalid header: 0xffffffff"):
        read_image(flash)


def test_no_single_damaged_byte_boots_unseen(flash: FlashMemory) -> None:
    good = an_image()
    for at in range(len(good)):
        flash.write(0, good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        with pytest.raises(BadImageError):
            read_image(flash)


def test_a_half_written_image_does_not_boot(flash: FlashMemory) -> None:
    good = an_image()
    flash.write(0, good[: len(good) // 2])
    with pytest.raises(BadImageError):
        read_image(flash)
