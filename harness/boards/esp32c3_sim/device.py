"""The simulated board's process: one owner of the line, which is the ROM loader's, the chip's or nobody's."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import termios
import time
from pathlib import Path

from harness.boards.emulator_process import die_with_parent
from harness.boards.esp32c3_sim.chip import CAUSE_POWER_ON, CAUSE_SOFTWARE, Chip, Memory, Stop
from harness.boards.esp32c3_sim.control import Command, decode
from harness.boards.esp32c3_sim.faults import Fault
from harness.boards.esp32c3_sim.flash_memory import BadImageError, FlashMemory, read_image
from harness.boards.esp32c3_sim.peripherals import FIFO_BYTES
from harness.boards.esp32c3_sim.rom_loader import BANNER, WAITING, CablePulledError, RomLoader

EXIT_CABLE_PULLED = 3
_READ_BYTES = 4096
_WRITE_GIVE_UP_S = 1.0
_QEMU_LOOK_S = 0.05
_STOP_S = 2.0
# ROM's words: https://docs.espressif.com/projects/esptool/en/latest/esp32c3/advanced-topics/boot-mode-selection.html
_ROM = (
    "ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x{cause:x} ({name}),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"
)
_CAUSES = {CAUSE_POWER_ON: "POWERON", CAUSE_SOFTWARE: "RTC_SW_SYS_RST"}
_QEMU_ARGUMENTS = ("-M", "esp32c3", "-icount", "shift=3", "-nographic", "-monitor", "none")


class Device:
    """Everything behind the USB plug.

    Args:
        control: takes `Command`s; when it closes, the process ends.
        counter: library of block_counter.c.
        fault: what the boot loader does wrong.
    """

    def __init__(self, control: socket.socket, *, counter: str, fault: Fault | None) -> None:
        self._control = control
        self._counter = Path(counter)
        self._fault = fault
        self._commands = b""
        self._flash: FlashMemory | None = None
        self._memory = Memory()
        self._chip: Chip | None = None
        self._asleep = False
        self._loader: RomLoader | None = None
        self._qemu: subprocess.Popen[bytes] | None = None
        self._command = Command("off")

    def run(self) -> int:
        """The exit code."""
        try:
            while True:
                if self._chip is not None and not self._asleep:
                    self._step(self._chip)
                if not self._wait():
                    return 0
        except CablePulledError:
            return EXIT_CABLE_PULLED
        finally:
            self._power_off()

    def _wait(self) -> bool:
        """Looks at line and control until there is something to do; False: the harness is gone."""
        chip = self._chip
        timeout: float | None = None
        if chip is not None:
            timeout = chip.timer.alarm_in_s if self._asleep else 0.0
        elif self._qemu is not None:
            timeout = _QEMU_LOOK_S
        watched: list[int] = [self._control.fileno()]
        # Nobody at home, or QEMU reads for itself, or no room.
        if self._loader is not None or (chip is not None and len(chip.uart.received) < FIFO_BYTES):
            watched.append(0)
        started = time.monotonic()
        ready = select.select(watched, [], [], timeout)[0]
        if chip is not None and self._asleep:
            slept_s = time.monotonic() - started
            # Woken by the alarm, it slept exactly so long.
            chip.timer.sleep(slept_s if ready or timeout is None else timeout)
            self._asleep = False
        if self._control.fileno() in ready and not self._obey():
            return False
        if 0 in ready and (self._chip is chip) and not self._take():
            return False
        if self._qemu is not None and self._qemu.poll() is not None:
            raise SystemExit(f"Espressif's QEMU ended with exit code {self._qemu.returncode}")
        return True

    def _take(self) -> bool:
        """Bytes from the line to whoever has it."""
        room = _READ_BYTES if self._chip is None else FIFO_BYTES - len(self._chip.uart.received)
        try:
            data = os.read(0, room)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the last open end was closed
            return False
        if not data:
            return False
        if self._chip is not None:
            self._chip.uart.received += data
        elif self._loader is not None:
            self._say(self._loader.feed(data))
        return True

    def _step(self, chip: Chip) -> None:
        stopped = chip.run()
        if chip.uart.sent:
            self._say(bytes(chip.uart.sent))
            chip.uart.sent.clear()
        match stopped:
            case Stop.SLICE:
                pass
            case Stop.SLEEP:
                self._asleep = True
            case Stop.RESET:
                self._boot(CAUSE_SOFTWARE)
            case Stop.LOCKUP:
                self._chip = None
                self._say(b"Guru Meditation Error: fault before the program set a trap vector\r\n")

    def _obey(self) -> bool:
        chunk = self._control.recv(_READ_BYTES)
        if not chunk:
            return False
        *lines, self._commands = (self._commands + chunk).split(b"\n")
        for line in lines:
            try:
                self._do(decode(line))
                answer: dict[str, str] = {}
            except (ValueError, OSError) as error:
                answer = {"error": str(error)}
            self._control.sendall(json.dumps(answer).encode() + b"\n")
        return True

    def _do(self, command: Command) -> None:
        if command.action == "reset":
            command = self._command
            keep = self._memory
            if command.action == "off":
                raise ValueError("it has no power")
        else:
            keep = Memory()
        self._power_off()
        self._command, self._memory = command, keep
        # Both ends' unread bytes go: they are of the boot before.
        with contextlib.suppress(termios.error):
            termios.tcflush(0, termios.TCIOFLUSH)
        if command.action == "off":
            return
        self._flash = FlashMemory(Path(command.flash))
        if command.action == "download":
            self._loader = RomLoader(self._flash, self._fault)
            self._say(BANNER + WAITING)
        elif command.qemu:
            self._start_qemu(command)
        else:
            self._boot(CAUSE_POWER_ON)

    def _boot(self, cause: int) -> None:
        """What the mask ROM does with the boot pin high."""
        assert self._flash is not None
        self._chip, self._asleep = None, False
        self._say(_ROM.format(cause=cause, name=_CAUSES[cause]).encode())
        try:
            self._chip = Chip(read_image(self._flash), self._memory, cause, self._counter)
        except BadImageError as error:
            # The ROM would try again for ever, with the same words.
            self._say(f"{error}\r\n".encode())

    def _start_qemu(self, command: Command) -> None:
        # The line stays the one owner's: QEMU reads and writes it as its own standard input and output.
        os.set_blocking(0, True)
        self._qemu = subprocess.Popen(
            [command.qemu, *_QEMU_ARGUMENTS, "-drive", f"file={command.flash},if=mtd,format=raw", "-serial", "stdio"],
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),
        )

    def _power_off(self) -> None:
        self._chip = self._loader = None
        self._asleep = False
        if self._qemu is not None:
            self._qemu.terminate()
            try:
                self._qemu.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._qemu.kill()
                self._qemu.wait()
            self._qemu = None
            os.set_blocking(0, False)
        if self._flash is not None:
            self._flash.close()
            self._flash = None

    def _say(self, data: bytes) -> None:
        """Writes to the line; what nobody takes for a second is lost."""
        rest = memoryview(data)
        while rest:
            if not select.select([], [1], [], _WRITE_GIVE_UP_S)[1]:
                return
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:
                continue
            except OSError:  # the harness is gone; the control socket says so too
                return
