"""Board esp32c3-sim as a whole: real esptool flashes it over its line, and what it received runs."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

import pytest

from harness.boards.catalogue import Board
from harness.boards.target import Target, open_target
from harness.build.image import FirmwareImage
from harness.errors import BoardError, FlashError, NoAnswerError
from harness.protocol.ids import ResetReason
from harness.workflow.run import RunOptions, run
from tests.boards.programs import children_of, is_alive, wait_until


def test_a_full_run_passes_and_the_next_needs_no_flash(c3: Board) -> None:
    first = run(RunOptions(model="fuel_lstm", board=c3.id))
    assert first.record.verdict == "pass"
    assert first.record.target.flashed
    assert first.record.target.mcu == "ESP32-C3"
    assert first.record.leakage.identical
    second = run(RunOptions(model="fuel_lstm", board=c3.id))
    assert not second.record.target.flashed
    # Instructions are counted, not timed: but for the interrupt of each received byte, runs are the same.
    assert second.outputs[0].tobytes() == first.outputs[0].tobytes()
    assert second.record.latency.us.min == pytest.approx(first.record.latency.us.min, rel=0.02)


def test_every_way_to_start_it_has_its_reason(target: Target, image: FirmwareImage) -> None:
    lines: list[str] = []
    target.flash(image, lines.append)
    assert target.flashed_build_id == image.build_id
    assert [line for line in lines if "Hash of data verified" in line]
    session = target.session()
    assert (session.info.build_id, session.info.reset_reason) == (image.build_id, ResetReason.POWER_ON)
    assert session.info.boot_count == 1
    assert session.info.device_uid.hex() == "1001c40a24fe"
    session.reboot()
    assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.SOFTWARE, 2)
    assert target.reset().done
    session = target.session()
    assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.EXTERNAL, 3)
    assert any("ESP-ROM:esp32c3" in line for line in session.console)


def test_flash_outlives_the_process_and_power_off_forgets_ram(c3: Board, flashed: FirmwareImage) -> None:
    with open_target(c3) as target:
        target.session().reboot()
    with open_target(c3) as target:
        info = target.session().info
        assert (info.build_id, info.boot_count) == (flashed.build_id, 1)


def test_an_empty_flash_has_nothing_to_run(target: Target) -> None:
    with pytest.raises(NoAnswerError, match="nothing is flashed"):
        target.session()


@pytest.mark.parametrize(
    ("fault", "cause", "words"),
    [
        ("no-sync", "not in boot mode", "No serial data received"),
        ("wrong-chip", "wrong chip", "This chip is ESP32-S3, not ESP32-C3"),
        ("bad-md5", "verify failed", "at 115200 baud too"),
        ("unplug:5", "disconnected", "put/output error|returned no data"),
    ],
)
def test_every_failed_upload_says_why(
    c3: Board, image: FirmwareImage, monkeypatch: pytest.MonkeyPatch, fault: str, cause: str, words: str
) -> None:
    monkeypatch.setenv("HIL_TEST_ESP_FAULT", fault)
    with open_target(c3) as target, pytest.raises(FlashError, match=words) as caught:
        target.flash(image)
    error = caught.value
    assert error.cause == cause
    assert (error.board, error.exit_code) == (c3.id, 4)
    assert error.port is not None
    assert error.port.startswith("/dev/pts/")
    assert error.hint
    assert target.flashed_build_id is None


def test_a_bad_line_gets_a_second_chance_at_a_lower_speed(
    target: Target, image: FirmwareImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_TEST_ESP_FAULT", "bad-md5:1")
    lines: list[str] = []
    target.flash(image, lines.append)
    assert "verify failed: once more at 115200 baud" in lines
    assert [line for line in lines if line.startswith("Changing baud rate")] == ["Changing baud rate to 460800..."]
    assert target.session().info.build_id == image.build_id


def test_a_board_that_was_unplugged_can_be_reset_or_flashed_when_it_is_back(c3: Board, flashed: FirmwareImage) -> None:
    others = set(children_of(os.getpid()))  # of fixtures that other tests share
    with open_target(c3) as target:
        for come_back in (target.reset, lambda: target.flash(flashed)):
            target.session()
            (process,) = set(children_of(os.getpid())) - others
            os.kill(process, 9)
            wait_until(lambda pid=process: not is_alive(pid), "the end of the process")
            with pytest.raises(BoardError):
                target.session()
            come_back()
            assert target.session().info.build_id == flashed.build_id


def test_a_half_flashed_board_says_so_on_its_console_and_can_be_flashed(
    c3: Board, flashed: FirmwareImage, tmp_path: Path
) -> None:
    slot = tmp_path / "state" / "targets" / f"{c3.id}-1" / "flash.bin"
    with slot.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 4096)
    with open_target(c3) as target:
        with pytest.raises(BoardError) as caught:
            target.session(0.5)
        assert any("csum err" in line for line in (*caught.value.console, str(caught.value)))
        target.flash(flashed)
        assert target.session().info.build_id == flashed.build_id


def test_nothing_is_left_running(c3: Board, flashed: FirmwareImage) -> None:
    others = set(children_of(os.getpid()))
    with open_target(c3) as target:
        target.session()
        assert set(children_of(os.getpid())) - others
    assert not set(children_of(os.getpid())) - others


def test_espressifs_qemu_gets_the_line_and_the_flash(
    c3: Board, flashed: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in that says what it was started with: the real one is not to be had from a package registry.
    qemu = tmp_path / "qemu-system-riscv32"
    qemu.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import sys, time
        print("started:", *sys.argv[1:], flush=True)
        time.sleep(60)
        """)
    )
    qemu.chmod(0o755)
    monkeypatch.setenv("HIL_ESP_QEMU", str(qemu))
    with open_target(c3) as target, pytest.raises(BoardError) as caught:
        target.session(1.0)
    said = " ".join((*caught.value.console, str(caught.value)))
    assert "started: -M esp32c3" in said
    assert "flash.bin,if=mtd,format=raw" in said
