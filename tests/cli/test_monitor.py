"""Lines and frames out of bytes, and the command on a real pty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocol.frame import Frame, encode_message
from harness.protocol.ids import MessageType, ResetReason
from harness.protocol.messages import Boot, encode_boot
from harness.report.frames import describe_frame
from harness.workflow.monitor import LineCutter

BOOT = encode_message(MessageType.BOOT, 0, 0, encode_boot(Boot(ResetReason.WATCHDOG, 3)))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=30))
def test_lines_and_frames_come_whole_however_the_bytes_are_cut(steps: list[int]) -> None:
    data = b"hello\r\nwor" + b"ld\n" + BOOT + b"after\n" + BOOT + b"end\n"
    cutter = LineCutter()
    found: list[str | Frame] = []
    position, k = 0, 0
    while position < len(data):
        step = steps[k % len(steps)]
        found += cutter.feed(data[position : position + step])
        position, k = position + step, k + 1
    found += cutter.rest()
    shown = [what if isinstance(what, str) else what.type for what in found]
    assert shown == ["hello", "world", MessageType.BOOT, "after", MessageType.BOOT, "end"]


def test_a_line_without_end_is_shown_once() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"login: ") == []
    assert cutter.rest() == ["login: "]
    assert cutter.rest() == []
    assert cutter.feed(b"root\n") == ["root"]


@given(st.binary(max_size=300))
def test_noise_never_raises(data: bytes) -> None:
    cutter = LineCutter()
    cutter.feed(data)
    cutter.rest()


@given(st.integers(0, 255), st.binary(max_size=80))
def test_any_frame_can_be_described_on_one_printable_line(message_type: int, body: bytes) -> None:
    text = describe_frame(Frame(message_type, 1, 2, body))
    assert text.isprintable()


@pytest.mark.parametrize("as_json", [False, True])
def test_monitor_shows_a_port_and_ends_in_time(as_json: bool) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        command = [sys.executable, "-m", "harness.cli", "monitor", "-p", os.ttyname(slave), "--for", "1.5"]
        if as_json:
            command += ["--json", "-"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "Ctrl-C ends" in process.stderr.readline()
        os.write(master, b"\x1b[2J::error::hello\n" + BOOT)
        out, _ = process.communicate(timeout=20)
    finally:
        os.close(master)
        os.close(slave)
    assert process.returncode == 0
    assert "\x1b" not in out
    if as_json:
        first, second = (json.loads(line) for line in out.splitlines())
        assert (first["kind"], second["kind"]) == ("console", "frame")
        assert second["type"] == MessageType.BOOT
    else:
        first, second = out.splitlines()
        assert "hello" in first
        assert "BOOT, no session: watchdog, boot 3" in second
