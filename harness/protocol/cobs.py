"""Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): no 0x00 inside, at most one byte more per 254.

Both directions work on whole runs between zeros, never byte by byte: the link must keep up with 921600 baud.
"""

from __future__ import annotations

MAX_RUN = 254  # non-zero bytes that one code byte can announce


class CobsError(ValueError):
    """Not the encoding of anything."""


def encoded_bound(size: int) -> int:
    """Longest encoding of `size` bytes, without delimiters."""
    return size + 1 + size // MAX_RUN


def encode(data: bytes) -> bytes:
    """The canonical encoding of `data`; never contains 0x00, never empty."""
    pieces: list[bytes] = []
    runs = data.split(b"\0")
    for run in runs:
        while len(run) > MAX_RUN:
            pieces += (b"\xff", run[:MAX_RUN])
            run = run[MAX_RUN:]
        if len(run) == MAX_RUN:
            # A full code byte implies no zero, so the zero that ends this run needs a code of its own.
            pieces += (b"\xff", run, b"\x01")
        else:
            pieces += (_CODES[len(run)], run)
    if runs[-1] and len(runs[-1]) % MAX_RUN == 0:
        pieces.pop()  # no zero follows the last run, so it needs no such code
    return b"".join(pieces)


def decode(encoded: bytes) -> bytes:
    """The inverse of `encode`. Also takes encodings with a needless last code 0x01, as some encoders write.

    Raises CobsError if `encoded` is empty, holds 0x00 where a code is due, or ends before its last run does.
    A 0x00 inside a run is not looked for: callers split at 0x00 first.
    """
    pieces: list[bytes] = []
    position, size = 0, len(encoded)
    code = 0xFF
    while position < size:
        if position and code != 0xFF:
            pieces.append(b"\0")
        code = encoded[position]
        end = position + code
        if code == 0 or end > size:
            raise CobsError("code byte 0" if code == 0 else "run cut short")
        pieces.append(encoded[position + 1 : end])
        position = end
    if not pieces:
        raise CobsError("empty")
    return b"".join(pieces)


_CODES = [bytes([length + 1]) for length in range(MAX_RUN)]
