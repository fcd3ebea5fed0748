"""The simulated CPU by itself, on programs small enough to count."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.boards.catalogue import Board
from harness.boards.esp32c3_sim.block_counter import build_counter
from harness.boards.esp32c3_sim.flash_memory import BootImage

pytest.importorskip("unicorn")

from harness.boards.esp32c3_sim.chip import CAUSE_POWER_ON, Chip, Memory, Stop

CODE = 0x40380000
# li t0, 1000; loop: addi t0, t0, -1; bne t0, zero, loop; wfi; j . (to the wfi)
COUNTS_DOWN = (0x3E800293, 0xFFF28293, 0xFE029EE3, 0x10500073, 0xFFDFF06F)
COUNTED = 1 + 2 * 1000 + 2  # the jump after WFI is of its block


@pytest.fixture
def counter(c3: Board) -> Path:
    return build_counter(c3.id)


def program(*words: int, handler: tuple[int, ...] = ()) -> BootImage:
    parts = [(CODE, struct.pack(f"<{len(words)}I", *words))]
    if handler:
        parts.append((CODE + 0x100, struct.pack(f"<{len(handler)}I", *handler)))
    return BootImage(CODE, tuple(parts))


@pytest.mark.parametrize("slice_instructions", [7, 100, 1999, 100_000])
def test_instructions_are_counted_exactly_however_the_run_is_cut(counter: Path, slice_instructions: int) -> None:
    chip = Chip(program(*COUNTS_DOWN), Memory(), CAUSE_POWER_ON, counter)
    slices = 0
    while (stopped := chip.run(slice_instructions)) is Stop.SLICE:
        slices += 1
    assert stopped is Stop.SLEEP
    assert chip.instructions == COUNTED
    assert slices >= COUNTED // slice_instructions // 2 - 1


def test_ticks_are_instructions_at_20_mhz(counter: Path) -> None:
    chip = Chip(program(*COUNTS_DOWN), Memory(), CAUSE_POWER_ON, counter)
    chip.run()
    assert chip.timer.ticks == COUNTED * 16 // 20
    chip.timer.sleep(0.5)
    assert chip.timer.ticks == COUNTED * 16 // 20 + 8_000_000


def test_a_fault_goes_to_the_trap_vector_which_can_reset_the_chip(counter: Path) -> None:
    # mtvec = CODE + 0x100; read address 0, where nothing is. The handler sets the RTC's system reset bit.
    sets_vector_and_faults = (0x403802B7, 0x10028293, 0x30529073, 0x00002303)
    resets = (0x600082B7, 0x80000337, 0x0062A023)
    chip = Chip(program(*sets_vector_and_faults, handler=resets), Memory(), CAUSE_POWER_ON, counter)
    assert chip.run() is Stop.RESET


@pytest.mark.parametrize("word", [0x00002303, 0x00000000, 0x7E2022F3], ids=["read 0", "illegal", "unknown CSR"])
def test_a_fault_without_a_trap_vector_locks_the_chip_up(counter: Path, word: int) -> None:
    chip = Chip(program(word), Memory(), CAUSE_POWER_ON, counter)
    assert chip.run() is Stop.LOCKUP


def test_a_jump_to_nowhere_is_a_fault_too(counter: Path) -> None:
    chip = Chip(program(0x00000067), Memory(), CAUSE_POWER_ON, counter)  # jr zero
    assert chip.run() is Stop.LOCKUP


def test_memory_outlives_the_chip_that_wrote_it(counter: Path) -> None:
    memory = Memory()
    # lui t0, 0x50000; li t1, 42; sw t1, 0(t0); lw t2, 0(t0); wfi
    writes = (0x500002B7, 0x02A00313, 0x0062A023, 0x0002A383, 0x10500073)
    assert Chip(program(*writes), memory, CAUSE_POWER_ON, counter).run() is Stop.SLEEP
    # lui t0, 0x50000; lw t1, 0(t0); li t2, 42; beq t1, t2, +8 (over the fault); lw t1, 0(zero); wfi
    reads = (0x500002B7, 0x0002A303, 0x02A00393, 0x00730463, 0x00002303, 0x10500073)
    assert Chip(program(*reads), memory, CAUSE_POWER_ON, counter).run() is Stop.SLEEP
    assert Chip(program(*reads), Memory(), CAUSE_POWER_ON, counter).run() is Stop.LOCKUP
