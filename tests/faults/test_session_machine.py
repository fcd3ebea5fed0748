"""Hypothesis plays any requests in any order, on any line, against the real firmware, and knows what each must come to.

Time is simulated and the firmware goes in lockstep, so that a failure shrinks, and its printed steps replay it.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from harness.errors import DeviceError, DeviceRebootedError, HilError, PortLostError
from harness.link.session import Session
from harness.protocol.ids import ErrorCode, ResetReason
from tests.faults.fault import REPAIRED, Event, Where, spoilt_by
from tests.faults.firmware import compile_firmware
from tests.faults.script import vector
from tests.faults.simulation import Bench

EXAMPLES = int(os.environ.get("HIL_MACHINE_EXAMPLES", "40"))
STEPS = 30
NEEDED_BYTES = 16
CAPACITY_BYTES = 4096
T = TypeVar("T")


class Next:
    """Spoils one byte, counted from when it is armed."""

    def __init__(self) -> None:
        self._armed: list[tuple[str, int, str]] = []
        self._seen = {"down": 0, "up": 0}

    def arm(self, way: str, after: int, kind: str) -> None:
        self._armed.append((way, self._seen[way] + after, kind))

    def apply(self, where: Where, byte: bytes) -> list[Event]:
        position = self._seen[where.way]
        self._seen[where.way] += 1
        for way, at, kind in self._armed:
            if (way, at) == (where.way, position):
                spoilt = spoilt_by(kind, byte)
                assert spoilt is not None
                return spoilt
        return [byte]


class SessionMachine(RuleBasedStateMachine):
    """The model: what is summed up on the device, how large its arena is, whether it has been restarted unasked."""

    firmware: Path

    @initialize()
    def begin(self) -> None:
        self.faults = Next()
        self.bench = Bench(self.firmware, [self.faults])
        self.bench.__enter__()
        self.reconnect()

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.__exit__(None, None, None)

    def reconnect(self) -> None:
        self.session = Session.open(self.bench.line, timeout_s=20)
        self.clear()
        self.restarted = self.unplugged = False

    def clear(self) -> None:
        self.kept, self.known = 0.0, True

    def expect(self, call: Callable[[], T]) -> T | None:
        """What `call` returns; None if it must, and does, end in the error of what happened before."""
        due = PortLostError if self.unplugged else DeviceRebootedError if self.restarted else None
        try:
            result = call()
        except HilError as error:
            if due is None or not isinstance(error, due):
                raise
            if due is DeviceRebootedError:
                assert "brown-out" in error.what
            self.bench.line.plug_in()
            self.reconnect()
            return None
        assert due is None, f"{due.__name__} was due"
        return result

    @rule(values=st.lists(st.integers(0, 1000), max_size=60))
    def infer(self, values: list[int]) -> None:
        if not values:
            return
        results = self.expect(lambda: self.session.infer([vector(v, 1, 2) for v in values]))
        if results is not None:
            assert [struct.unpack("<f", r.output)[0] for r in results] == [v + 3.0 for v in values]
            assert [r.index for r in results] == list(range(len(values)))
            self.known = False  # which vector was computed last depends on what had to be repeated

    @rule(values=st.lists(st.integers(-50, 50), min_size=1, max_size=12))
    def infer_on(self, values: list[int]) -> None:
        if not self.known:
            self.reset_state()
        results = self.expect(lambda: self.session.infer([vector(v, 0, 0) for v in values], keep_state=True))
        if results is None:
            return
        for value, result in zip(values, results, strict=True):
            self.kept += value
            assert struct.unpack("<f", result.output)[0] == self.kept

    @rule()
    def reset_state(self) -> None:
        if self.expect(lambda: self.session.reset_state() or True):
            self.clear()

    @rule(size=st.one_of(st.integers(0, 64), st.integers(0, CAPACITY_BYTES + 10)))
    def set_arena(self, size: int) -> None:
        refusal: list[int] = []

        def ask() -> int:
            try:
                return self.session.set_arena(size).size_bytes
            except DeviceError as error:
                refusal.append(error.code)
                return -1

        result = self.expect(ask)
        if result is None:
            return
        if size > CAPACITY_BYTES:
            assert refusal == [ErrorCode.ARENA_TOO_LARGE]
        elif size < NEEDED_BYTES:
            assert refusal == [ErrorCode.ARENA_TOO_SMALL]
            with pytest.raises(DeviceError):
                self.session.infer([vector(1, 1, 1)])
            self.session.set_arena(CAPACITY_BYTES)
            self.clear()
        else:
            assert (result, refusal) == (size, [])
            self.clear()

    @rule(data=st.binary(max_size=200))
    def ping(self, data: bytes) -> None:
        word = data.lstrip(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # the test hooks' words
        self.expect(lambda: self.session.ping(word) >= 0)

    @rule()
    def stats(self) -> None:
        stats = self.expect(self.session.stats)
        assert stats is None or stats.arena_guard_intact

    @rule()
    def reboot(self) -> None:
        if self.unplugged or self.restarted:
            return
        assert self.session.reboot(timeout_s=20).reset_reason == ResetReason.SOFTWARE
        self.clear()

    @rule(way=st.sampled_from(["down", "up"]), after=st.integers(0, 400), kind=st.sampled_from(REPAIRED))
    def spoil(self, way: str, after: int, kind: str) -> None:
        self.faults.arm(way, after, kind)

    @rule()
    def restart(self) -> None:
        """Brown-out while nobody talks."""
        if not self.unplugged:
            self.bench.line.power_on()
            self.restarted = True

    @rule()
    def pull_the_cable(self) -> None:
        self.bench.line.lost = self.unplugged = True

    @invariant()
    def time_is_bounded(self) -> None:
        assert not hasattr(self, "bench") or self.bench.clock.now_s < 1000 + 60 * 100


@pytest.mark.promise("P1", "P4")
@pytest.mark.timeout(1200)
def test_any_requests_in_any_order_on_any_line() -> None:
    with tempfile.TemporaryDirectory(prefix="hil-machine-") as folder:
        firmware = compile_firmware(Path(folder), max_frame_bytes=256, rx_ring_bytes=512)
        machine = type("Machine", (SessionMachine,), {"firmware": firmware})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
