"""One holder per target, whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.boards.lock import TargetLock, file_name
from harness.errors import EXIT_BOARD, PortBusyError
from harness.resources import state_dir

HOLDER = """
import sys, time
from harness.boards.lock import TargetLock
with TargetLock.acquire("rig-1"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, "--marker"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_held_target_is_refused_and_its_holder_named() -> None:
    with other_process() as process, pytest.raises(PortBusyError) as caught:
        TargetLock.acquire("rig-1", board="esp32", port="/dev/ttyUSB0")
    text = str(caught.value)
    assert caught.value.exit_code == EXIT_BOARD
    assert all(word in text for word in (f"process {process.pid}", "since 20", "--marker", "esp32", "/dev/ttyUSB0"))


def test_the_lock_of_a_killed_process_is_free_at_once() -> None:
    with other_process() as process:
        process.kill()
        process.wait(10)
        TargetLock.acquire("rig-1").release()


def test_other_targets_are_not_affected() -> None:
    with other_process(), TargetLock.acquire("rig-2"):
        pass


def test_two_holders_in_one_process_are_refused_too() -> None:
    with TargetLock.acquire("rig-1"), pytest.raises(PortBusyError, match=f"process {os.getpid()} "):
        TargetLock.acquire("rig-1")


def test_a_waiter_gets_the_lock_when_it_is_given_back() -> None:
    lock = TargetLock.acquire("rig-1")
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    try:
        TargetLock.acquire("rig-1", timeout_s=10).release()
    finally:
        timer.join()


def test_a_waiter_gives_up_at_its_deadline() -> None:
    with TargetLock.acquire("rig-1"), pytest.raises(PortBusyError):
        TargetLock.acquire("rig-1", timeout_s=0.1)


def test_a_child_started_by_the_holder_does_not_keep_the_lock() -> None:
    lock = TargetLock.acquire("rig-1")
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        lock.release()
        lock.release()
        TargetLock.acquire("rig-1").release()
    finally:
        child.kill()
        child.wait()


def test_a_forked_child_can_not_give_the_lock_away() -> None:
    with TargetLock.acquire("rig-1") as lock:
        child = os.fork()
        if child == 0:
            lock.release()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(PortBusyError, match=f"process {os.getpid()} "):
            TargetLock.acquire("rig-1")


def test_a_damaged_record_still_refuses() -> None:
    with TargetLock.acquire("rig-1"):
        (state_dir() / "locks" / "rig-1.lock").write_bytes(b'{"pid": "\xff')
        with pytest.raises(PortBusyError, match="in use by another process"):
            TargetLock.acquire("rig-1")


def test_control_characters_in_a_record_do_not_reach_the_message() -> None:
    with TargetLock.acquire("rig-1"):
        (state_dir() / "locks" / "rig-1.lock").write_text('{"pid": 1, "command": "\\u001b[2J", "since": "now"}')
        with pytest.raises(PortBusyError) as caught:
            TargetLock.acquire("rig-1")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/dev/ttyUSB0", "socket://a:1", "a" * 300, "usb-1-2.3", "..", ""])
def test_any_name_is_one_file_in_the_lock_folder(name: str) -> None:
    with TargetLock.acquire(name):
        (file,) = (state_dir() / "locks").iterdir()
        assert file.name == f"{file_name(name)}.lock"


def test_names_that_look_alike_have_locks_of_their_own() -> None:
    names = ["usb-1-2.3", "usb-1-2_3", "usb-1-2 3", "usb-1-2/3", "a" * 100, "a" * 101]
    assert len({file_name(name) for name in names}) == len(names)
