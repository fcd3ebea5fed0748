"""The ESP32-C3's CPU and memory in unicorn (https://www.unicorn-engine.org), with the peripherals of peripherals.py.

What an instruction costs is not modelled: each takes one CPU cycle. The same program on the same input takes the same
number, whatever else this computer does; the chip itself takes more.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import unicorn
from unicorn import riscv_const as riscv
from unicorn import unicorn_const as constants

from harness.boards.esp32c3_sim.flash_memory import BootImage
from harness.boards.esp32c3_sim.peripherals import InterruptMatrix, Peripheral, Registers, Rtc, SystemTimer, Uart
from harness.boards.esp32c3_sim.rom_loader import EFUSES

CAUSE_POWER_ON, CAUSE_SOFTWARE = 1, 3

# One memory seen at two places: for data and for code.
_SRAM_BYTES, _SRAM_DATA, _SRAM_CODE = 0x60000, 0x3FC80000, 0x40380000
_RTC_MEMORY, _RTC_BYTES = 0x50000000, 0x2000
_PAGE = 4096
_MIE, _MPIE, _MPP = 1 << 3, 1 << 7, 3 << 11
_INTERRUPT = 1 << 31
_SLICE = 200_000
# Exception numbers of the RISC-V privileged specification, for accesses where nothing is.
_FAULTS = {
    constants.UC_ERR_FETCH_UNMAPPED: 1,
    constants.UC_ERR_FETCH_PROT: 1,
    constants.UC_ERR_INSN_INVALID: 2,
    constants.UC_ERR_READ_UNMAPPED: 5,
    constants.UC_ERR_READ_PROT: 5,
    constants.UC_ERR_READ_UNALIGNED: 4,
    constants.UC_ERR_WRITE_UNMAPPED: 7,
    constants.UC_ERR_WRITE_PROT: 7,
    constants.UC_ERR_WRITE_UNALIGNED: 6,
}


class Stop(Enum):
    """Why `Chip.run` came back."""

    SLICE = auto()  # enough for now
    SLEEP = auto()  # WFI, and no interrupt asks
    RESET = auto()  # the program reset the chip
    LOCKUP = auto()  # a fault before the program said what to do with one


class Memory:
    """What keeps its content over a reset. Zero at first, as after a long time without power."""

    def __init__(self) -> None:
        self.sram = _aligned(_SRAM_BYTES)
        self.rtc = _aligned(_RTC_BYTES)


class _Counter(ctypes.Structure):
    # struct counter of block_counter.c
    _fields_ = (
        ("instructions", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
        ("code", ctypes.c_void_p),
        ("code_base", ctypes.c_uint64),
        ("code_bytes", ctypes.c_uint64),
        ("known", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class _Buffer:
    owner: object
    address: int
    bytes: int


class Chip:
    """One boot of the chip.

    Args:
        image: what the ROM loads and starts.
        memory: kept from the boot before.
        cause: CAUSE_*.
        counter: the library of block_counter.c.
    """

    def __init__(self, image: BootImage, memory: Memory, cause: int, counter: Path) -> None:
        self.uart = Uart()
        self.timer = SystemTimer(lambda: int(self._counter.instructions))
        self.matrix = InterruptMatrix()
        self._memory = memory
        self._reset = False
        self._exception: int | None = None
        self._uc = unicorn.Uc(constants.UC_ARCH_RISCV, constants.UC_MODE_RISCV32)
        for base, buffer in ((_SRAM_DATA, memory.sram), (_SRAM_CODE, memory.sram), (_RTC_MEMORY, memory.rtc)):
            self._uc.mem_map_ptr(base, buffer.bytes, constants.UC_PROT_ALL, buffer.address)
        rtc = Rtc(cause, EFUSES, self._on_reset)
        for block in (self.uart, self.timer, self.matrix, rtc, Registers(0x6001F000), Registers(0x60002000)):
            self._map(block)
        self._count_blocks(counter)
        self._uc.hook_add(constants.UC_HOOK_INTR, self._on_exception)
        for address, data in image.segments:
            self._uc.mem_write(address, data)
        self._pc = image.entry

    @property
    def instructions(self) -> int:
        """Executed since the start."""
        return int(self._counter.instructions)

    def run(self, slice_instructions: int = _SLICE) -> Stop:
        """Runs for about so many instructions, or until something happens. Takes interrupts that ask."""
        end = self.instructions + slice_instructions
        while self.instructions < end:
            line = self.matrix.line(self._asking())
            limit = end
            if line is not None:
                if self._uc.reg_read(riscv.UC_RISCV_REG_MSTATUS) & _MIE:
                    self._trap(_INTERRUPT | line, 4 * line)
                else:
                    limit = self.instructions + 1  # one block: the next one may let interrupts in
            before = self.instructions
            match self._go(limit):
                case Stop.SLEEP if self.matrix.line(self._asking()) is not None:
                    # WFI with its interrupt there already, maybe alone in its block: time goes on all the same.
                    self._counter.instructions += self.instructions == before
                case Stop.SLICE:
                    pass
                case stopped:
                    return stopped
        return Stop.SLICE

    def _go(self, limit: int) -> Stop:
        """Runs until `limit`, WFI, a fault or a reset. A fault is taken, and the program goes on with its handler."""
        self._counter.limit = limit
        try:
            self._uc.emu_start(self._pc, _SRAM_CODE + _SRAM_BYTES)
        except unicorn.UcError as error:
            self._exception = _FAULTS.get(error.errno, 2)
        self._pc = int(self._uc.reg_read(riscv.UC_RISCV_REG_PC))
        if self._reset:
            return Stop.RESET
        if self._exception is not None:
            cause, self._exception = self._exception, None
            if not self._uc.reg_read(riscv.UC_RISCV_REG_MTVEC) & ~3:
                return Stop.LOCKUP
            self._trap(cause, 0)
            self._counter.instructions += 1  # a handler that faults itself must not last for ever in one slice
            return Stop.SLICE
        # Nothing but WFI ends it before its limit.
        return Stop.SLEEP if self.instructions < limit else Stop.SLICE

    def _asking(self) -> tuple[int, ...]:
        return tuple(block.source for block in (self.uart, self.timer) if block.interrupt)

    def _trap(self, cause: int, offset: int) -> None:
        """What the CPU does at an exception or interrupt: unicorn leaves it to its user."""
        status = int(self._uc.reg_read(riscv.UC_RISCV_REG_MSTATUS))
        kept = status & ~(_MIE | _MPIE) | _MPP
        self._uc.reg_write(riscv.UC_RISCV_REG_MSTATUS, kept | (_MPIE if status & _MIE else 0))
        self._uc.reg_write(riscv.UC_RISCV_REG_MEPC, self._pc)
        self._uc.reg_write(riscv.UC_RISCV_REG_MCAUSE, cause)
        self._pc = (int(self._uc.reg_read(riscv.UC_RISCV_REG_MTVEC)) & ~3) + offset

    def _on_exception(self, uc: unicorn.Uc, number: int, user: object) -> None:
        self._exception = number
        uc.emu_stop()

    def _on_reset(self) -> None:
        self._reset = True
        self._uc.emu_stop()

    def _map(self, block: Peripheral) -> None:
        def read(uc: unicorn.Uc, offset: int, size: int, user: object) -> int:
            return block.read(offset)

        def write(uc: unicorn.Uc, offset: int, size: int, value: int, user: object) -> None:
            block.write(offset, value)

        self._uc.mmio_map(block.base, _PAGE, read, None, write, None)

    def _count_blocks(self, counter: Path) -> None:
        from unicorn.unicorn_py3.unicorn import uclib

        code = self._memory.sram
        self._known = (ctypes.c_uint32 * (code.bytes // 2))()
        self._counter = _Counter(
            stop=ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value,
            code=code.address,
            code_base=_SRAM_CODE,
            code_bytes=code.bytes,
            known=ctypes.addressof(self._known),
        )
        self._library = ctypes.CDLL(str(counter))
        hook = ctypes.c_size_t()
        # The module's own hook_add would put a Python function before it.
        status = uclib.uc_hook_add(
            self._uc._uch,
            ctypes.byref(hook),
            constants.UC_HOOK_BLOCK,
            ctypes.cast(self._library.hil_count_block, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._counter), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != constants.UC_ERR_OK:
            raise unicorn.UcError(status)


def _aligned(size: int) -> _Buffer:
    owner = ctypes.create_string_buffer(size + _PAGE)
    return _Buffer(owner, (ctypes.addressof(owner) + _PAGE - 1) & ~(_PAGE - 1), size)
