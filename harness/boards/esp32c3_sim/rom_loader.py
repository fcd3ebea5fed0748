"""The serial boot loader in the ESP32-C3's mask ROM, as far as esptool needs it without its stub.

Protocol: https://docs.espressif.com/projects/esptool/en/latest/esp32c3/advanced-topics/serial-protocol.html
"""

from __future__ import annotations

import hashlib
import struct

from harness.boards.esp32c3_sim.faults import Fault
from harness.boards.esp32c3_sim.flash_memory import FlashMemory

BANNER = b"ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x1 (POWERON),boot:0x4 (DOWNLOAD(USB/UART0/1))\r\n"
WAITING = b"waiting for download\r\n"

_FLASH_BEGIN, _FLASH_DATA, _FLASH_END, _SYNC, _WRITE_REG, _READ_REG = 0x02, 0x03, 0x04, 0x08, 0x09, 0x0A
_SPI_SET_PARAMS, _SPI_ATTACH, _CHANGE_BAUD, _FLASH_MD5, _SECURITY_INFO = 0x0B, 0x0D, 0x0F, 0x13, 0x14
_HEADER = struct.Struct("<BBHI")
_SLIP_END, _SLIP_ESCAPE, _SLIP_ESCAPED_END, _SLIP_ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD
_MAX_PACKET_BYTES = 64 * 1024
_CHECKSUM_SEED = 0xEF
_GOOD, _BAD = b"\0\0\0\0", b"\1\5\0\0"  # error 5: "Received message is invalid"
_SYNC_VALUE, _SYNC_ANSWERS = 0x20120707, 8
_CHIP_C3, _CHIP_S3 = 5, 9

_CHIP_MAGIC = 0x40001000
EFUSE_MAC_LOW, EFUSE_MAC_HIGH = 0x60008844, 0x60008848
_SPI1_CMD, _SPI1_W0 = 0x60002000, 0x60002058
_JEDEC_4_MIB = 0x1640EF
EFUSES = {EFUSE_MAC_LOW: 0xC40A24FE, EFUSE_MAC_HIGH: 0x1001}


class CablePulledError(Exception):
    """The fault "unplug" has come."""


class RomLoader:
    """One boot into the loader."""

    def __init__(self, flash: FlashMemory, fault: Fault | None = None) -> None:
        self._flash = flash
        self._fault = fault
        self._registers = {_CHIP_MAGIC: 0x1B31506F, **EFUSES}
        self._packet = bytearray()
        self._inside = self._escaped = False
        self._offset = self._block_bytes = 0
        self._md5_asked = 0

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the line; what goes back.

        Raises:
            CablePulledError: nothing more comes from this board.
        """
        answer = bytearray()
        for byte in data:
            if byte == _SLIP_END:
                if self._inside and len(self._packet) >= _HEADER.size:
                    answer += self._handle(bytes(self._packet))
                    self._inside = False
                else:
                    self._inside = True
                self._packet.clear()
                self._escaped = False
            elif not self._inside or len(self._packet) > _MAX_PACKET_BYTES:
                continue
            elif self._escaped:
                self._packet += {_SLIP_ESCAPED_END: b"\xc0", _SLIP_ESCAPED_ESCAPE: b"\xdb"}.get(byte, b"")
                self._escaped = False
            elif byte == _SLIP_ESCAPE:
                self._escaped = True
            else:
                self._packet.append(byte)
        return bytes(answer)

    def _handle(self, packet: bytes) -> bytes:
        _, command, _, checksum = _HEADER.unpack(packet[: _HEADER.size])
        if self._fault is not None and self._fault.kind == "no-sync":
            return b""
        try:
            return self._answer(command, packet[_HEADER.size :], checksum)
        except struct.error:  # shorter than the command's own fields
            return _response(command, good=False)

    def _answer(self, command: int, body: bytes, checksum: int) -> bytes:
        match command:
            case 0x08:  # SYNC
                return _response(_SYNC, _SYNC_VALUE) * _SYNC_ANSWERS
            case 0x0A:  # READ_REG
                (address,) = struct.unpack("<I", body[:4])
                return _response(command, self._registers.get(address, 0))
            case 0x09:  # WRITE_REG
                self._write_register(*struct.unpack("<III", body[:12]))
            case 0x14:  # GET_SECURITY_INFO: flags, crypt count, key purposes, chip id, chip revision
                chip = _CHIP_S3 if self._has("wrong-chip") else _CHIP_C3
                return _response(command, 0, struct.pack("<IB7sII", 0, 0, bytes(7), chip, 3))
            case 0x02:  # FLASH_BEGIN
                size, _, self._block_bytes, self._offset = struct.unpack("<IIII", body[:16])
                self._flash.erase(self._offset, min(size, 1 << 24))
            case 0x03:  # FLASH_DATA
                return _response(command, good=self._write_block(body, checksum))
            case 0x13:  # SPI_FLASH_MD5
                address, count = struct.unpack("<II", body[:8])
                data = self._flash.read(address, min(count, 1 << 24))
                if self._has_bad_md5():
                    data = b"something else"
                # The protocol's own check, no secret.
                return _response(command, 0, hashlib.md5(data, usedforsecurity=False).hexdigest().encode())
            case 0x04 | 0x0B | 0x0D | 0x0F:  # FLASH_END, SPI_SET_PARAMS, SPI_ATTACH, CHANGE_BAUDRATE
                pass
            case _:
                return _response(command, good=False)
        return _response(command)

    def _write_register(self, address: int, value: int, mask: int) -> None:
        self._registers[address] = (self._registers.get(address, 0) & ~mask) | (value & mask)
        if address == _SPI1_CMD:  # done at once; the only one esptool gives asks for the flash's id
            self._registers.update({_SPI1_CMD: 0, _SPI1_W0: _JEDEC_4_MIB})

    def _write_block(self, body: bytes, checksum: int) -> bool:
        count, sequence = struct.unpack("<II", body[:8])
        data = body[16 : 16 + count]
        if self._has("unplug") and self._fault is not None and sequence >= self._fault.number:
            raise CablePulledError
        found = _CHECKSUM_SEED
        for byte in data:
            found ^= byte
        if found != checksum:
            return False
        self._flash.write(self._offset + sequence * self._block_bytes, data)
        return True

    def _has_bad_md5(self) -> bool:
        self._md5_asked += 1
        wrong = self._fault.number if self._fault is not None else 0
        return self._has("bad-md5") and (wrong == 0 or self._md5_asked <= wrong)

    def _has(self, kind: str) -> bool:
        return self._fault is not None and self._fault.kind == kind


def _response(command: int, value: int = 0, data: bytes = b"", *, good: bool = True) -> bytes:
    status = _GOOD if good else _BAD
    plain = _HEADER.pack(1, command, len(data) + len(status), value) + data + status
    escaped = plain.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return bytes((_SLIP_END,)) + escaped + bytes((_SLIP_END,))
