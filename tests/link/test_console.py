"""Device text is made harmless before anyone sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.link.console import MAX_LINE_CHARS, MAX_LINES, Console, sanitise


def test_escape_sequences_go_and_other_control_characters_are_spelt_out() -> None:
    assert sanitise("\x1b[31mred\x1b[0m \x1b]0;title\x07x\ty\x07\x9b") == "red x y\\x07\\x9b"


def test_text_that_changes_the_direction_of_writing_is_spelt_out() -> None:
    assert sanitise("a\u202eb") == "a\\u202eb"


def test_broken_utf8_is_kept_visible() -> None:
    console = Console()
    console.add(b"caf\xc3\xa9 \xff\xfe")
    assert console.tail() == ("café \\xff\\xfe",)


def test_lines_end_in_each_of_the_usual_ways_and_empty_ones_are_dropped() -> None:
    console = Console()
    console.add(b"a\r\nb\n\nc\rd")
    assert console.tail() == ("a", "b", "c", "d")


def test_unfinished_text_is_shown_but_not_kept() -> None:
    console = Console()
    console.add(b"a\n")
    assert console.tail(b"panic") == ("a", "panic")
    assert console.tail() == ("a",)


@given(st.lists(st.binary(max_size=2000), max_size=50))
def test_the_tail_is_bounded_and_printable_whatever_comes(pieces: list[bytes]) -> None:
    console = Console()
    for piece in pieces:
        console.add(piece * 5)
    assert len(console.tail()) <= MAX_LINES
    assert all(len(line) <= MAX_LINE_CHARS and line.isprintable() for line in console.tail())
