"""Rates: the fastest clean one is kept, a bad one is left, and both ends always find each other again.

The real firmware behind a line-rate model that damages bytes above a rate, and all bytes where the two ends differ.
"""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.boards.line_rate import LineRate
from harness.errors import DeviceRebootedError
from harness.link.serial_port import open_port
from harness.link.session import Session
from harness.link.speed import LEASE_S, rates_up_to
from tests.link.device import ProcessOnPty

START = 115200


@contextmanager
def opened(line: LineRate) -> Iterator[Session]:
    with Session.open(open_port(line.port_name, START)) as session:
        yield session


@pytest.fixture
def make_line(device: ProcessOnPty) -> Iterator[Callable[[int | None], LineRate]]:
    lines = []

    def make(clean_up_to_baud: int | None = None) -> LineRate:
        lines.append(LineRate(device.port_name, board_id="host", clean_up_to_baud=clean_up_to_baud))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


def vectors(count: int) -> list[bytes]:
    return [struct.pack("<3f", i, 0, 0) for i in range(count)]


def check(session: Session, count: int = 300) -> None:
    results = session.infer(vectors(count))
    assert [struct.unpack("<f", result.output)[0] for result in results] == list(range(count))


def test_rates_are_standard_ones_from_the_fastest_down() -> None:
    assert rates_up_to(921600, START) == (921600, 500000, 460800, 250000, 230400)
    assert rates_up_to(1234567, 500000) == (1234567, 1000000, 921600)
    assert rates_up_to(None, START) == rates_up_to(START, START) == ()


def test_the_fastest_clean_rate_is_kept_and_bit_errors_of_the_others_are_counted(
    make_line: Callable[[int | None], LineRate],
) -> None:
    with opened(make_line(460800)) as session:
        trials = session.negotiate(rates_up_to(921600, START))
        assert (trials[0].baud, trials[0].outcome) in ((921600, "bit errors"), (921600, "silent"))
        assert (trials[-1].baud, trials[-1].outcome) == (460800, "clean")
        assert (trials[-1].errors_to_device, trials[-1].errors_to_host) == (0, 0)
        assert session.baud == 460800
        check(session)
        assert session.link_stats.resent_frames == session.link_stats.bad_frames == 0


def test_no_clean_rate_leaves_the_one_of_the_start(make_line: Callable[[int | None], LineRate]) -> None:
    with opened(make_line(START)) as session:
        trials = session.negotiate((921600, 460800))
        assert [trial.outcome for trial in trials] != ["clean"]
        assert session.baud == START
        check(session)


def test_a_rate_the_device_lacks_is_refused(make_line: Callable[[int | None], LineRate]) -> None:
    with opened(make_line(None)) as session:
        assert session.negotiate((50_000_000,))[0].outcome == "refused"
        assert session.baud == START
        check(session, 3)


def test_both_ends_are_back_at_the_start_rate_after_a_session(make_line: Callable[[int | None], LineRate]) -> None:
    line = make_line(None)
    for _ in range(2):
        with opened(line) as session:
            assert session.negotiate((921600,))[0].outcome == "clean"
    with opened(line) as session:
        check(session, 3)


def test_a_pause_longer_than_the_lease_is_bridged(make_line: Callable[[int | None], LineRate]) -> None:
    with opened(make_line(None)) as session:
        session.negotiate((921600,))
        time.sleep(LEASE_S + 0.3)
        check(session, 3)
        assert session.baud == 921600


def test_a_reboot_at_a_fast_rate_is_noticed_and_asked_for(
    make_line: Callable[[int | None], LineRate],
) -> None:
    line = make_line(None)
    with opened(line) as session:
        session.negotiate((921600,))
        session.reboot()
        check(session, 3)
        assert session.baud == 921600, "agreed on anew with the next boot"
        with pytest.raises(DeviceRebootedError):
            session.ping(b"RESET")
    with opened(line) as session:
        check(session, 3)


def test_a_host_that_dies_leaves_a_device_the_next_one_finds(make_line: Callable[[int | None], LineRate]) -> None:
    line = make_line(None)
    program = (
        "import sys, time\n"
        "from harness.link.serial_port import open_port\n"
        "from harness.link.session import Session\n"
        f"session = Session.open(open_port({line.port_name!r}, {START}))\n"
        "print(session.negotiate((921600,))[0].outcome, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"clean\n"
        host.send_signal(signal.SIGKILL)
    with opened(line) as session:
        check(session, 3)


def test_a_line_that_becomes_bad_during_a_run_is_left_for_a_slower_one(device: ProcessOnPty, tmp_path: Path) -> None:
    limit = tmp_path / "clean_up_to"
    limit.write_text("0")
    with LineRate(device.port_name, board_id="host", clean_up_to_file=limit) as line, opened(line) as session:
        assert session.negotiate((921600, 460800))[0].outcome == "clean"

        def worsen() -> Iterator[bytes]:
            for i, vector in enumerate(vectors(20000)):
                if i == 5000:
                    limit.write_text("460800")
                yield vector

        results = session.infer(worsen())
        assert [struct.unpack("<f", result.output)[0] for result in results] == list(range(20000))
        assert session.baud in (460800, START)


def test_a_device_that_leaves_the_rate_in_the_middle_of_kept_state_is_followed(
    make_line: Callable[[int | None], LineRate],
) -> None:
    with opened(make_line(None)) as session:
        session.negotiate((921600,))

        def pausing() -> Iterator[bytes]:
            for i in range(60):
                if i == 30:
                    # The device gives the rate up while the host thinks it is still there.
                    time.sleep(LEASE_S + 0.3)
                yield struct.pack("<3f", 1, 0, 0)

        results = session.infer(pausing(), keep_state=True)
        assert [struct.unpack("<f", result.output)[0] for result in results] == list(range(1, 61))
