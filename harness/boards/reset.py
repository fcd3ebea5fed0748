"""Ways to start a board's firmware anew from outside, by the catalogue's `reset`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from harness.boards.catalogue import Board, ResetMethod
from harness.boards.emulator import Emulator
from harness.errors import HilError
from harness.link.port import Port

# EN low = RTS and not DTR, IO0 low = DTR and not RTS (the two transistors of Espressif's boards): with DTR off the
# whole time, IO0 stays high and the chip starts its flash, not its loader.
_ESP_HOLD_S = 0.1
# A capacitor makes a pulse on the reset pin of it (Arduino Uno, Mega).
_PULSE_S = 0.1
# Boards with USB of their own restart, most of them into their boot loader, which starts the program again after some
# seconds or waits for an uploader: the catalogue says which.
_TOUCH_BAUD, _TOUCH_S = 1200, 0.25


@dataclass(frozen=True, slots=True)
class ResetStep:
    """One thing that was tried: `error` is None where it worked."""

    what: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ResetRecord:
    """A reset as it went. Whether the firmware really restarted is only known from its next HELLO."""

    method: ResetMethod
    steps: tuple[ResetStep, ...]

    @property
    def done(self) -> bool:
        """Every step worked, and there was one."""
        return bool(self.steps) and all(step.error is None for step in self.steps)


def reset_board(board: Board, *, emulator: Emulator | None, port: Port | None) -> ResetRecord:
    """Resets by the board's method. Steps that fail are recorded, not raised; those after them are not tried.

    Args:
        board: whose method is taken.
        emulator: of an emulated board.
        port: open port of a real board.
    """
    plan: list[tuple[str, Callable[[], None]]]
    match board.reset:
        case "emulator":
            assert emulator is not None
            plan = [("press the emulator's reset", emulator.reset)]
        case "esp-classic":
            assert port is not None
            plan = [
                ("hold EN low (RTS on, DTR off)", lambda: port.set_lines(dtr=False, rts=True)),
                (f"wait {_ESP_HOLD_S:g} s", lambda: time.sleep(_ESP_HOLD_S)),
                ("release EN (RTS off, DTR off)", lambda: port.set_lines(dtr=False, rts=False)),
            ]
        case "dtr-pulse":
            assert port is not None
            plan = [
                ("drop DTR", lambda: port.set_lines(dtr=False, rts=False)),
                (f"wait {_PULSE_S:g} s", lambda: time.sleep(_PULSE_S)),
                ("raise DTR", lambda: port.set_lines(dtr=True, rts=True)),
            ]
        case "touch-1200":
            assert port is not None
            plan = [
                ("set 1200 baud", lambda: port.set_baud(_TOUCH_BAUD)),
                ("drop DTR", lambda: port.set_lines(dtr=False, rts=True)),
                (f"wait {_TOUCH_S:g} s", lambda: time.sleep(_TOUCH_S)),
                ("close the port", port.close),
            ]
        case "none":
            plan = []
        case unknown:
            assert_never(unknown)
    steps = []
    for what, act in plan:
        try:
            act()
        except (HilError, OSError) as error:
            steps.append(ResetStep(what, str(error) or type(error).__name__))
            break
        steps.append(ResetStep(what, None))
    return ResetRecord(board.reset, tuple(steps))
