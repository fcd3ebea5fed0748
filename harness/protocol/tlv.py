"""Reading untrusted bodies: fixed fields and TLVs, every bound checked, one error."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_VALUE_BYTES = 255


class MessageError(ValueError):
    """A body that is not what its message type says."""


def unpack(layout: struct.Struct, data: bytes, what: str) -> tuple[int, ...]:
    """The integers of `data`, which must be exactly as long as `layout`."""
    if len(data) != layout.size:
        raise MessageError(f"{what}: {len(data)} bytes, not {layout.size}")
    return layout.unpack(data)


def pack(layout: struct.Struct, what: str, *values: int) -> bytes:
    """`values` as bytes; MessageError if one does not fit its field."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise MessageError(f"{what}: {error}") from None


def text_of(data: bytes) -> str:
    """UTF-8 text from a device, bad bytes replaced. May hold control characters: escape it before showing it."""
    return data.decode("utf-8", errors="replace")


def iterate(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, value) pairs of `data`, in order."""
    position = 0
    while position < len(data):
        if position + 2 > len(data):
            raise MessageError("TLV: cut short in its tag")
        tag, length = data[position], data[position + 1]
        position += 2
        if position + length > len(data):
            raise MessageError(f"TLV {tag}: {len(data) - position} bytes, not {length}")
        yield tag, data[position : position + length]
        position += length


def item(tag: int, value: bytes) -> bytes:
    """One encoded TLV."""
    if len(value) > MAX_VALUE_BYTES:
        raise MessageError(f"TLV {tag}: {len(value)} bytes, at most {MAX_VALUE_BYTES}")
    return bytes((tag, len(value))) + value
