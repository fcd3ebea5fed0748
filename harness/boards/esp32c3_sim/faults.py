"""Ways in which the simulated boot loader can fail an upload, for tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

FaultKind = Literal["no-sync", "wrong-chip", "bad-md5", "unplug"]
_FAULT = re.compile(r"(no-sync|wrong-chip|bad-md5|unplug):?(\d*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong.

    Attributes:
        kind: "no-sync": the loader answers nothing; "wrong-chip": it is another chip's; "bad-md5": the flash holds
            something else than was sent; "unplug": the cable is pulled.
        number: of "unplug": at which data block, counted from 0; of "bad-md5": how many times, 0: always.
    """

    kind: FaultKind
    number: int = 0


def parse_fault(text: str) -> Fault | None:
    """The fault called `text` ("unplug:3"); None if empty.

    Raises:
        ValueError: there is no such fault.
    """
    if not text:
        return None
    found = _FAULT.fullmatch(text)
    if found is None:
        raise ValueError(f"no fault is called {text!r}")
    return Fault(cast(FaultKind, found[1]), int(found[2] or 0))
