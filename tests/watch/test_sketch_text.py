"""Lines of sketches and their libraries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.workflow.sketch_text import SketchPattern, complaint, is_boot


@pytest.mark.parametrize(
    ("line", "expected", "predicted", "half_unit"),
    [
        ("Expcted = 17.76, predicted = 17.76", 17.76, 17.76, 0.005),
        ("Expected=11.44,predicted=-3", 11.44, -3.0, 0.5),
        ("12:00:01.123 -> Expcted = 1.0, predicted = 1.5e-3", 1.0, 0.0015, 0.00005),
        ("Expcted = 17.76, predicted = ovf", 17.76, math.inf, 0.0),
        ("Expcted = 17.76, predicted = -inf", 17.76, -math.inf, 0.0),
    ],
)
def test_the_tutorials_line_is_read(line: str, expected: float, predicted: float, half_unit: float) -> None:
    printed = SketchPattern().parse(line)
    assert printed is not None and printed.expected is not None
    assert printed.expected.value == expected
    (number,) = printed.predicted
    assert (number.value, number.half_unit) == (predicted, pytest.approx(half_unit))


@pytest.mark.parametrize(
    "line",
    ["", "pcted = 17.76, predicted = 17.76", "Expcted = 17.76, predicted = ", "Expcted = 17.76, predicted = 17.7x"],
)
def test_a_torn_line_is_no_prediction(line: str) -> None:
    assert SketchPattern().parse(line) is None


def test_several_outputs_and_a_vectors_number_are_read() -> None:
    printed = SketchPattern(r"#(?P<vector>\d+): \[(?P<predicted>.*)\]").parse("#12: [0.1, -2.50, nan]")
    assert printed is not None
    assert printed.vector == 12
    assert [n.half_unit for n in printed.predicted] == [pytest.approx(0.05), pytest.approx(0.005), 0.0]


@pytest.mark.parametrize("pattern", ["(", "x", "(?P<value>.)", "(?P<predicted>.)(?P<other>.)"])
def test_a_pattern_that_can_not_work_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError):
        SketchPattern(pattern)


@given(st.text(max_size=120))
def test_no_line_raises(line: str) -> None:
    SketchPattern().parse(line)
    SketchPattern("(?P<predicted>.*)(?P<expected>.*)(?P<vector>.*)").parse(line)
    complaint(line)
    is_boot(line)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 8))
def test_rounding_to_the_printed_digits_is_within_half_a_unit(value: float, digits: int) -> None:
    printed = SketchPattern().parse(f"Expcted = 0, predicted = {value:.{digits}f}")
    assert printed is not None
    (number,) = printed.predicted
    assert abs(number.value - value) <= number.half_unit * (1 + 1e-9) + 4e-16 * abs(value)


@pytest.mark.parametrize(
    ("line", "said", "advice"),
    [
        ("AllocateTensors() failed", "could not place", "ARENA_SIZE"),
        ("Failed to resize buffer. Requested: 1176, available 900, missing: 276", "276 bytes", "ARENA_SIZE"),
        ("Failed to allocate tail memory. Requested: 16, available 0, missing: 16", "16 bytes", "ARENA_SIZE"),
        ("Too many buffers (max is 13)", "13 buffers", "ARENA_SIZE"),
        (
            "Didn't find op for builtin opcode 'UNIDIRECTIONAL_SEQUENCE_LSTM'",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            "registerNetworkOps",
        ),
        ("Model version mismatch. Expected 3, got 0", "another version", "hil convert"),
        ("You must set the number of inputs", "how many inputs", "setNumInputs"),
        ("Invoke() failed", "inference failed", "hil lint"),
        ("Guru Meditation Error: Core  1 panic'ed (StoreProhibited).", "crashed", "leaks"),
        ("Brownout detector was triggered", "voltage", "cable"),
    ],
)
def test_a_librarys_complaint_is_named_with_what_to_do(line: str, said: str, advice: str) -> None:
    found = complaint(f"E (1234) main: {line}")
    assert found is not None
    assert said in found.what
    assert advice in found.hint


def test_starts_of_a_board_are_known() -> None:
    assert is_boot("__TENSORFLOW LSTM__")
    assert is_boot("rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)")
    assert not is_boot("Expcted = 17.76, predicted = 17.76")
