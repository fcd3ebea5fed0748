"""Device text reaches nobody raw."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.safe_text import printable, printable_lines

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(), max_size=600))
def test_any_text_becomes_one_printable_line_of_bounded_length(text: str) -> None:
    shown = printable(text, max_chars=100)
    assert not any(unicodedata.category(char) in HIDDEN for char in shown)
    assert len(shown) <= 100 * len("\\U0010ffff")
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "::error::x",
        "   ::add-mask::x",
        "words then ::set-output name=a::b",
        "glued::stop-commands::token",
        "##[error]x",
        "text ##vso[task.setvariable variable=x]y",
        "##teamcity[message text='x']",
        "\x1b[0m::error::x",
    ],
)
def test_no_ci_runner_finds_a_command_wherever_the_line_is_wrapped(line: str) -> None:
    shown = printable(line)
    assert "##[" not in shown
    assert "##vso[" not in shown
    assert "##teamcity[" not in shown
    for start in range(len(shown)):
        assert not shown[start:].lstrip().startswith(("::error", "::add-mask", "::set-output", "::stop-commands"))


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("µs ≥ 3 °C", "std::array<int, 3>::size", "[/dram] 12%", "a: b :: c"[:4], "C:\\x"):
        assert printable(text) == text


def test_only_the_last_lines_are_kept() -> None:
    assert printable_lines("a\nb\nc", max_lines=2) == ["b", "c"]
