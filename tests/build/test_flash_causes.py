"""Uploaders' own words, and what the harness makes of them.

Samples of esptool 5 were printed here; those of other tools are after their sources and public bug reports.
"""
# ruff: noqa: E501 - lines are as the tools print them

from __future__ import annotations

import pytest

from harness.boards.catalogue import find_board
from harness.build import flash_causes
from harness.build.flash_causes import find_cause, slower_may_help
from harness.build.pio import PioOutput
from harness.errors import FlashError

# (tool, what it printed, cause)
SAMPLES = [
    (
        "esptool",
        "Connecting...\n\nERROR: A fatal error occurred: This chip is ESP32-S3, not ESP32-C3. Wrong chip argument?",
        "wrong chip",
    ),
    ("esptool 4", "A fatal error occurred: This chip is ESP32-C3 not ESP32. Wrong --chip argument?", "wrong chip"),
    (
        "esptool",
        "A fatal error occurred: 'firmware.bin' is not an ESP32 image: Unexpected chip ID in image. Expected 0 but value was 5.",
        "wrong chip",
    ),
    (
        "avrdude",
        "avrdude: Device signature = 0x1e9801 (probably m2560)\navrdude: Expected signature for ATmega328P is 1E 95 0F\n"
        "         Double check chip, or use -F to override this check.",
        "wrong chip",
    ),
    ("openocd", "Warn : UNEXPECTED idcode: 0x2ba01477\nError: expected 1 of 1: 0x1ba01477", "wrong chip"),
    ("st-flash", "2023-01-01T10:00:00 WARN common.c: unknown chip id! 0xe0042000", "wrong chip"),
    ("bossac", "Device unsupported", "wrong chip"),
    ("picotool", "ERROR: The UF2 family ID does not match the device", "wrong chip"),
    (
        "esptool",
        "Verifying written data...\nInput MD5: 6a02dd1e\nFlash MD5: 6c7ba9c5\n\n"
        "ERROR: A fatal error occurred: MD5 of file does not match data in flash!",
        "verify failed",
    ),
    (
        "avrdude",
        "avrdude: verification error, first mismatch at byte 0x0000\n             0xf9 != 0x01\n"
        "avrdude: verification error; content mismatch",
        "verify failed",
    ),
    ("bossac", "Verify 49716 bytes of flash\nVerify failed\nPage errors: 128\nByte errors: 7956", "verify failed"),
    ("openocd", "** Verify Started **\nError: checksum mismatch\n** Verify Failed **", "verify failed"),
    ("st-flash", "ERROR common_flash.c: Verification of flash failed at offset: 0", "verify failed"),
    (
        "esptool",
        "ERROR: A fatal error occurred: Could not open /dev/ttyUSB0, the port is busy or doesn't exist.\n"
        "([Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0')\n\n"
        "Hint: Try to add user into dialout or uucp group.",
        "no permission",
    ),
    ("avrdude", 'avrdude: ser_open(): can\'t open device "/dev/ttyACM0": Permission denied', "no permission"),
    (
        "dfu-util",
        "dfu-util: Cannot open DFU device 0483:df11 found on devnum 3 (LIBUSB_ERROR_ACCESS)\n"
        "dfu-util: No DFU capable USB device available",
        "no permission",
    ),
    ("openocd", "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: open failed", "no permission"),
    (
        "picotool",
        "No accessible RP2040 devices in BOOTSEL mode were found.\n\nbut:\n\nDevice at bus 1, address 9 appears to be a RP2040 "
        "device in BOOTSEL mode, but picotool was unable to connect. Maybe try 'sudo' or check your permissions.",
        "no permission",
    ),
    (
        "esptool",
        "ERROR: A fatal error occurred: Could not open /dev/ttyUSB7, the port is busy or doesn't exist.\n"
        "([Errno 2] could not open port /dev/ttyUSB7: [Errno 2] No such file or directory: '/dev/ttyUSB7')\n\n"
        "Hint: Check if the port is correct and ESP connected",
        "port not found",
    ),
    ("avrdude", 'avrdude: ser_open(): can\'t open device "/dev/ttyACM0": No such file or directory', "port not found"),
    (
        "PlatformIO",
        "Error: Please specify `upload_port` for environment or use global `--upload-port` option.",
        "port not found",
    ),
    (
        "esptool",
        "ERROR: A fatal error occurred: Could not open /dev/pts/1, the port is busy or doesn't exist.\n"
        "([Errno 11] Could not exclusively lock port /dev/pts/1: [Errno 11] Resource temporarily unavailable)",
        "port busy",
    ),
    ("avrdude", 'avrdude: ser_open(): can\'t open device "/dev/ttyACM0": Device or resource busy', "port busy"),
    ("bossac", "Resource temporarily unavailable", "port busy"),
    (
        "esptool",
        "Lost connection, retrying...\nWaiting for the chip to reconnect.......\n"
        "ERROR: A serial exception error occurred: Could not configure port: (5, 'Input/output error')",
        "disconnected",
    ),
    (
        "esptool",
        "A serial exception error occurred: device reports readiness to read but returned no data "
        "(device disconnected or multiple access on port?)",
        "disconnected",
    ),
    ("avrdude", "avrdude: ser_send(): write error: Input/output error", "disconnected"),
    ("dfu-util", "dfu-util: Lost device after RESET?", "disconnected"),
    ("dfu-util", "dfu-util: Error during download get_status (LIBUSB_ERROR_NO_DEVICE)", "disconnected"),
    ("teensy_loader_cli", "error writing to Teensy", "disconnected"),
    (
        "esptool",
        "Connecting......................................\n\nERROR: A fatal error occurred: Failed to connect to ESP32-C3: "
        "No serial data received.",
        "not in boot mode",
    ),
    (
        "esptool",
        "A fatal error occurred: Failed to connect to ESP32: Wrong boot mode detected (0x13)! The chip needs to be in download mode.",
        "not in boot mode",
    ),
    (
        "avrdude",
        "avrdude: stk500_recv(): programmer is not responding\navrdude: stk500_getsync() attempt 10 of 10: not in sync: resp=0x01",
        "not in boot mode",
    ),
    ("avrdude", "avrdude: stk500v2_ReceiveMessage(): timeout", "not in boot mode"),
    ("bossac", "Set binary mode\nSend auto-baud\nSet binary mode\nNo device found on /dev/ttyACM0", "not in boot mode"),
    ("bossac", "SAM-BA operation failed", "not in boot mode"),
    ("dfu-util", "dfu-util: No DFU capable USB device available", "not in boot mode"),
    ("picotool", "No accessible RP-series devices in BOOTSEL mode were found.", "not in boot mode"),
    (
        "openocd",
        "Info : Target voltage: 3.218714\nError: init mode failed (unable to connect to the target)\n** OpenOCD init failed **",
        "not in boot mode",
    ),
    ("openocd", "Error: open failed\nin procedure 'program'\n** OpenOCD init failed **", "not in boot mode"),
    ("st-flash", "2020-03-06T07:06:35 WARN usb.c: Couldn't find any ST-Link/V2 devices", "not in boot mode"),
    ("teensy_loader_cli", "Unable to open device (hint: try -w option)", "not in boot mode"),
    (
        "esptool",
        "A fatal error occurred: Invalid head of packet (0x08): Possible serial noise or corruption.",
        "line errors",
    ),
    ("esptool", "A fatal error occurred: Packet content transfer stopped (received 8 bytes)", "line errors"),
    ("esptool", "StopIteration\n\nA fatal error occurred: The chip stopped responding.", "line errors"),
    (
        "esptool",
        "A fatal error occurred: Failed to write compressed data to flash after seq 3 (result was C100: Unknown result)",
        "line errors",
    ),
    ("avrdude", "avrdude: stk500_paged_write(): (a) protocol error, expect=0x14, resp=0x64", "line errors"),
    ("bossac", "Write 93760 bytes to flash (184 pages)\nFlash command failed", "line errors"),
    ("PlatformIO", "/usr/bin/python3: No module named esptool", "uploader missing"),
    ("shell", "sh: 1: avrdude: not found", "uploader missing"),
]


@pytest.mark.parametrize(("tool", "said", "cause"), SAMPLES, ids=[f"{cause}, {tool}" for tool, _, cause in SAMPLES])
def test_words_of_an_uploader_have_a_cause(tool: str, said: str, cause: str) -> None:
    found = find_cause(said.splitlines())
    assert found is not None
    assert found.name == cause
    assert found.line in said
    assert found.hint


def test_every_row_of_the_table_is_proved_by_a_sample() -> None:
    lines = [line for _, said, _ in SAMPLES for line in said.splitlines()]
    unproved = [pattern.pattern for _, pattern in flash_causes._PATTERNS if not any(map(pattern.search, lines))]
    assert unproved == []


def test_words_nobody_has_seen_have_no_cause() -> None:
    assert find_cause(["Uploading firmware.bin", "the flux capacitor is empty", "*** [upload] Error 1"]) is None


def test_only_a_bad_line_is_tried_more_slowly() -> None:
    assert [name for name in flash_causes._HINTS if slower_may_help(name)] == ["verify failed", "line errors"]


def failure(*lines: str) -> FlashError:
    with pytest.raises(FlashError) as caught:
        PioOutput(find_board("esp32"), 1, lines).check(FlashError)
    return caught.value


def test_what_the_compiler_said_is_no_cause_of_a_failed_upload() -> None:
    error = failure("src/main.cpp:1: error: Permission denied", "*** [main.o] Error 1")
    assert error.cause == ""
    assert "Permission denied" in error.what


def test_cause_tool_and_line_are_in_the_error() -> None:
    error = failure(
        "Configuring upload protocol...",
        "Looking for upload port...",
        "avrdude: stk500_recv(): programmer is not responding",
        "*** [upload] Error 1",
    )
    assert error.cause == "not in boot mode"
    assert "not in boot mode: avrdude: stk500_recv(): programmer is not responding" in error.what
    assert error.exit_code == 4


def test_an_unknown_failure_still_shows_the_tools_words() -> None:
    error = failure("Uploading firmware.bin", "Error: the flux capacitor is empty", "*** [upload] Error 1")
    assert error.cause == ""
    assert "the flux capacitor is empty" in error.what
