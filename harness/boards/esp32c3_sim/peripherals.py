"""Peripherals of the ESP32-C3 that the firmware uses, by their registers. Other registers keep what is written to them.

Register names and bits: ESP32-C3 Technical Reference Manual, chapters UART, System Timer, Interrupt Matrix, RTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

FIFO_BYTES = 128
TICK_HZ = 16_000_000
CPU_HZ = 20_000_000  # as the ROM leaves the clocks: half of the 40 MHz crystal
WORD = 0xFFFFFFFF


class Peripheral(Protocol):
    """One block of registers, 4 KiB long."""

    base: int

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


class Uart:
    """UART0. Its receive FIFO never overflows here: bytes wait on the line until there is room."""

    base = 0x60000000
    source = 21  # of the interrupt matrix
    _INT_RX_FULL = 1

    def __init__(self) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self._other: dict[int, int] = {}
        self._enabled = 0
        self._threshold = 96

    @property
    def interrupt(self) -> bool:
        """Whether it asks for its interrupt."""
        return bool(self._raw & self._enabled)

    @property
    def _raw(self) -> int:
        return self._INT_RX_FULL if self.received and len(self.received) >= self._threshold else 0

    def read(self, offset: int) -> int:
        match offset:
            case 0x00:
                return self.received.pop(0) if self.received else 0
            case 0x04:
                return self._raw
            case 0x08:
                return self._raw & self._enabled
            case 0x0C:
                return self._enabled
            case 0x1C:  # the transmit FIFO is always empty: the host takes bytes as they come
                return len(self.received)
            case _:
                return self._other.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        match offset:
            case 0x00:
                self.sent.append(value & 0xFF)
            case 0x0C:
                self._enabled = value
            case 0x24:
                self._threshold = value & 0x1FF
                self._other[offset] = value
            case _:
                self._other[offset] = value


class SystemTimer:
    """Unit 0 and alarm 0 of SYSTIMER.

    Args:
        cycles: CPU cycles since the chip's start.
    """

    base = 0x60023000
    source = 37
    _ALARM_RUNS = 1 << 24

    def __init__(self, cycles: Callable[[], int]) -> None:
        self._cycles = cycles
        self._slept_ticks = 0
        self._latched = 0
        self._registers: dict[int, int] = {}
        self._target: int | None = None
        self._rang = False

    @property
    def ticks(self) -> int:
        """Its count: of the cycles executed, and of the time the CPU slept."""
        return self._cycles() * TICK_HZ // CPU_HZ + self._slept_ticks

    @property
    def interrupt(self) -> bool:
        """Whether it asks for its interrupt."""
        self._look()
        return self._rang and bool(self._registers.get(0x64, 0) & 1)

    @property
    def alarm_in_s(self) -> float | None:
        """Seconds until the alarm; None: it is off."""
        return None if self._target is None else max(0, self._target - self.ticks) / TICK_HZ

    def sleep(self, seconds: float) -> None:
        """The CPU has slept that long."""
        self._slept_ticks += round(seconds * TICK_HZ)

    def read(self, offset: int) -> int:
        match offset:
            case 0x04:
                return 1 << 29  # a snapshot is valid at once
            case 0x40:
                return self._latched >> 32 & 0xFFFFF
            case 0x44:
                return self._latched & WORD
            case 0x68:
                self._look()
                return int(self._rang)
            case 0x70:
                return int(self.interrupt)
            case _:
                return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._registers[offset] = value
        match offset:
            case 0x04:
                if value & 1 << 30:
                    self._latched = self.ticks
            case 0x00 | 0x50:
                runs = bool(self._registers.get(0x00, 0) & self._ALARM_RUNS)
                high, low = self._registers.get(0x1C, 0) & 0xFFFFF, self._registers.get(0x20, 0)
                self._target = high << 32 | low if runs else None
            case 0x6C:
                self._rang = self._rang and not value & 1
                self._registers[offset] = 0

    def _look(self) -> None:
        if self._target is not None and self.ticks >= self._target:
            self._rang = True
            self._target = None


class InterruptMatrix:
    """Sources to CPU interrupt lines, all level-triggered."""

    base = 0x600C2000
    _DEFAULT_LINE = 0

    def __init__(self) -> None:
        self._registers: dict[int, int] = {}

    def line(self, asking: tuple[int, ...]) -> int | None:
        """The CPU line of highest priority that is enabled and has one of the asking sources; None: none."""
        enabled, threshold = self._registers.get(0x104, 0), self._registers.get(0x194, 0)
        best: tuple[int, int] | None = None
        for source in asking:
            line = self._registers.get(4 * source, self._DEFAULT_LINE) & 0x1F
            priority = self._registers.get(0x114 + 4 * line, 0) & 0xF
            if (
                enabled >> line & 1
                and priority
                and priority >= threshold
                and (best is None or (priority, -line) > best)
            ):
                best = (priority, -line)
        return None if best is None else -best[1]

    def read(self, offset: int) -> int:
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._registers[offset] = value


class Registers:
    """A block whose registers just keep what is written, with some that have a value from the start."""

    def __init__(self, base: int, values: dict[int, int] | None = None) -> None:
        self.base = base
        self._values = dict(values or {})

    def read(self, offset: int) -> int:
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._values[offset] = value


class Rtc:
    """RTC controller, with the eFuses behind it: why the chip started, and the software reset.

    Args:
        cause: why the chip started.
        on_reset: called when the program resets the chip.
    """

    base = 0x60008000
    _SYSTEM_RESET = 1 << 31

    def __init__(self, cause: int, efuses: dict[int, int], on_reset: Callable[[], None]) -> None:
        self._values = {0x38: cause, **{address - self.base: value for address, value in efuses.items()}}
        self._on_reset = on_reset

    def read(self, offset: int) -> int:
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == 0 and value & self._SYSTEM_RESET:
            self._on_reset()
        elif offset != 0x38:
            self._values[offset] = value
