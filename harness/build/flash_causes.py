"""Why an upload failed, from what the uploader printed: a table, tried from top to bottom.

Each row has the tools' own words (tests/build/test_flash_causes.py holds samples). Rows that say more come first:
esptool, for one, says "the port is busy or doesn't exist" whatever the reason, and the reason in the next line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CauseName = Literal[
    "wrong chip",
    "verify failed",
    "no permission",
    "port not found",
    "port busy",
    "disconnected",
    "not in boot mode",
    "line errors",
    "uploader missing",
]


@dataclass(frozen=True, slots=True)
class Cause:
    """What is behind a failure.

    Attributes:
        name: in two words.
        hint: what to do about it.
        line: the uploader's line that told.
    """

    name: CauseName
    hint: str
    line: str


_HINTS: dict[CauseName, str] = {
    "wrong chip": "the board at this port is of another kind: name the right one (--board), or the right port (--port)",
    "verify failed": "try another cable and a USB port without a hub; a flash that is worn out fails like this too",
    "no permission": "add yourself to group dialout (sudo usermod -aG dialout $USER) and log in again; for ST-Link, "
    "DFU and RP2040 install udev rules (docs/boards.md)",
    "port not found": "plug the board in, or name its port (hil ports lists them)",
    "port busy": "end the program that has the port open (a serial monitor, an IDE, ModemManager): hil ports names it",
    "disconnected": "check the cable and the board's power, then run it again",
    "not in boot mode": "put it into its boot loader by hand (hold BOOT or BOOTSEL while you press reset or plug it "
    "in; on Arduino boards press reset twice) and run it again",
    "line errors": "try a shorter cable and a USB port without a hub",
    "uploader missing": "install what the board's platform brings: python -m platformio pkg install",
}
_SLOWER: frozenset[str] = frozenset({"verify failed", "line errors"})

_TABLE: tuple[tuple[CauseName, str], ...] = (
    # esptool 4 and 5; avrdude; OpenOCD; st-flash; bossac
    ("wrong chip", r"This chip is .+,? not .+\. Wrong (--)?chip argument"),
    ("wrong chip", r"Unexpected chip ID in image|image for chip id"),
    ("wrong chip", r"[Ee]xpected signature for .+ is"),
    ("wrong chip", r"UNEXPECTED idcode|expected \d+ of \d+: 0x"),
    ("wrong chip", r"unknown chip id"),
    ("wrong chip", r"Device unsupported"),
    ("wrong chip", r"ERROR: .*(family|does not match the device)"),
    # esptool; avrdude; bossac; OpenOCD; st-flash; picotool
    ("verify failed", r"MD5 of file does not match data in flash|Verify failed \(|digest mismatch"),
    ("verify failed", r"verification error|content mismatch|verification mismatch"),
    ("verify failed", r"Verify failed$|\d+ Page errors|Byte errors: [1-9]"),
    ("verify failed", r"\*\* Verify Failed \*\*|checksum mismatch"),
    ("verify failed", r"Verification of flash failed|ERROR: The contents did not match"),
    # every tool on a serial port, by the kernel's words; libusb's
    ("no permission", r"\[Errno 13\]|[Pp]ermission denied|PermissionError"),
    ("no permission", r"LIBUSB_ERROR_ACCESS|insufficient permissions|unable to connect\. Maybe try 'sudo'"),
    ("port not found", r"\[Errno 2\] could not open port|could not open port .*No such file"),
    ("port not found", r"can't open device \"[^\"]+\": No such file or directory|cannot open port .*No such file"),
    ("port not found", r"Please specify `?upload_port`?|Couldn't find (a board|upload port)"),
    ("port busy", r"Could not exclusively lock port|[Rr]esource busy|\[Errno 16\]|LIBUSB_ERROR_BUSY"),
    ("port busy", r"[Rr]esource temporarily unavailable|multiple access on port\?\)?.*busy"),
    # pyserial under esptool; the kernel's words in avrdude and bossac; dfu-util; teensy_loader_cli
    ("disconnected", r"device reports readiness to read but returned no data|device disconnected"),
    ("disconnected", r"[Ii]nput/output error|\[Errno 5\]|\[Errno 6\]|No such device"),
    (
        "disconnected",
        r"LIBUSB_ERROR_NO_DEVICE|LIBUSB_ERROR_IO|LIBUSB_ERROR_PIPE|Lost device after RESET|unable to read DFU",
    ),
    ("disconnected", r"error writing to Teensy|Device disconnected|ClearCommError failed"),
    # esptool; avrdude; bossac and 1200-baud touch; dfu-util; picotool, rp2040load; OpenOCD, st-flash; teensy
    (
        "not in boot mode",
        r"Wrong boot mode detected|needs to be in download mode|Download mode successfully detected, but",
    ),
    (
        "not in boot mode",
        r"Failed to connect to (ESP|Espressif|.*device).*: (No serial data received|Timed out|Invalid)",
    ),
    ("not in boot mode", r"not in sync|programmer is not responding|stk500v2_ReceiveMessage\(\): timeout|getsync\(\)"),
    ("not in boot mode", r"No device found on|SAM-BA operation failed|can't open .* at 1200"),
    ("not in boot mode", r"No DFU capable USB device available"),
    ("not in boot mode", r"No accessible RP.* devices in BOOTSEL mode|no device in BOOTSEL mode"),
    ("not in boot mode", r"init mode failed|unable to connect to the target|Failed to connect to target"),
    ("not in boot mode", r"Couldn't find any ST-Link|Error: open failed|Error: no device found"),
    ("not in boot mode", r"Unable to open device \(hint: try -w option\)|Waiting for Teensy device"),
    # esptool; avrdude; bossac; dfu-util
    ("line errors", r"Invalid head of packet|serial noise or corruption|Packet content transfer stopped"),
    ("line errors", r"chip stopped responding|Timed out waiting for packet|Guru Meditation|invalid checksum"),
    ("line errors", r"Failed to write (compressed data )?to (target )?flash|Invalid (data )?checksum|result was \d{4}"),
    ("line errors", r"protocol error|protocol sync|timeout communicating|Flash command failed"),
    (
        "uploader missing",
        r"(esptool|bossac|dfu-util|avrdude|picotool|openocd|st-flash|teensy_loader_cli).*(not found|No module)",
    ),
    ("uploader missing", r"No module named '?esptool"),
)
_PREFIX = re.compile(r"^(ERROR: )?(A fatal error occurred: |A serial exception error occurred: )?")
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _TABLE)


def find_cause(lines: Sequence[str]) -> Cause | None:
    """The first row of the table that some line fits, and that line; None: the words are unknown."""
    for name, pattern in _PATTERNS:
        for line in lines:
            if pattern.search(line):
                return Cause(name, _HINTS[name], _PREFIX.sub("", line.strip()))
    return None


def slower_may_help(cause: str) -> bool:
    """Whether a failure of that name is worth one more try at a lower speed."""
    return cause in _SLOWER
