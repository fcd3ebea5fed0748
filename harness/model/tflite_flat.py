"""A reader for FlatBuffers that believes nothing: every offset and length is checked before it is followed.

The generated schema classes trust the file and fail with whatever the bytes lead to; a model comes from a user, so it
is read here instead.
Format: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Far above any model for a microcontroller. It bounds what a hostile file can cost: many fields may share one vector.
MAX_VECTOR_ITEMS = 8192  # an unrolled model of 256 time steps has about 6,000 tensors


class TfliteFormatError(ValueError):
    """The bytes are not a well-formed model; `offset` is where it went wrong."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(f"{what} at byte {offset}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector inside a buffer: `start` is its first element, `length` its number of elements."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a flatbuffer.

    Fields are named by their id in the schema. Every reader raises TfliteFormatError if the field leads outside the
    buffer, and gives the default if the field is absent.
    """

    data: bytes
    position: int
    vtable: int
    vtable_bytes: int
    table_bytes: int

    @classmethod
    def root(cls, data: bytes, identifier: bytes) -> Table:
        """The root table; the buffer must carry the four-byte file identifier."""
        if len(data) < 8:
            raise TfliteFormatError("too short for a model", len(data))
        if data[4:8] != identifier:
            raise TfliteFormatError(f"file identifier {identifier.decode()} missing", 4)
        return cls.at(data, _u32(data, 0))

    @classmethod
    def at(cls, data: bytes, position: int) -> Table:
        """The table that starts at `position`."""
        vtable = position - _i32(data, position)
        vtable_bytes = _u16(data, vtable)
        table_bytes = _u16(data, vtable + 2)
        if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > len(data):
            raise TfliteFormatError("broken vtable", max(vtable, 0))
        if table_bytes < 4 or position + table_bytes > len(data):
            raise TfliteFormatError("table longer than the file", position)
        return cls(data, position, vtable, vtable_bytes, table_bytes)

    def _field(self, field: int, width: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self.vtable_bytes:
            return None
        offset = _u16(self.data, self.vtable + slot)
        if offset == 0:
            return None
        if offset < 4 or offset + width > self.table_bytes:
            raise TfliteFormatError("field outside its table", self.position)
        return self.position + offset

    def has(self, field: int) -> bool:
        """Whether the field is present."""
        return self._field(field, 1) is not None

    def u8(self, field: int, default: int = 0) -> int:
        """A ubyte, or a bool as 0 or 1."""
        at = self._field(field, 1)
        return default if at is None else self.data[at]

    def i8(self, field: int, default: int = 0) -> int:
        """A byte (signed)."""
        at = self._field(field, 1)
        return default if at is None else int(struct.unpack_from("<b", self.data, at)[0])

    def u32(self, field: int, default: int = 0) -> int:
        """A uint."""
        at = self._field(field, 4)
        return default if at is None else _u32(self.data, at)

    def i32(self, field: int, default: int = 0) -> int:
        """An int."""
        at = self._field(field, 4)
        return default if at is None else _i32(self.data, at)

    def u64(self, field: int, default: int = 0) -> int:
        """A ulong."""
        at = self._field(field, 8)
        return default if at is None else int(struct.unpack_from("<Q", self.data, at)[0])

    def _follow(self, field: int) -> int | None:
        at = self._field(field, 4)
        if at is None:
            return None
        target = at + _u32(self.data, at)
        if target + 4 > len(self.data):
            raise TfliteFormatError("offset outside the file", at)
        return target

    def table(self, field: int) -> Table | None:
        """A table (or the value of a union)."""
        target = self._follow(field)
        return None if target is None else Table.at(self.data, target)

    def vector(self, field: int, item_bytes: int, *, limit: int = MAX_VECTOR_ITEMS) -> Vector | None:
        """A vector of items of `item_bytes` bytes, wholly inside the buffer and no longer than `limit` items."""
        target = self._follow(field)
        if target is None:
            return None
        length = _u32(self.data, target)
        if length > limit:
            raise TfliteFormatError(f"vector of {length} items, more than {limit}", target)
        if target + 4 + length * item_bytes > len(self.data):
            raise TfliteFormatError("vector longer than the file", target)
        return Vector(target + 4, length)

    def i32s(self, field: int, *, limit: int = MAX_VECTOR_ITEMS) -> tuple[int, ...]:
        """A vector of ints; empty if absent."""
        vector = self.vector(field, 4, limit=limit)
        if vector is None:
            return ()
        return tuple(int(v) for v in struct.unpack_from(f"<{vector.length}i", self.data, vector.start))

    def text(self, field: int) -> str:
        """A string of at most 1,024 bytes; bytes that are not UTF-8 become U+FFFD."""
        vector = self.vector(field, 1, limit=1024)
        if vector is None:
            return ""
        return self.data[vector.start : vector.start + vector.length].decode("utf-8", "replace")

    def tables(self, field: int, *, limit: int = MAX_VECTOR_ITEMS) -> tuple[Table, ...]:
        """A vector of tables; empty if absent."""
        vector = self.vector(field, 4, limit=limit)
        if vector is None:
            return ()
        result = []
        for index in range(vector.length):
            at = vector.start + 4 * index
            result.append(Table.at(self.data, at + _u32(self.data, at)))
        return tuple(result)


def _unpack(kind: str, width: int, data: bytes, at: int) -> int:
    if at < 0 or at + width > len(data):
        raise TfliteFormatError("offset outside the file", max(at, 0))
    return int(struct.unpack_from(kind, data, at)[0])


def _u16(data: bytes, at: int) -> int:
    return _unpack("<H", 2, data, at)


def _u32(data: bytes, at: int) -> int:
    return _unpack("<I", 4, data, at)


def _i32(data: bytes, at: int) -> int:
    return _unpack("<i", 4, data, at)
