"""The device computes what Keras does, comes back from every crash, and says why it restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.boards.tflm_device.engine import NO_RESET_VARIABLE
from harness.boards.tflm_device.image import DeviceConfig, decode_image, encode_image
from harness.errors import DeviceError, DeviceRebootedError, UsageError
from harness.link.session import Session
from harness.model.bundle import Bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_quantise import dequantise, quantise
from harness.model.tflm_host import run_tflm_on_host
from harness.protocol.ids import ErrorCode, ResetReason
from tests.tflm_device.conftest import Device, Flash


def vectors_of(fuel: Bundle) -> list[bytes]:
    return [vector.tobytes() for vector in fuel.inputs[0]]


def outputs_of(session: Session, vectors: list[bytes], *, keep_state: bool = False) -> NDArray[np.float32]:
    results = session.infer(vectors, keep_state=keep_state)
    return np.stack([np.frombuffer(result.output, np.float32) for result in results])


def test_device_says_who_it_is(device: Device, config: DeviceConfig) -> None:
    info = device.session().info
    assert (info.board, info.engine, info.build_id, info.model_sha256) == (
        config.board,
        "tflm",
        config.build_id,
        config.model_sha256,
    )
    assert [spec.shape for spec in info.inputs + info.outputs] == [(3, 1), (1,)]
    assert (info.reset_reason, info.boot_count, info.engine_status.code) == (ResetReason.POWER_ON, 1, 0)
    assert (info.arena.capacity_bytes, info.arena.size_bytes) == (65536, 16384)
    assert 0 < info.arena.used_bytes < 16384


def test_three_ways_agree(device: Device, fuel: Bundle, fuel_tflite: bytes) -> None:
    on_device = outputs_of(device.session(), vectors_of(fuel))
    (on_host,) = run_tflm_on_host(fuel_tflite, fuel.inputs)
    np.testing.assert_array_equal(on_device, on_host)
    assert np.abs(on_device - fuel.golden[0]).max() < 1e-5


def test_ticks_are_nanoseconds_of_invoke(device: Device, fuel: Bundle) -> None:
    session = device.session()
    results = session.infer(vectors_of(fuel))
    assert session.info.tick_hz == 1_000_000_000
    assert all(0 < result.ticks < 1_000_000_000 for result in results)


def test_state_is_cleared_before_each_vector_and_kept_when_asked(device: Device, fuel: Bundle) -> None:
    session = device.session()
    same = vectors_of(fuel)[:1] * 3
    cleared = outputs_of(session, same)
    assert (cleared == cleared[0]).all()
    session.reset_state()
    kept = outputs_of(session, same, keep_state=True)
    assert kept[0] == cleared[0]
    assert kept[1] != kept[0]
    assert (outputs_of(session, same) == cleared[0]).all()


def test_device_that_does_not_reset_leaks(flash: Flash, fuel: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_RESET_VARIABLE, "1")
    leaking = outputs_of(flash().session(), vectors_of(fuel)[:1] * 3)
    assert len(np.unique(leaking)) == 3


def test_int8_model(flash: Flash, fuel: Bundle) -> None:
    data = convert_to_tflite(fuel.graph, calibration=fuel.inputs)
    session = flash(tflite=data).session()
    spec_in, spec_out = session.info.inputs[0], session.info.outputs[0]
    vectors = [vector.tobytes() for vector in quantise(fuel.inputs[0], spec_in)]
    stored = np.stack([np.frombuffer(result.output, np.int8) for result in session.infer(vectors)])
    (on_host,) = run_tflm_on_host(data, fuel.inputs)
    np.testing.assert_array_equal(dequantise(stored, spec_out), on_host)


def test_reboot_is_reported_as_asked_for(device: Device, fuel: Bundle) -> None:
    session = device.session()
    before = outputs_of(session, vectors_of(fuel))
    session.reboot()
    assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.SOFTWARE, 2)
    np.testing.assert_array_equal(outputs_of(session, vectors_of(fuel)), before)


def test_power_cycle_starts_from_nothing(device: Device) -> None:
    device.session().reboot()
    device.emulator.reset()
    info = device.session().info
    assert (info.reset_reason, info.boot_count) == (ResetReason.POWER_ON, 1)


def test_every_arena_size_has_a_named_outcome_and_the_device_comes_back(device: Device, fuel: Bundle) -> None:
    session = device.session()
    first = vectors_of(fuel)[:1]
    outcomes, boots = {}, 1
    for arena_bytes in range(100, 8193, 256):
        try:
            arena = session.set_arena(arena_bytes)
            assert arena.size_bytes == arena_bytes
            assert np.abs(outputs_of(session, first) - fuel.golden[0][:1]).max() < 1e-5
            outcomes[arena_bytes] = "right"
        except DeviceRebootedError:
            session = device.session()
            boots += 1
            outcomes[arena_bytes] = "fault"
            assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.FAULT, boots)
            assert session.info.engine_status.code == 0
        except DeviceError as error:
            assert error.code == ErrorCode.ARENA_TOO_SMALL
            outcomes[arena_bytes] = "refused"
    found = list(outcomes.values())
    assert set(found) == {"fault", "refused", "right"}
    assert found == sorted(found, key=lambda outcome: outcome == "right"), f"right only from one size on: {outcomes}"


def test_refusal_says_what_tflm_said(device: Device) -> None:
    with pytest.raises(DeviceError) as caught:
        device.session().set_arena(1124)
    assert caught.value.code == ErrorCode.ARENA_TOO_SMALL
    assert caught.value.detail > 0
    assert f"missing: {caught.value.detail}" in str(caught.value)


def test_arena_beyond_the_capacity_is_refused_and_the_engine_stays(device: Device, fuel: Bundle) -> None:
    session = device.session()
    with pytest.raises(DeviceError) as caught:
        session.set_arena(65537)
    assert (caught.value.code, caught.value.detail) == (ErrorCode.ARENA_TOO_LARGE, 65536)
    assert outputs_of(session, vectors_of(fuel)[:1]).shape == (1, 1)


def test_crash_while_starting_is_no_boot_loop(flash: Flash, fuel: Bundle) -> None:
    device = flash(arena_bytes=100)
    session = device.session()
    assert (session.info.reset_reason, session.info.boot_count) == (ResetReason.FAULT, 2)
    assert session.info.engine_status.code == ErrorCode.ARENA_TOO_SMALL
    assert "SIGSEGV" in session.info.engine_status.text
    with pytest.raises(DeviceError):
        session.infer(vectors_of(fuel)[:1])
    session.set_arena(16384)
    assert np.abs(outputs_of(session, vectors_of(fuel)) - fuel.golden[0]).max() < 1e-5


def test_refused_arena_at_start_is_said_in_info(flash: Flash) -> None:
    info = flash(arena_bytes=1124).session().info
    assert (info.boot_count, info.engine_status.code) == (1, ErrorCode.ARENA_TOO_SMALL)
    assert "missing" in info.engine_status.text
    assert info.arena.used_bytes == 0


def test_last_words_of_a_crash_are_on_the_console(device: Device) -> None:
    for _ in range(5):
        with pytest.raises(DeviceRebootedError) as caught:
            device.session().set_arena(100)
        assert any("SIGSEGV" in line for line in caught.value.console)


def test_hung_engine_call_is_ended_by_the_watchdog() -> None:
    program = """
import os, time
from harness.boards.tflm_device.shared import NoInitMemory
from harness.boards.tflm_device.supervisor import _wait
memory = NoInitMemory()
child = os.fork()
if child == 0:
    memory.engine_begins()
    time.sleep(60)
status, hung = _wait(child, memory, 0.2)
print(os.WTERMSIG(status), hung)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == [str(int(signal.SIGKILL)), "True"]


def test_watchdog_leaves_a_device_alone_that_only_waits(flash: Flash) -> None:
    session = flash(watchdog_s=0.1).session()
    time.sleep(1.2)
    session.ping(b"still here")


def test_device_ends_when_the_supervisor_is_killed(device: Device) -> None:
    device.session().close()
    (child,) = children_of(device)
    device.emulator.stop()
    assert wait_for_end(child)


def test_device_ends_when_the_harness_is_killed(tmp_path: Path, config: DeviceConfig, fuel_tflite: bytes) -> None:
    (tmp_path / "firmware.elf").write_bytes(encode_image(config, fuel_tflite))
    program = f"""
import dataclasses, sys, time
from pathlib import Path
from harness.boards.catalogue import find_board
from harness.boards.tflm_device.emulator import TflmEmulator
emulator = TflmEmulator(find_board("host"))
emulator.start(Path({str(tmp_path)!r}))
print(emulator._child.pid, flush=True)
time.sleep(60)
"""
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    supervisor = int(harness.stdout.readline())
    harness.kill()
    harness.wait(10)
    harness.stdout.close()
    assert wait_for_end(supervisor)


def children_of(device: Device) -> list[int]:
    pid = device.emulator._child.pid
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def wait_for_end(pid: int, timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


def test_damaged_model_in_flash_ends_the_device_with_its_reason(flash: Flash, fuel_tflite: bytes) -> None:
    device = flash(tflite=fuel_tflite[:-200])
    deadline = time.monotonic() + 10
    while device.emulator.exit_description() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "damaged" in (device.emulator.exit_description() or "")


def test_image_reads_back(config: DeviceConfig, fuel_tflite: bytes) -> None:
    data = encode_image(config, fuel_tflite)
    assert decode_image(data) == (config, fuel_tflite)
    assert data.index(fuel_tflite) % 16 == 0


@pytest.mark.parametrize("cut", [0, 4, 11, 40])
def test_damaged_image_is_refused(config: DeviceConfig, cut: int) -> None:
    with pytest.raises(UsageError):
        decode_image(encode_image(config, b"")[:cut])
    with pytest.raises(UsageError):
        decode_image(encode_image(config, b"").replace(b'"board"', b'"b\x00ard"'))
