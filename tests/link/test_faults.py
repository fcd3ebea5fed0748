"""Faults of device and line, on real processes and ptys: the right results, or the named error by the deadline."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from harness.errors import (
    DeviceRebootedError,
    ForeignDeviceError,
    NoAnswerError,
    PortLostError,
    SessionTakenError,
)
from harness.link.deadline import Deadline
from harness.link.serial_port import open_port
from harness.link.session import Session, VectorResult
from harness.protocol.frame import encode_message
from harness.protocol.ids import MessageType
from harness.protocol.messages import Hello, encode_hello
from tests.link.device import FaultyLine, ProcessOnPty, Spoil, clean, python_on_pty, seeded_faults
from tests.link.test_session import output, vector

BAUD = 115200
VECTORS = [vector(i, 2, 3) for i in range(5000)]
RIGHT = [i + 5.0 for i in range(5000)]


class At:
    """Does something once, when the result with that ordinal arrives."""

    def __init__(self, ordinal: int, action: object) -> None:
        self._left = ordinal
        self._action = action

    def __call__(self, _: VectorResult) -> None:
        self._left -= 1
        if self._left == 0:
            self._action()  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_drops_doubles_and_flips_bytes_yields_the_right_results(device: ProcessOnPty, seed: int) -> None:
    line = FaultyLine(device.port_name, to_device=seeded_faults(seed, 3e-5), to_host=seeded_faults(seed + 1000, 3e-5))
    seen: list[int] = []
    with line, Session.open(open_port(line.port_name, BAUD), timeout_s=20) as session:
        results = session.infer(VECTORS, on_result=lambda result: seen.append(result.index))
        assert [output(result) for result in results] == RIGHT
        assert sorted(seen) == list(range(len(VECTORS)))


@pytest.mark.parametrize("seed", range(4))
def test_kept_state_is_right_on_a_bad_line_too(device: ProcessOnPty, seed: int) -> None:
    line = FaultyLine(device.port_name, to_device=seeded_faults(seed, 1e-4), to_host=seeded_faults(seed + 1000, 1e-4))
    with line, Session.open(open_port(line.port_name, BAUD), timeout_s=20) as session:
        results = session.infer([vector(1, 0, 0)] * 2000, keep_state=True)
        assert [output(result) for result in results] == list(range(1, 2001))


@pytest.mark.parametrize("fault", ["SILENT 1", "SILENT 3", "GARBLE 1", "GARBLE 3"])
def test_lost_replies_are_asked_for_again(session: Session, fault: str) -> None:
    session.ping(fault.encode())
    results = session.infer(VECTORS)
    assert [output(result) for result in results] == RIGHT
    assert session.link_stats.resent_frames > 0


@pytest.mark.parametrize("fault", ["SILENT 2", "GARBLE 2"])
def test_an_effect_whose_reply_was_lost_happens_once(session: Session, fault: str) -> None:
    session.ping(fault.encode())
    assert output(session.infer([vector(1, 0, 0)], keep_state=True)[0]) == 1
    assert output(session.infer([vector(1, 0, 0)], keep_state=True)[0]) == 2
    session.ping(fault.encode())
    assert session.set_arena(256).size_bytes == 256


def test_a_slow_device_is_waited_for(session: Session) -> None:
    session.ping(b"SLOW 50")
    results = session.infer(VECTORS[:50])
    assert [output(result) for result in results] == RIGHT[:50]


def test_a_hung_device_is_reported_by_the_deadline(session: Session) -> None:
    with pytest.raises(NoAnswerError, match="no answer to PING"):
        session.ping(b"HANG", timeout_s=0.5)


def test_a_device_that_falls_silent_in_the_middle_is_reported(device: ProcessOnPty, session: Session) -> None:
    start_s = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"fell silent|took no data"):
        session.infer(VECTORS, timeout_per_vector_s=0.5, on_result=At(500, lambda: device.signal(signal.SIGSTOP)))
    assert time.monotonic() - start_s < 30


def test_a_device_that_was_silent_for_a_while_goes_on(device: ProcessOnPty, session: Session) -> None:
    wake = threading.Timer(1.5, device.signal, [signal.SIGCONT])
    wake.start()
    try:
        results = session.infer(VECTORS, on_result=At(500, lambda: device.signal(signal.SIGSTOP)))
    finally:
        wake.join()
    assert [output(result) for result in results] == RIGHT


def test_a_crash_in_the_middle_is_a_reboot_with_its_reason(device: ProcessOnPty, session: Session) -> None:
    with pytest.raises(DeviceRebootedError, match="fault"):
        session.infer(VECTORS, on_result=At(500, lambda: device.signal(signal.SIGSEGV)))
    with pytest.raises(DeviceRebootedError, match="fault"):
        session.ping()
    session.close()
    with Session.open(open_port(device.port_name, BAUD)) as again:
        assert output(again.infer([vector(1, 2, 3)])[0]) == 6


@pytest.mark.parametrize(("word", "reason"), [(b"CRASH", "fault"), (b"RESET", "software")])
def test_a_device_that_restarts_by_itself_is_a_reboot_with_its_reason(
    session: Session, word: bytes, reason: str
) -> None:
    with pytest.raises(DeviceRebootedError, match=reason):
        session.ping(word)


def test_a_reboot_whose_announcement_is_lost_is_told_with_its_reason_all_the_same(device: ProcessOnPty) -> None:
    with (
        FaultyLine(device.port_name, to_device=clean, to_host=_without_boot()) as line,
        Session.open(open_port(line.port_name, BAUD)) as session,
        pytest.raises(DeviceRebootedError, match="fault"),
    ):
        session.ping(b"CRASH")


def _without_boot() -> Spoil:
    pieces = bytearray()

    def spoil(data: bytes) -> bytes:
        # Whole frames only: so that a BOOT can be recognised by its type, the first byte after the code.
        pieces.extend(data)
        end = pieces.rfind(b"\0") + 1
        whole, rest = bytes(pieces[:end]), pieces[end:]
        pieces[:] = rest
        return b"\0".join(part for part in whole.split(b"\0") if part[1:2] != bytes([MessageType.BOOT])) + b"\0"

    return spoil


def test_another_host_is_noticed(device: ProcessOnPty, session: Session) -> None:
    other = os.open(device.port_name, os.O_RDWR | os.O_NOCTTY)
    hello = encode_message(MessageType.HELLO, 7, 0, encode_hello(Hello(0x12345678, 1, 1)))
    try:
        with pytest.raises(SessionTakenError, match="12345678"):
            session.infer(VECTORS, on_result=At(500, lambda: os.write(other, hello)))
    finally:
        os.close(other)


def test_a_port_that_vanishes_is_reported(device: ProcessOnPty, session: Session) -> None:
    with pytest.raises(PortLostError):
        session.infer(VECTORS, on_result=At(500, device.vanish))
    session.close()


def test_ctrl_c_in_a_callback_leaves_the_session_usable(session: Session) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.infer(VECTORS, on_result=At(500, interrupt))
    assert [output(result) for result in session.infer(VECTORS)] == RIGHT
    assert session.set_arena(512).size_bytes == 512


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Python loses an interrupt that falls into a finaliser or a callback of its garbage collection."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("delay_s", [0.002, 0.005, 0.01, 0.02, 0.05])
def test_ctrl_c_at_any_moment_leaves_the_session_usable(session: Session, delay_s: float) -> None:
    main = threading.main_thread()
    timer = threading.Timer(delay_s, lambda: signal.pthread_kill(main.ident or 0, signal.SIGINT))
    deadline = Deadline.after(30)
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        while not deadline.expired:
            session.infer(VECTORS)
    timer.join(10)
    assert [output(result) for result in session.infer(VECTORS[:100])] == RIGHT[:100]
    session.reset_state()


@pytest.mark.parametrize(
    "banner",
    [
        b"rst:0x1 (POWERON_RESET),boot:0x13\r\nload:0x3fff0030\r\n",
        bytes(range(256)),
        b"\0\0\0",
        b"\xff" * 3000,
        b"AT\r",
    ],
)
def test_junk_before_hello_is_skipped(firmware: object, banner: bytes) -> None:
    with FaultyBanner(str(firmware), banner) as port_name, Session.open(open_port(port_name, BAUD)) as session:
        assert output(session.infer([vector(1, 2, 3)])[0]) == 6


class FaultyBanner:
    """The firmware behind a line that puts `banner` before the first thing the device says."""

    def __init__(self, firmware: str, banner: bytes) -> None:
        self._device = ProcessOnPty(firmware)
        pending = [banner]

        def prefix(data: bytes) -> bytes:
            return (pending.pop() if pending else b"") + data

        self._line = FaultyLine(self._device.port_name, to_device=prefix, to_host=prefix_of(banner))

    def __enter__(self) -> str:
        return self._line.__enter__().port_name

    def __exit__(self, *details: object) -> None:
        self._line.__exit__(None, None, None)
        self._device.vanish()


def prefix_of(banner: bytes) -> Spoil:
    pending = [banner]
    return lambda data: (pending.pop() if pending else b"") + data


def test_a_program_that_prints_is_a_foreign_device_and_quoted() -> None:
    with python_on_pty("import time\nwhile 1: print('\\x1b[31mlogin:', flush=True); time.sleep(.02)") as foreign:
        with pytest.raises(ForeignDeviceError, match="login:") as caught:
            Session.open(open_port(foreign.port_name, BAUD), timeout_s=0.6, board="esp32")
        assert "\x1b" not in str(caught.value)
        assert caught.value.board == "esp32"
        assert caught.value.port == foreign.port_name
        assert "login:" in caught.value.console


def test_noise_of_a_wrong_baud_rate_is_a_foreign_device() -> None:
    program = "import os,time\nwhile 1: os.write(1, os.urandom(50)); time.sleep(.02)"
    with python_on_pty(program) as foreign, pytest.raises(ForeignDeviceError, match="baud"):
        Session.open(open_port(foreign.port_name, BAUD), timeout_s=0.6)


def test_a_loopback_is_named() -> None:
    program = "import os\nwhile 1: os.write(1, os.read(0, 100))"
    with python_on_pty(program) as foreign, pytest.raises(ForeignDeviceError, match="echo"):
        Session.open(open_port(foreign.port_name, BAUD), timeout_s=0.6)


def test_silence_is_no_answer_by_the_deadline() -> None:
    start_s = time.monotonic()
    with python_on_pty("import time; time.sleep(60)") as mute, pytest.raises(NoAnswerError, match="nothing answered"):
        Session.open(open_port(mute.port_name, BAUD), timeout_s=0.6)
    assert time.monotonic() - start_s < 20


def test_a_peer_that_never_reads_does_not_block_the_writer(device: ProcessOnPty, session: Session) -> None:
    device.signal(signal.SIGSTOP)
    with pytest.raises(NoAnswerError):
        for _ in range(64):
            session.ping(b"x" * 4000, timeout_s=0.3)
