"""The shipped catalogue is right, and a mistake in one is named."""

from __future__ import annotations

import dataclasses

import pytest

from harness.boards.catalogue import CatalogueError, find_board, load_catalogue, missing_here, parse_catalogue
from harness.errors import EXIT_USAGE, UsageError

GOOD = """
[board1]
title = "A board"
kind = "real"
mcu = "MCU"
platformio_env = "board1"
ram_bytes = 8192
flash_bytes = 65536
engines = ["rnn"]
arena_max_bytes = 1024
max_frame_bytes = 256
rx_buffer_bytes = 512
baud_safe = 115200
usb_ids = ["10c4:ea60"]
needs = []
"""


def test_the_shipped_catalogue_is_valid() -> None:
    boards = load_catalogue()
    assert {"host", "netduino2plus", "megaatmega2560", "esp32"} <= set(boards)
    assert all(board.id == name for name, board in boards.items())
    assert {board.reset for board in boards.values() if board.kind == "emulated"} == {"emulator"}


def test_a_board_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_board("host").baud_safe = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "real"', 'kind = "imaginary"', "kind"),
        ("ram_bytes = 8192", "ram_bytes = -1", "ram_bytes"),
        ("ram_bytes = 8192", "ram_bytes = true", "ram_bytes"),
        ("ram_bytes = 8192", 'ram_bytes = "8K"', "ram_bytes"),
        ("ram_bytes = 8192", "", "ram_bytes"),
        ("ram_bytes = 8192", "ram_byte = 8192", "ram_byte"),
        ('engines = ["rnn"]', "engines = []", "engines"),
        ('engines = ["rnn"]', "engines = [1]", "engines"),
        ('engines = ["rnn"]', 'engines = "rnn"', "engines"),
        ("arena_max_bytes = 1024", "arena_max_bytes = 0", "arena_max_bytes"),
        ("max_frame_bytes = 256", "max_frame_bytes = 70000", "max_frame_bytes"),
        ("rx_buffer_bytes = 512", "rx_buffer_bytes = 128", "rx_buffer_bytes"),
        ("10c4:ea60", "10C4:EA60", "usb_ids"),
        ("needs = []", 'needs = []\nreset = "hammer"', "reset"),
        ("needs = []", 'needs = []\nreset = "emulator"', "reset"),
        ("needs = []", 'needs = []\nemulator = "qemu"', "emulator"),
        ('kind = "real"', 'kind = "emulated"', "emulator"),
        ('kind = "real"', 'kind = "emulated"\nemulator = "bochs"', "emulator"),
        ('kind = "real"', 'kind = "emulated"\nemulator = "qemu"', "qemu"),
        ('kind = "real"', 'kind = "emulated"\nemulator = "simavr"', "simavr_mcu"),
        ('kind = "real"', 'kind = "emulated"\nemulator = "simavr"\nsimavr_mcu = "atmega8"', "cpu_hz"),
        ('kind = "real"', 'kind = "emulated"\nemulator = "posix"', "usb_ids"),
    ],
)
def test_a_mistake_names_board_and_key(old: str, new: str, key: str) -> None:
    assert old in GOOD
    with pytest.raises(CatalogueError) as caught:
        parse_catalogue(GOOD.replace(old, new))
    assert "[board1]" in str(caught.value)
    assert caught.value.key == key
    assert key in str(caught.value)


def test_a_good_table_becomes_a_board() -> None:
    (board,) = parse_catalogue(GOOD).values()
    assert board.usb_ids == ("10c4:ea60",)
    assert board.reset == "none"


@pytest.mark.parametrize("text", ["[board1", "board1 = 3", "[BOARD 1]"])
def test_text_that_is_no_catalogue_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(text)


def test_an_unknown_board_is_a_usage_error_with_a_near_match() -> None:
    with pytest.raises(UsageError, match="esp23") as caught:
        find_board("esp23")
    assert caught.value.exit_code == EXIT_USAGE
    assert "did you mean esp32" in (caught.value.hint or "")


def test_a_name_like_no_board_gets_all_of_them() -> None:
    with pytest.raises(UsageError) as caught:
        find_board("xyzzy!")
    assert all(board in (caught.value.hint or "") for board in load_catalogue())


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    missing = {one.what: one for one in missing_here(find_board("netduino2plus"))}
    assert set(missing) == {"arm-none-eabi-g++", "qemu-system-arm"}
    assert missing["qemu-system-arm"].hint == "sudo apt install qemu-system-arm"
    assert "gcc-arm-none-eabi" in missing["arm-none-eabi-g++"].packages
    assert all(one.packages for board in load_catalogue().values() for one in missing_here(board))


def test_a_missing_python_package_is_named_with_the_extra_that_brings_it() -> None:
    board = dataclasses.replace(find_board("esp32c3-sim"), needs=(), needs_python=("json", "no_such_module"))
    (missing,) = missing_here(board)
    assert missing.what == "Python package no_such_module"
    assert "hil-harness[esp]" in missing.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("upload_baud_safe", 0),
        ("boot_usb_ids", ("2341:5A",)),
        ("usb_restart_s", 61),
        ("boot_hint", 1),
        ("reset", "kick"),
    ],
)
def test_a_wrong_upload_field_is_named(key: str, value: object) -> None:
    with pytest.raises(CatalogueError, match=key):
        dataclasses.replace(find_board("esp32"), **{key: value})
