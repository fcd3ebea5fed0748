"""The real firmware as a process in lockstep with the session, on a line whose time is simulated.

The process is never interrupted in the middle of its work: the line looks at it only when it has read everything it was
sent and sleeps. So nothing depends on this computer's speed, a silence of seconds costs microseconds, and the same
faults give the same conversation, byte for byte.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import random
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace, TracebackType

from harness.errors import PortLostError
from harness.link.deadline import Deadline
from tests.faults.fault import DOWN, UP, Cut, Event, Filter, Hang, Pause, Reboot, Where, through

BITS_PER_BYTE = 10
LOOK_S = 1e-7  # each look at the clock takes that long: a loop that only looks ends too
START_S = 10.0  # of this computer's time, for a process to say its first word
BUSY_S = 1.0  # of this computer's time: a process that works for longer than that hangs
PATIENT_LOOKS = 200
BROWN_OUT = "5"


class Clock:
    """Simulated seconds; moved on by whoever waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        self.now_s += LOOK_S
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@contextlib.contextmanager
def simulated(clock: Clock, seed: int = 0) -> Iterator[None]:
    """Within it harness.link tells the time by `clock` and draws its nonces from `seed`."""
    draws = random.Random(seed)
    shims = {
        "time": SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep),
        "secrets": SimpleNamespace(randbelow=draws.randrange),
    }
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("harness.link.")]
    found = [(module, name) for module in modules for name in shims if hasattr(module, name)]
    kept = [(module, name, getattr(module, name)) for module, name in found]
    for module, name in found:
        setattr(module, name, shims[name])
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


class Device:
    """The firmware with a socket for a UART: what is written is there at once, so "asleep" means "done"."""

    def __init__(self, firmware: Path) -> None:
        self._firmware = firmware
        self._ours, self._its = socket.socketpair()
        self._ours.setblocking(False)
        self._waiting = array.array("i", [0])
        self._process: subprocess.Popen[bytes] | None = None
        self._stat = -1
        self.boots = 0

    def start(self) -> bytes:
        """Powers on; returns what it says until it waits for a host."""
        self._end()
        self.boots += 1
        again = {"HIL_RESET_REASON": BROWN_OUT, "HIL_BOOT_COUNT": str(self.boots)} if self.boots > 1 else {}
        self._process = subprocess.Popen([self._firmware], stdin=self._its, stdout=self._its, env=again)
        self._stat = os.open(f"/proc/{self._process.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        if not select.select([self._ours], [], [], START_S)[0]:
            raise AssertionError("the firmware does not start")
        return self._settled()

    def give(self, data: bytes) -> bytes:
        """Sends `data` and returns what the device says until it waits again."""
        self._ours.setblocking(True)
        self._ours.sendall(data)
        self._ours.setblocking(False)
        return self._settled()

    def freeze(self) -> None:
        """It hangs: reads nothing, says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        while self._state() != "T":
            time.sleep(0)

    def close(self) -> None:
        self._end()
        self._ours.close()
        self._its.close()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        os.close(self._stat)
        self._process = None
        self._its.setblocking(False)
        for end in (self._ours, self._its):
            with contextlib.suppress(BlockingIOError):
                while end.recv(65536):
                    pass

    def _settled(self) -> bytes:
        said = bytearray()
        give_up_s = time.monotonic() + BUSY_S
        looks = 0
        while True:
            idle = self._idle()
            with contextlib.suppress(BlockingIOError):
                said += self._ours.recv(1 << 20)
                continue
            if idle and self._idle():
                return bytes(said)
            looks += 1
            if looks > PATIENT_LOOKS:
                time.sleep(0.0005)
                if time.monotonic() > give_up_s:
                    return bytes(said)

    def _idle(self) -> bool:
        # In this order: once it has read everything and sleeps, only new input wakes it.
        fcntl.ioctl(self._its, termios.FIONREAD, self._waiting)
        state = self._state()
        return state == "T" or (state == "S" and self._waiting[0] == 0)

    def _state(self) -> str:
        stat = os.pread(self._stat, 512, 0)
        return chr(stat[stat.rindex(b")") + 2])


class Line:
    """A Port (harness.link.port) to `device`: each way carries baud / 10 bytes a second through `filters`.

    Attributes:
        phase: what the host is doing; positions of bytes count from 0 in each phase.
        counts: bytes so far, by (phase, way), as the sender sent them.
    """

    name = "simulated"

    def __init__(self, clock: Clock, device: Device, filters: Sequence[Filter] = (), *, baud: int = 115200) -> None:
        self.clock, self.device, self.filters = clock, device, filters
        self.baud = baud
        self.phase = "hello"
        self.counts: dict[tuple[str, str], int] = {}
        self.lost = False
        self._queues: dict[str, deque[tuple[float, Event]]] = {DOWN: deque(), UP: deque()}
        self._free_s = {DOWN: 0.0, UP: 0.0}
        self._arrived = bytearray()

    def power_on(self) -> None:
        """The device starts, again if it runs; what is on the line is lost."""
        self._queues[DOWN].clear()
        self._queues[UP].clear()
        self._send(UP, self.device.start())

    def plug_in(self) -> None:
        """The cable is back."""
        self.lost = False

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        until_s = self.clock.now_s + deadline.remaining_s
        while True:
            self._run_until(self.clock.now_s)
            if self.lost:
                raise PortLostError("the port went away (Input/output error)", port=self.name)
            if self._arrived:
                data = bytes(self._arrived[:max_bytes])
                del self._arrived[:max_bytes]
                return data
            next_s = min((queue[0][0] for queue in self._queues.values() if queue), default=until_s + 1)
            if next_s > until_s:
                self.clock.now_s = max(self.clock.now_s, until_s)
                return b""
            self.clock.now_s = max(self.clock.now_s, next_s)

    def write(self, data: bytes, deadline: Deadline) -> None:
        if self.lost:
            raise PortLostError("the port went away (Input/output error)", port=self.name)
        self._send(DOWN, data)

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def set_lines(self, dtr: bool, rts: bool) -> None:
        pass

    def close(self) -> None:
        pass

    def _run_until(self, now_s: float) -> None:
        while True:
            due = [(queue[0][0], way) for way, queue in self._queues.items() if queue and queue[0][0] <= now_s]
            if not due or self.lost:
                return
            way = min(due)[1]
            self._happen(way, self._queues[way].popleft()[1])

    def _happen(self, way: str, event: Event) -> None:
        if isinstance(event, bytes):
            if way == UP:
                self._arrived += event
            else:
                self._send(UP, self.device.give(event))
        elif isinstance(event, Cut):
            self.lost = True
            self._arrived.clear()
            self._queues[DOWN].clear()
            self._queues[UP].clear()
        elif isinstance(event, Reboot):
            self.power_on()
        elif isinstance(event, Hang):
            self.device.freeze()
            self._queues[UP].clear()

    def _send(self, way: str, data: bytes) -> None:
        """Puts `data` on the line, with whatever becomes of it under way, each piece due when its last byte arrives."""
        at_s = max(self._free_s[way], self.clock.now_s)
        queue = self._queues[way]
        piece = bytearray()
        position = self.counts.get((self.phase, way), 0)
        self.counts[self.phase, way] = position + len(data)
        for byte in data:
            for event in through(self.filters, Where(self.phase, way, position), bytes([byte])):
                if isinstance(event, bytes):
                    piece += event
                    at_s += len(event) * BITS_PER_BYTE / self.baud
                    continue
                if piece:
                    queue.append((at_s, bytes(piece)))
                    piece.clear()
                if isinstance(event, Pause):
                    at_s += event.seconds
                else:
                    queue.append((at_s, event))
            position += 1
        if piece:
            queue.append((at_s, bytes(piece)))
        self._free_s[way] = at_s


class Bench:
    """Clock, device and line of one case. Use as a context manager: within it harness.link lives in simulated time."""

    def __init__(self, firmware: Path, filters: Sequence[Filter] = (), *, seed: int = 0, baud: int = 115200) -> None:
        self.clock = Clock()
        self.device = Device(firmware)
        self.line = Line(self.clock, self.device, filters, baud=baud)
        self._time = simulated(self.clock, seed)

    def __enter__(self) -> Bench:
        self._time.__enter__()
        try:
            self.line.power_on()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._time.__exit__(kind, error, trace)
        self.device.close()
