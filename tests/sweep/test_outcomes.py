"""Every way in which an engine can go wrong gets its own name, on every kind of emulated board."""

from __future__ import annotations

import shutil

import pytest

from harness.report.sweep_record import SweepRecord
from harness.workflow.sweep.options import SweepOptions
from tests.sweep.hostile import NEED, at, outcomes_between, sweep_hostile

BOARDS = [
    "host",
    pytest.param("netduino2plus", marks=pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")),
    pytest.param("megaatmega2560", marks=pytest.mark.skipif(not shutil.which("avr-g++"), reason="no gcc-avr")),
]


def exhaustive(board: str, last: int = 1280, *, rebuild: bool = False) -> SweepOptions:
    return SweepOptions(board=board, exhaustive=True, first_bytes=16, last_bytes=last, confirm=False, rebuild=rebuild)


def shown(record: SweepRecord) -> list[tuple[int, str]]:
    """For a failure's message."""
    return [(probe.size, probe.text) for probe in record.probes]


@pytest.mark.parametrize("board", BOARDS)
def test_regions_of_every_kind_are_told_apart(board: str) -> None:
    # One firmware: each fault hides the later ones below its own bound.
    record = sweep_hostile(
        board,
        exhaustive(board, 512),
        crash_below=96,
        hang_below=128,
        need=192,
        invoke_fail_below=240,
        overrun_below=304,
        overrun_bytes=1,
        state_leak_below=368,
        wrong_below=432,
    )
    regions = {
        "crashed": (16, 96),
        "hung": (96, 128),
        "init failed": (128, 192),
        "invoke failed": (192, 240),
        "guard overwritten": (240, 304),
        "wrong output": (304, 432),
        "passed": (432, 1 << 30),
    }
    for outcome, (first, last) in regions.items():
        assert outcomes_between(record, first, last) == {outcome}, shown(record)
    assert record.minimum_bytes == 432
    assert record.monotone and record.verdict == "pass"
    assert "hostile: about to crash" in at(record, 80).console[-1]
    assert at(record, 176).missing_bytes == 16
    assert "state leaks" in at(record, 352).detail
    assert "largest arena's" in at(record, 416).detail
    assert record.outcomes == {name: sum(p.outcome == name for p in record.probes) for name in regions}


@pytest.mark.parametrize("board", BOARDS[:2])
@pytest.mark.parametrize(("where", "count"), [("overrun_bytes", 1), ("underrun_bytes", 1), ("underrun_bytes", 16)])
def test_bytes_changed_outside_the_arena_are_noticed(board: str, where: str, count: int) -> None:
    record = sweep_hostile(board, need=256, overrun_below=320, **{where: count})
    assert outcomes_between(record, 256, 320) == {"guard overwritten"}, shown(record)
    assert record.minimum_bytes == 320


def test_what_the_engine_reports_is_not_taken_for_what_it_needs() -> None:
    record = sweep_hostile("host", need=NEED, reported=600, no_hint=1)
    assert (record.reported_bytes, record.minimum_bytes, record.difference_bytes) == (600, NEED, NEED - 600)


def test_crashes_and_hangs_within_an_inference_count() -> None:
    record = sweep_hostile("host", exhaustive("host", 320), need=64, invoke_crash_below=128, invoke_hang_below=160)
    assert outcomes_between(record, 64, 128) == {"crashed"}, shown(record)
    assert outcomes_between(record, 128, 160) == {"hung"}, shown(record)
    assert record.minimum_bytes == 160


def test_an_engine_whose_state_always_leaks_has_no_arena_that_works() -> None:
    record = sweep_hostile("host", state_leak_below=1 << 30)
    assert (record.verdict, record.minimum_bytes, record.confirmed) == ("fail", None, None)
    assert "not even the largest arena" in record.reasons[0]
    assert "state leaks" in record.reasons[0]


def test_an_engine_that_needs_more_than_the_board_has_is_told_so() -> None:
    record = sweep_hostile("host", need=2 << 20)
    assert record.verdict == "fail" and record.minimum_bytes is None
    assert "init failed (missing 1048576 bytes)" in record.reasons[0]


@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU")
def test_ram_beyond_the_catalogues_largest_arena_is_used_if_the_model_needs_it() -> None:
    record = sweep_hostile("netduino2plus", need=80_000)
    assert record.minimum_bytes == 80_000
    assert 80_000 < record.capacity_bytes < 131_072
    assert record.flashes == 2 and "all that is left" in record.notes[0]


def test_a_gap_above_and_an_island_below_make_success_not_monotone() -> None:
    record = sweep_hostile(
        "host", exhaustive("host", 2048), need=1024, fail_from=1536, fail_to=1600, pass_from=256, pass_to=320
    )
    assert not record.monotone
    assert record.minimum_bytes == 1600, "the smallest size from which everything above passes"
    assert record.islands == [(256, 304), (1024, 1520)]
    assert any("not monotone" in note for note in record.notes)


def test_a_default_sweep_finds_a_gap_near_the_edge() -> None:
    record = sweep_hostile("host", need=1024, fail_from=1088, fail_to=1120)
    assert record.minimum_bytes == 1120 and not record.monotone


def test_a_leak_of_memory_makes_every_probe_start_from_a_reset() -> None:
    # The pool lasts for eleven starts; a sweep that believed what comes after would call everything too small.
    record = sweep_hostile("host", need=512, leak_bytes=370)
    assert record.fresh
    assert record.minimum_bytes == 512 and record.monotone, shown(record)
    assert any("depended on earlier probes" in note for note in record.notes)
    assert record.resets > record.probed / 2
