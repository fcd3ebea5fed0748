"""What a probe may do to a device, and a sweep survives: real processes that crash, hang, loop, vanish."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import Board, find_board
from harness.boards.target import open_target
from harness.build.image import FirmwareImage
from harness.errors import BoardError
from harness.link.deadline import Deadline
from harness.workflow.progress import Silent
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.sweep import sweep_on
from tests.sweep.hostile import hostile_subject, outcomes_between, sweep_hostile

ROOT = Path(__file__).resolve().parents[2]
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")


@needs_qemu
def test_a_null_pointer_on_a_cortex_m_is_a_hard_fault_with_its_reset_reason() -> None:
    record = sweep_hostile("netduino2plus", need=256, crash_below=128)
    crashes = [probe for probe in record.probes if probe.outcome == "crashed"]
    assert crashes and all("reset reason fault" in probe.detail for probe in crashes)
    assert all("hostile: about to crash" in probe.console[-1] for probe in crashes)
    assert record.minimum_bytes == 256


@needs_qemu
def test_a_lockup_that_ends_the_emulator_is_a_crash_and_it_is_started_again() -> None:
    record = sweep_hostile("netduino2plus", need=256, crash_below=64, crash_kind=2)
    crashes = [probe for probe in record.probes if probe.outcome == "crashed"]
    assert crashes and all("SIGABRT" in probe.detail and "Lockup" in probe.detail for probe in crashes)
    assert record.minimum_bytes == 256


def test_a_host_firmware_that_dies_is_started_again() -> None:
    record = sweep_hostile("host", need=256, crash_below=64, crash_kind=2)
    crashes = [probe for probe in record.probes if probe.outcome == "crashed"]
    assert crashes and all("SIGKILL" in probe.detail for probe in crashes)
    assert record.minimum_bytes == 256


def test_a_hang_without_a_watchdog_takes_seconds_not_minutes() -> None:
    record = sweep_hostile("host", need=256, hang_below=48)
    hangs = [probe for probe in record.probes if probe.outcome == "hung"]
    assert hangs and all("no answer to SET_ARENA" in probe.detail for probe in hangs)
    assert all("brought back by reset" in probe.detail for probe in hangs)
    assert record.minimum_bytes == 256


@needs_qemu
def test_a_boot_loop_that_outlives_the_reset_button_is_ended_by_a_flash() -> None:
    record = sweep_hostile("netduino2plus", need=256, boot_loop_below=32)
    loops = [probe for probe in record.probes if "boot loop" in probe.detail]
    assert loops and all(probe.outcome == "crashed" for probe in loops)
    assert all("brought back by reset, flash" in probe.detail for probe in loops)
    assert record.flashes == 1 + len(loops)
    assert record.minimum_bytes == 256


def test_a_boot_loop_with_every_arena_is_reported_as_one() -> None:
    with pytest.raises(BoardError, match=r"starts again and again even with an arena of 1048576 bytes.*boot loop"):
        sweep_hostile("host", crash_below=1 << 30)


def test_a_boot_loop_of_a_build_is_a_crash_of_that_size_for_both_methods() -> None:
    options = SweepOptions(board="host", rebuild=True, first_bytes=224, last_bytes=256, confirm=False)
    record = sweep_hostile("host", options, need=256, crash_below=240)
    assert record.rebuild is not None
    both = [(pair.size, pair.probe.outcome, pair.rebuild.outcome) for pair in record.rebuild.probes]
    assert record.rebuild.agree, both
    assert {a for _, a, _ in both} == {"crashed", "init failed", "passed"}
    assert any("boot loop" in pair.rebuild.detail for pair in record.rebuild.probes)
    assert record.verdict == "pass"


def test_hangs_and_lies_are_the_same_for_both_methods() -> None:
    options = SweepOptions(board="host", rebuild=True, first_bytes=48, last_bytes=144, confirm=False)
    record = sweep_hostile(
        "host",
        options,
        hang_below=64,
        need=80,
        invoke_fail_below=96,
        overrun_below=112,
        overrun_bytes=4,
        wrong_below=144,
    )
    assert record.rebuild is not None
    both = [(pair.size, pair.probe.text, pair.rebuild.text) for pair in record.rebuild.probes]
    assert record.rebuild.agree, both
    assert {pair.rebuild.outcome for pair in record.rebuild.probes} == {
        "hung",
        "init failed",
        "invoke failed",
        "guard overwritten",
        "wrong output",
        "passed",
    }
    assert record.rebuild.ratio > 1


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the hub's board takes its firmware from."""
    firmware, inventory = tmp_path / "firmware", tmp_path / "inventory.json"
    monkeypatch.setenv("HIL_INVENTORY", str(inventory))
    process = subprocess.Popen([sys.executable, "-m", "tests.sweep.hub", firmware, inventory], cwd=ROOT)
    try:
        while not inventory.exists():
            assert process.poll() is None
        yield firmware
    finally:
        process.kill()
        process.wait()


def host_on_usb() -> Board:
    """The host board's firmware on a board that the harness neither starts nor resets."""
    return dataclasses.replace(
        find_board("host"), kind="real", emulator=None, reset="none", usb_ids=("10c4:ea60",), baud_safe=115200
    )


def test_a_port_that_vanishes_and_comes_back_under_another_name_is_followed(hub: Path) -> None:
    names: set[str] = set()

    def put(board: Board, image: FirmwareImage, port: str, on_line: Callable[[str], None]) -> None:
        runs, copy = hub.exists(), hub.with_suffix(".new")
        shutil.copy(image.elf, copy)
        copy.replace(hub)
        deadline = Deadline.after(60)
        while runs and Path(port).exists():  # as any uploader, it returns only once the old firmware has been stopped
            assert not deadline.expired
            time.sleep(0.005)

    subject = hostile_subject("host", need=256, crash_below=96)
    with open_target(host_on_usb(), flasher=put) as target:
        names.add(target.port_name)
        record = sweep_on(target, subject, SweepOptions(board="host", confirm=False), Silent())
        names.add(target.port_name)
    assert outcomes_between(record, 1, 96) == {"crashed"}
    assert outcomes_between(record, 96, 256) == {"init failed"}
    assert record.minimum_bytes == 256
    assert len(names) == 2
    assert all("ttyUSB" in name for name in names)


def test_nothing_of_a_sweep_is_left_running() -> None:
    def children() -> str:
        return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()

    before = children()
    sweep_hostile("host", need=256, crash_below=128)
    assert children() == before
