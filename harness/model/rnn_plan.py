"""Where every buffer of a model lies in the arena: lifetimes in, byte offsets out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FOREVER = 1 << 30


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer wanted.

    Attributes:
        bytes: its size, a multiple of 4.
        first, last: indices of the first op that writes it and the last that reads it, both inclusive; -1 and `FOREVER`
            for what must outlive an inference (inputs, outputs).
    """

    bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """True if both are alive during some op."""
        return self.first <= other.last and other.first <= self.last


def plan(buffers: Sequence[Buffer], *, base: int) -> tuple[list[int], int]:
    """Place buffers so that those alive together don't overlap: largest first, each at the lowest gap that fits.

    Args:
        buffers: what is wanted.
        base: bytes at the start of the arena that are taken (recurrent state).

    Returns:
        Offset of each buffer, and the bytes of the whole arena. The same arguments give the same plan.
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    end = base
    for index in sorted(range(len(buffers)), key=lambda i: (-buffers[i].bytes, i)):
        buffer = buffers[index]
        taken = sorted((offsets[i], offsets[i] + buffers[i].bytes) for i in placed if buffers[i].meets(buffer))
        at = base
        for start, stop in taken:
            if start - at >= buffer.bytes:
                break
            at = max(at, stop)
        offsets[index] = at
        placed.append(index)
        end = max(end, at + buffer.bytes)
    return offsets, end
