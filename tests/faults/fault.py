"""What can go wrong with a stream of bytes, decided by byte position and seed alone, so that an id replays it exactly.

Ids: `PHASE.WAY:POSITION:KIND` is one fault (`infer.up:37:flip3`: bit 3 of the 38th byte that the device sends in phase
infer); `storm:SEED:KIND=RATE,...` gives each byte both ways each fault with its rate (`storm:7:drop=0.01,flip=0.001`).
Several joined by `+` happen together.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

DOWN, UP = "down", "up"  # to the device, to the host
BANNER = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
AT_NOISE = b"AT\rAT\rAT+GMI\r~\x00x\xf0~"  # what ModemManager says to a new port
SHORT_S = 0.1
LONG_S = 2.0
CUT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Where:
    """A byte by its place in the clean stream: the `position`-th of this phase and way."""

    phase: str
    way: str
    position: int


@dataclass(frozen=True, slots=True)
class Pause:
    """The line is silent for `seconds`; nothing is lost."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The cable comes out."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """The device restarts (brown-out); what is on the line is lost."""


@dataclass(frozen=True, slots=True)
class Hang:
    """The device stops, for ever."""


Event: TypeAlias = bytes | Pause | Cut | Reboot | Hang


class Filter(Protocol):
    """Makes events of bytes. Filters are put in a row: each gets the bytes the one before lets through."""

    def apply(self, where: Where, byte: bytes) -> list[Event]:
        """What becomes of `byte`, which stood at `where` before any filter."""


def spoilt_by(kind: str, byte: bytes) -> list[Event] | None:
    """What `kind` makes of a byte; None: no such kind."""
    if kind.startswith("flip") and kind[4:].isdigit() and int(kind[4:]) < 8:
        return [bytes([byte[0] ^ 1 << int(kind[4:])])]
    if re.fullmatch("insert[0-9a-f]{2}", kind):
        return [bytes.fromhex(kind[6:]) + byte]
    table: Mapping[str, list[Event]] = {
        "drop": [],
        "duplicate": [byte + byte],
        "delay": [Pause(SHORT_S), byte],
        "stall": [Pause(LONG_S), byte],
        "truncate": [],
        "cut": [Cut()],
        "reboot": [byte, Reboot()],
        "hang": [byte, Hang()],
        "banner": [BANNER, byte],
        "at": [AT_NOISE, byte],
    }
    return table.get(kind)


# Every kind of single fault that a campaign tries at every byte.
REPAIRED = (
    *("drop", "duplicate", "flip0", "flip3", "flip7", "insert00", "insert01", "insert55", "insertff"),
    *("delay", "stall", "truncate", "banner", "at"),
)
REPORTED = ("cut", "reboot", "hang")
KINDS = REPAIRED + REPORTED


@dataclass(frozen=True, slots=True)
class Single:
    """One fault at one byte."""

    phase: str
    way: str
    position: int
    kind: str

    def __str__(self) -> str:
        return f"{self.phase}.{self.way}:{self.position}:{self.kind}"

    def apply(self, where: Where, byte: bytes) -> list[Event]:
        length = CUT_BYTES if self.kind == "truncate" else 1
        here = where.phase == self.phase and where.way == self.way
        if not here or not self.position <= where.position < self.position + length:
            return [byte]
        spoilt = spoilt_by(self.kind, byte)
        assert spoilt is not None
        return spoilt


class Storm:
    """Each byte meets each fault with its rate. `flip` and `insert` choose bit and byte by the seed too."""

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        self.seed, self.rates = seed, dict(rates)
        # A source for each way: what one way carries must not decide what the other suffers.
        self._random = {way: random.Random(f"{seed}/{way}") for way in (DOWN, UP)}

    def __str__(self) -> str:
        return f"storm:{self.seed}:" + ",".join(f"{kind}={rate:g}" for kind, rate in self.rates.items())

    def apply(self, where: Where, byte: bytes) -> list[Event]:
        source = self._random[where.way]
        chance = source.random()
        for kind, rate in self.rates.items():
            if chance < rate:
                return self._spoil(kind, byte, source)
            chance -= rate
        return [byte]

    def _spoil(self, kind: str, byte: bytes, source: random.Random) -> list[Event]:
        if kind == "flip":
            kind = f"flip{source.randrange(8)}"
        if kind == "insert":
            kind = f"insert{source.randrange(256):02x}"
        spoilt = spoilt_by(kind, byte)
        assert spoilt is not None
        return spoilt


def parse(text: str) -> list[Filter]:
    """The filters of an id, new ones at each call. Raises ValueError."""
    return [_parse_one(part) for part in text.split("+") if part]


def _parse_one(text: str) -> Filter:
    place, middle, rest = (*text.split(":", 2), "", "")[:3]
    if place == "storm":
        rates = dict(pair.split("=") for pair in rest.split(","))
        for kind in rates:
            if kind not in ("flip", "insert") and spoilt_by(kind, b"x") is None:
                raise ValueError(f"unknown fault {kind!r} in {text!r}")
        return Storm(int(middle), {kind: float(rate) for kind, rate in rates.items()})
    phase, _, way = place.partition(".")
    if way not in (DOWN, UP) or spoilt_by(rest, b"x") is None:
        raise ValueError(f"{text!r} is no fault: PHASE.down|up:POSITION:KIND, kinds {', '.join(KINDS)}")
    return Single(phase, way, int(middle), rest)


def through(filters: Iterable[Filter], where: Where, byte: bytes) -> list[Event]:
    """`byte` through all filters in order; what is no byte passes the rest."""
    events: list[Event] = [byte]
    for each in filters:
        after: list[Event] = []
        for event in events:
            after += each.apply(where, event) if isinstance(event, bytes) and len(event) == 1 else [event]
        events = after
    return events
