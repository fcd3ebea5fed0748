"""Reset methods: the order of the lines is what keeps an ESP32 out of its loader."""

from __future__ import annotations

from dataclasses import replace

from harness.boards.catalogue import find_board
from harness.boards.reset import reset_board
from harness.errors import PortLostError
from harness.link.deadline import Deadline

ESP32 = find_board("esp32")


class Lines:
    """A port on which only the lines matter; a pty has none to look at."""

    name = "/dev/lines"
    baud = 115200

    def __init__(self, fail_at: int | None = None) -> None:
        self.states: list[tuple[bool, bool]] = []
        self.bauds: list[int] = []
        self.closed = False
        self._fail_at = fail_at

    def set_lines(self, dtr: bool, rts: bool) -> None:
        if len(self.states) == self._fail_at:
            raise PortLostError("the port went away", port=self.name)
        self.states.append((dtr, rts))

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        return b""

    def write(self, data: bytes, deadline: Deadline) -> None: ...

    def set_baud(self, baud: int) -> None:
        self.bauds.append(baud)

    def close(self) -> None:
        self.closed = True


def test_an_esp_is_reset_into_its_flash_not_its_loader() -> None:
    port = Lines()
    record = reset_board(ESP32, emulator=None, port=port)
    assert record.done
    # (DTR, RTS): EN low is RTS and not DTR; IO0 low, which selects the loader, would be DTR and not RTS.
    assert port.states == [(False, True), (False, False)]


def test_a_step_that_fails_is_recorded_and_ends_the_reset() -> None:
    record = reset_board(ESP32, emulator=None, port=Lines(fail_at=0))
    assert not record.done
    (step,) = record.steps
    assert "hold EN" in step.what
    assert "the port went away" in (step.error or "")


def test_a_board_without_a_method_says_so() -> None:
    record = reset_board(replace(ESP32, reset="none"), emulator=None, port=Lines())
    assert (record.done, record.steps) == (False, ())


def test_an_arduino_is_reset_by_a_pulse_on_dtr() -> None:
    port = Lines()
    assert reset_board(replace(ESP32, reset="dtr-pulse"), emulator=None, port=port).done
    assert [dtr for dtr, _ in port.states] == [False, True]


def test_a_touch_is_1200_baud_without_dtr_and_then_the_port_is_gone() -> None:
    port = Lines()
    assert reset_board(replace(ESP32, reset="touch-1200"), emulator=None, port=port).done
    assert port.bauds == [1200]
    assert [dtr for dtr, _ in port.states] == [False]
    assert port.closed
