"""Tries arena sizes on a device that may crash, hang, reboot or vanish at any of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.boards.target import Target
from harness.build.image import FirmwareImage
from harness.errors import (
    BoardError,
    DeviceError,
    DeviceRebootedError,
    NoAnswerError,
    PortLostError,
    SessionTakenError,
    WrongDeviceError,
)
from harness.link.session import Session
from harness.protocol.ids import MemoryKind, ResetReason
from harness.protocol.messages import DeviceStats
from harness.report.sweep_record import Outcome, ProbeRecord, SweepMemory
from harness.workflow.progress import Progress
from harness.workflow.sweep.journal import SweepJournal
from harness.workflow.sweep.judge import (
    FEW_VECTORS,
    SLOW_S,
    Judgement,
    Patience,
    Reference,
    Script,
    guarded,
    judge,
    reference_run,
    refused_start,
)
from harness.workflow.sweep.revive import Revived, Reviver, reason_text

CONSOLE_LINES = 6

# After these the device may have been damaged in a way no counter shows: the next probe starts from a reset.
_SUSPECT: tuple[Outcome, ...] = ("wrong output", "guard overwritten")


@dataclass(frozen=True, slots=True)
class Crash:
    """What is known of a crash or hang before the device is back."""

    outcome: Outcome
    detail: str
    console: tuple[str, ...]
    hung: bool


class Prober:
    """Probes sizes with one firmware over one target.

    Attributes:
        script: what each probe computes; shorter than the one given where inferences are slow.
        probes: the last verdict on each size; after `start_afresh`, only those made from a reset.
        probed: probes made on the device, repetitions included.
        probing_s: their time.
        resumed: verdicts taken over from the journal.
    """

    def __init__(self, target: Target, image: FirmwareImage, script: Script, progress: Progress) -> None:
        self._target = target
        self.script = script
        self._progress = progress
        self._reviver = Reviver(target, image, progress)
        self._session: Session | None = None
        self._journal: SweepJournal | None = None
        self._reference: Reference | None = None
        self._always_fresh = False
        self._capacity = 0
        self._suspect = False  # the device must be reset before it is used again
        self._stack_bytes: int | None = None
        self._stack_free: int | None = None
        self._heap_free: int | None = None
        self._arena_memory: MemoryKind | None = None
        self.probes: dict[int, ProbeRecord] = {}
        self.probed = 0
        self.probing_s = 0.0
        self.resumed = 0

    @property
    def resets(self) -> int:
        return self._reviver.resets

    @property
    def flashes(self) -> int:
        """To bring the device back; the first one is the caller's."""
        return self._reviver.flashes

    @property
    def reference(self) -> Reference:
        assert self._reference is not None
        return self._reference

    @property
    def memory(self) -> SweepMemory:
        """Water marks over all probes so far."""
        used = None
        if self._stack_bytes is not None and self._stack_free is not None:
            used = self._stack_bytes - self._stack_free
        placed = self._arena_memory.name.lower() if self._arena_memory is not None else None
        return SweepMemory(self._stack_bytes, used, self._heap_free, placed)

    def measure(self, session: Session, capacity: int, timeout_s: float) -> ProbeRecord:
        """Runs the largest arena, the measure of all others. Its record must pass before `probe` may be called.

        Raises:
            BoardError: the device can't be brought back after it.
        """
        self._session = session
        began = time.monotonic()
        try:
            found, self._reference = reference_run(session, self.script, capacity, timeout_s)
            if self._reference is not None and self._reference.vector_s > SLOW_S:
                self.script = Script.of(self.script.vectors, FEW_VECTORS)
                found, self._reference = reference_run(session, self.script, capacity, timeout_s)
        except BoardError as error:
            crash = _crash(error)
            if crash is None:
                raise
            return self._crashed(capacity, crash, began, fresh=False)
        record = self._judged(capacity, found, began, fresh=False)
        self._capacity = capacity
        self.probes[capacity] = record
        return record

    def keep(self, journal: SweepJournal) -> None:
        """Writes verdicts to `journal` from now on, and takes over those it has."""
        self._journal = journal
        for probe in journal.probes:
            self.probes[probe.size] = probe
        self.resumed = len({probe.size for probe in journal.probes})

    def start_afresh(self) -> None:
        """From now on the device is reset before every probe, and what was found without that no longer counts."""
        self._always_fresh = True
        self.probes = {size: p for size, p in self.probes.items() if p.fresh or size == self._capacity}

    def ask(self, size: int) -> ProbeRecord:
        """The verdict on `size`, from memory if it has been probed."""
        known = self.probes.get(size)
        return known if known is not None else self.probe(size)

    def probe(self, size: int, *, fresh: bool = False, patience: float = 1.0) -> ProbeRecord:
        """Tries `size` on the device.

        Args:
            fresh: reset the device before.
            patience: times the usual deadlines.

        Raises:
            BoardError: the device can't be brought back, or another host took it.
        """
        began = time.monotonic()
        fresh = fresh or self._always_fresh
        if fresh:
            self._close(suspect=True)
        session = self._live_session()
        try:
            found = self._try(session, size, self.reference.patience.times(patience))
        except BoardError as error:
            crash = _crash(error)
            if crash is None:
                raise
            record = self._crashed(size, crash, began, fresh=fresh)
        else:
            record = self._judged(size, found, began, fresh=fresh)
        self._keep(record)
        return record

    def rest(self) -> None:
        """Leaves the device in order, reset and answering, and its line to others; the next probe says HELLO again."""
        self._close(suspect=True)
        self._live_session()
        self._close()

    def _try(self, session: Session, size: int, patience: Patience) -> Judgement:
        try:
            session.set_arena(size, timeout_s=patience.start_s)
        except DeviceError as error:
            return guarded(session, refused_start(error))
        return judge(session, self.script, self.reference.outputs, patience)

    def _live_session(self) -> Session:
        if self._session is None:
            self._session = self._reviver.revive(reset=self._suspect).session
            self._suspect = False
        return self._session

    def _close(self, *, suspect: bool = False) -> None:
        self._suspect = self._suspect or suspect
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _judged(self, size: int, found: Judgement, began: float, *, fresh: bool) -> ProbeRecord:
        self._note(found.stats)
        if found.outcome in _SUSPECT:
            self._close(suspect=True)
        return ProbeRecord(
            size=size,
            outcome=found.outcome,
            detail=found.detail,
            missing_bytes=found.missing_bytes,
            used_bytes=found.used_bytes,
            fresh=fresh,
            wall_s=time.monotonic() - began,
        )

    def _crashed(self, size: int, crash: Crash, began: float, *, fresh: bool) -> ProbeRecord:
        self._close()
        try:
            revived = self._reviver.revive(reset=crash.hung)
        except BoardError:
            # The verdict stands, and a resumed sweep must not walk into it again.
            self._keep(ProbeRecord(size, crash.outcome, f"{crash.detail}; the device did not come back", fresh=fresh))
            raise
        self._session = revived.session
        outcome, detail = _told(crash, revived)
        console = (*crash.console, *revived.session.console)[-CONSOLE_LINES:]
        return ProbeRecord(
            size=size,
            outcome=outcome,
            detail=detail,
            fresh=fresh,
            console=console,
            wall_s=time.monotonic() - began,
        )

    def _keep(self, record: ProbeRecord) -> None:
        self.probed += 1
        self.probing_s += record.wall_s
        self.probes[record.size] = record
        if self._journal is not None:
            self._journal.append(record)
        self._progress.advance()
        self._progress.line(f"{record.size} bytes: {record.text}")

    def _note(self, stats: DeviceStats | None) -> None:
        if stats is None:
            return
        self._stack_bytes = stats.stack_bytes if stats.stack_bytes is not None else self._stack_bytes
        self._arena_memory = stats.arena_memory or self._arena_memory
        self._stack_free = _lower(self._stack_free, stats.stack_free_min_bytes)
        self._heap_free = _lower(self._heap_free, stats.heap_free_min_bytes)


def crash_of(act: Callable[[], Judgement]) -> Judgement | Crash:
    """Runs `act`; a crash or hang of the device is a value.

    Raises:
        BoardError: an error that is neither.
    """
    try:
        return act()
    except BoardError as error:
        crash = _crash(error)
        if crash is None:
            raise
        return crash


def _crash(error: BoardError) -> Crash | None:
    """What an error of the link says about the device; None: it is no crash or hang."""
    console = error.console[-CONSOLE_LINES:]
    match error:
        case SessionTakenError() | WrongDeviceError():
            return None
        case DeviceRebootedError():
            return Crash("crashed", "", console, hung=False)
        case PortLostError():
            return Crash("crashed", error.what, console, hung=False)
        case NoAnswerError():
            return Crash("hung", error.what, console, hung=True)
        case _:
            return Crash("crashed", f"its answers make no sense: {error.what}", console, hung=True)


def _told(crash: Crash, revived: Revived) -> tuple[Outcome, str]:
    """The outcome and its detail, with what the device's next boot told."""
    outcome, detail = crash.outcome, crash.detail
    restarted_by_itself = not revived.steps
    if restarted_by_itself and not crash.hung:
        reason = revived.session.info.reset_reason
        if reason is ResetReason.WATCHDOG:
            outcome = "hung"
        detail = "; ".join(part for part in (reason_text(reason), detail) if part)
    parts = [detail, revived.boot_loop, f"brought back by {', '.join(revived.steps)}" if revived.steps else ""]
    return outcome, "; ".join(part for part in parts if part)


def _lower(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
