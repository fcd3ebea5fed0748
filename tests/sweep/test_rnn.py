"""The project's own engine: the proved minimum is the packer's plan, to the byte, on every emulated board."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.sweep import sweep

BOARDS = [
    "host",
    pytest.param("netduino2plus", marks=pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")),
    pytest.param("megaatmega2560", marks=pytest.mark.skipif(not shutil.which("avr-g++"), reason="no gcc-avr")),
]


@pytest.mark.parametrize("board", BOARDS)
def test_the_minimum_is_the_plan_exactly(board: str) -> None:
    record = sweep(SweepOptions(board=board, engine="rnn"))
    assert record.verdict == "pass", record.reasons
    assert record.minimum_bytes == record.planned_bytes == record.reported_bytes
    assert record.resolution_bytes == 1 and record.monotone and record.notes == []
    assert record.confirmed and record.confirmation is not None
    assert record.recommended_bytes == record.confirmation.arena_bytes
    assert record.recommended_bytes is not None and record.minimum_bytes is not None
    assert record.recommended_bytes % 16 == 0
    assert 16 <= record.recommended_bytes - record.minimum_bytes < 32
    assert record.flashes == 2
    outcome = {probe.size: probe for probe in record.probes}
    for size in (record.minimum_bytes - 1, record.minimum_bytes - 16):
        assert outcome[size].outcome == "init failed" and outcome[size].fresh
        assert outcome[size].missing_bytes == record.minimum_bytes - size
    assert outcome[record.minimum_bytes].fresh


def test_a_step_of_one_byte_finds_the_same() -> None:
    record = sweep(SweepOptions(board="host", step_bytes=1, margin_bytes=0, confirm=False))
    assert record.minimum_bytes == record.planned_bytes
    assert record.recommended_bytes == -(-record.minimum_bytes // 16) * 16


def test_the_stack_is_in_the_record() -> None:
    memory = sweep(SweepOptions(board="host", confirm=False)).memory
    assert memory.stack_bytes is not None and memory.stack_used_bytes is not None
    assert 0 < memory.stack_used_bytes < memory.stack_bytes


def test_write_changes_the_bundles_setting_and_nothing_else(tmp_path: Path) -> None:
    from harness.resources import models_dir

    bundle = tmp_path / "mine"
    shutil.copytree(models_dir() / "fuel_lstm", bundle)
    before = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    options = SweepOptions(model=str(bundle), board="host", write=True)
    record = sweep(options)
    assert record.written == str(bundle / "bundle.toml")
    after = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    line = f'"host/rnn" = {record.recommended_bytes}\n'.encode()
    assert after.pop("bundle.toml") == before.pop("bundle.toml").rstrip(b"\n") + b"\n" + line
    assert after == before
    again = sweep(dataclasses.replace(options))
    assert again.written is None and "nothing was written" in again.notes[-1]
    assert again.present_bytes == record.recommended_bytes and again.saved_bytes == 0
