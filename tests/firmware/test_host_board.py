"""The host board as a process: resets, crashes, and lines that end, are full or are silent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from tests.firmware.device import (
    BOOT,
    ERROR,
    FAULT,
    INFER,
    INFO,
    PING,
    PONG,
    POWER_ON,
    REBOOT,
    REBOOTING,
    RESULT,
    SET_ARENA,
    SOFTWARE,
    STATS,
    Device,
    Message,
    frame,
    running,
)

NONCE = 0x01020304
VECTOR = struct.pack("<3f2b", 1.0, 2.0, 3.0, 4, -5)  # the fake engine adds them up: 5
ARENA_GUARD, STACK_BYTES, STACK_FREE_MIN = 6, 8, 1


def boot(device: Device) -> tuple[int, int]:
    """Reset reason and boot count of the BOOT that is next."""
    message = device.receive()
    assert (message.type, message.seq, message.session) == (BOOT, 0, 0)
    reason, count = struct.unpack("<BI", message.body)
    return reason, count


def tlvs(message: Message, start: int = 0) -> dict[int, bytes]:
    found = {}
    body = message.body[start:]
    while body:
        tag, length = body[0], body[1]
        found[tag] = body[2 : 2 + length]
        body = body[2 + length :]
    return found


def test_it_boots_answers_hello_and_infers(host_program: Path) -> None:
    with running(host_program) as device:
        assert boot(device) == (POWER_ON, 1)
        assert device.hello(NONCE).type == INFO
        result = device.ask(INFER, 2, NONCE, b"\0\1" + VECTOR)
        assert result.type == RESULT
        assert struct.unpack_from("<ff", result.body, 6) == (5.0, 1.0)


def test_reboot_forgets_the_session_and_is_counted(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        for count in (2, 3):
            device.hello(NONCE)
            assert device.ask(REBOOT, 2, NONCE).type == REBOOTING
            assert boot(device) == (SOFTWARE, count)
            refused = device.ask(PING, 3, NONCE)
            assert (refused.type, refused.body[0], refused.session) == (ERROR, 3, 0)


def test_reboot_keeps_the_process_id_and_the_arena_returns_to_its_start(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        device.ask(SET_ARENA, 2, NONCE, struct.pack("<I", 300))
        device.ask(REBOOT, 3, NONCE)
        boot(device)
        assert tlvs(device.hello(NONCE), 4)[10] == struct.pack("<III", 512, 128, 100)
        assert device.process.poll() is None


@pytest.mark.parametrize("crash", ["CRASH", "SEGV", "OVERFLOW"])
def test_a_crash_is_a_reset_with_reason_fault_every_time(host_program: Path, crash: str) -> None:
    with running(host_program) as device:
        boot(device)
        for count in (2, 3, 4):
            device.hello(NONCE)
            device.send(frame(PING, 2, NONCE, crash.encode()))
            assert boot(device) == (FAULT, count)
        assert device.hello(NONCE).type == INFO


def test_a_crash_ends_the_process_where_that_is_asked_for(host_program: Path) -> None:
    with running(host_program, {"HIL_CRASH": "exit"}) as device:
        boot(device)
        device.hello(NONCE)
        device.send(frame(PING, 2, NONCE, b"SEGV"))
        assert device.process.wait(10) == -signal.SIGSEGV


def test_requests_waiting_at_a_reset_are_lost_as_on_a_chip(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        device.send(frame(REBOOT, 2, NONCE) + frame(PING, 3, NONCE))
        assert device.receive().type == REBOOTING
        boot(device)
        assert device.ask(PING, 4, NONCE).seq == 4  # and not an answer to 3 before it


def test_it_ends_when_the_line_is_closed(host_program: Path) -> None:
    done = subprocess.run([host_program], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert done.returncode == 0


def test_what_came_before_the_line_was_closed_is_answered(host_program: Path) -> None:
    hello = frame(1, 1, 0, struct.pack("<IBB", NONCE, 1, 1))
    done = subprocess.run([host_program], input=hello, capture_output=True, timeout=20)
    assert done.returncode == 0
    assert b"testboard" in done.stdout


def test_it_ends_when_the_pty_is_closed(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, device.fd)  # closes the pty and leaves the clean-up a descriptor to close
        os.close(nothing)
        assert device.process.wait(10) == 0


def test_a_host_that_never_reads_does_not_hang_it(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        ping = frame(PING, 2, NONCE, bytes(range(1, 200)))
        sent = 0
        os.set_blocking(device.fd, False)
        while sent < 200_000:  # many times what pty and ring hold; nothing is read meanwhile
            select.select([], [device.fd], [], 5)
            with contextlib.suppress(BlockingIOError):
                sent += os.write(device.fd, ping)
        os.set_blocking(device.fd, True)
        with contextlib.suppress(TimeoutError):
            while device.receive(0.5).type == PONG:
                pass
        device.send(b"\0")
        assert device.hello(NONCE + 1).type == INFO


def test_silent_keeps_replies_back_but_executes(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        assert device.ask(PING, 2, NONCE, b"SILENT 1").type == PONG
        infer = frame(INFER, 3, NONCE, b"\1\1" + VECTOR)
        device.send(infer)
        with pytest.raises(TimeoutError):
            device.receive(0.3)
        device.send(infer)  # the stored reply; a second execution would say 10
        assert struct.unpack_from("<f", device.receive().body, 6) == (5.0,)


def test_garble_spoils_a_reply_and_the_stored_one_is_whole(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        device.ask(PING, 2, NONCE, b"GARBLE 1")
        infer = frame(INFER, 3, NONCE, b"\1\1" + VECTOR)
        device.send(infer + infer)
        assert device.receive().type == RESULT
        assert len(device.noise) == 1


def test_a_smashed_arena_is_told_by_the_guard(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        assert tlvs(device.ask(STATS, 2, NONCE))[ARENA_GUARD] == b"\1"
        device.ask(PING, 3, NONCE, b"SMASH 0")
        assert tlvs(device.ask(STATS, 4, NONCE))[ARENA_GUARD] == b"\0"


def test_console_text_between_frames_harms_none(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        assert device.ask(PING, 2, NONCE, b"TEXT").type == PONG
        assert b"console text" in device.noise[0]


def test_stack_use_is_measured(host_program: Path) -> None:
    with running(host_program) as device:
        boot(device)
        device.hello(NONCE)
        stats = tlvs(device.ask(STATS, 2, NONCE))
        stack_bytes = int.from_bytes(stats[STACK_BYTES], "little")
        free = int.from_bytes(stats[STACK_FREE_MIN], "little")
        assert stack_bytes == 65536
        assert 0 < free < stack_bytes


def test_its_own_pty_serves_and_survives_a_reset(host_program: Path) -> None:
    process = subprocess.Popen([host_program, "--pty"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        path = process.stdout.readline().decode().strip()
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        device = Device(process, fd)
        device.hello(NONCE)
        assert device.ask(REBOOT, 2, NONCE).type == REBOOTING
        assert boot(device) == (SOFTWARE, 2)
        assert device.hello(NONCE).type == INFO
        os.close(fd)
    finally:
        process.kill()
        process.wait(10)
