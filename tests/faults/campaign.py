"""Every single fault at every byte of the session, seeded storms, and what they came to as a table."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DeviceRebootedError, ForeignDeviceError, NoAnswerError, PortLostError
from tests.faults import script
from tests.faults.fault import KINDS, REPAIRED, UP, Single, Storm, parse
from tests.faults.script import BrokenPromiseError, Outcome

STORM_ERRORS = 40
STORMS = (
    {"drop": 0.001},
    {"flip": 0.001},
    {"insert": 0.001, "duplicate": 0.001},
    {"drop": 0.01, "flip": 0.001},
    {"stall": 0.0005, "delay": 0.005, "truncate": 0.0005},
    {"banner": 0.0005, "at": 0.0005, "insert00": 0.002},
    {"drop": 0.002, "reboot": 0.0005, "cut": 0.0005, "hang": 0.0005},
)


@dataclass(slots=True)
class Tally:
    """Cases of one kind: tried, repaired without a word, ended in a named error; failures are (id, what happened)."""

    tried: int = 0
    repaired: int = 0
    named: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def survived(self) -> int:
        return self.tried - len(self.failures)


def single_faults(firmware: Path) -> list[Single]:
    """Every kind at every byte of the clean session, both ways."""
    counts = script.run(firmware, most_errors=0).counts
    return [
        Single(phase, way, position, kind)
        for kind in KINDS
        for (phase, way), count in sorted(counts.items())
        for position in range(count)
    ]


def sample(faults: list[Single], share: float) -> list[Single]:
    """The same part of `faults` at every call, evenly over kinds and places."""
    most = share * 2**32
    return [f for f in faults if int.from_bytes(hashlib.sha256(str(f).encode()).digest()[:4], "big") < most]


def storms(seeds: range) -> list[str]:
    """Ids of storms, each seed over all kinds of weather in turn."""
    return [str(Storm(seed, STORMS[seed % len(STORMS)])) for seed in seeds]


def try_fault(firmware: Path, fault: str, *, seed: int = 0) -> Outcome:
    """Plays the session under the fault with that id. Raises BrokenPromiseError, which names the id."""
    single = fault.count("+") == 0 and not fault.startswith("storm:")
    filters = parse(fault)
    try:
        outcome = script.run(firmware, filters, seed=seed, most_errors=1 if single else STORM_ERRORS)
        if single:
            assert isinstance(filters[0], Single)
            _check_single(filters[0], outcome)
    except Exception as error:
        raise BrokenPromiseError(f"fault {fault}: {type(error).__name__}: {error}\n{replay(fault)}") from error
    return outcome


def replay(fault: str) -> str:
    return f"replay it: pytest tests/faults --fault-id '{fault}'"


def _check_single(fault: Single, outcome: Outcome) -> None:
    """One error at most, and only the one that this kind of fault means."""
    told = "; ".join(map(str, outcome.errors)) or "no error"
    kinds = {type(ended.error) for ended in outcome.errors}
    if fault.kind in REPAIRED:
        _claim(not kinds, f"a fault that can be repaired ended in {told}")
    elif fault.kind == "cut":
        _claim(kinds == {PortLostError} or fault.phase == "again", f"a cable that came out gave {told}")
    elif fault.kind == "hang":
        _claim(kinds <= {NoAnswerError, ForeignDeviceError}, f"a device that hung gave {told}")
        _claim(bool(kinds) or fault.phase == "again", "a device that hung went unnoticed")
        _claim(ForeignDeviceError not in kinds or fault.phase == "hello", f"a device that hung gave {told}")
    elif fault.kind == "reboot":
        _claim(kinds <= {DeviceRebootedError}, f"a reboot gave {told}")
        # Before anybody talks to the device, around a reboot on demand and after the last byte nobody is disturbed.
        undisturbed = fault.phase in ("hello", "reboot", "again") or (fault.phase, fault.way) == ("stats", UP)
        _claim(bool(kinds) or undisturbed, "a reboot went unnoticed")
        _claim(all("brown-out" in ended.error.what for ended in outcome.errors), f"the reason is missing: {told}")


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)


def add(tally: Tally, firmware: Path, fault: str) -> None:
    """Tries one fault and counts what came of it."""
    tally.tried += 1
    try:
        outcome = try_fault(firmware, fault)
    except BrokenPromiseError as error:
        tally.failures.append((fault, str(error)))
        return
    tally.slowest_s = max(tally.slowest_s, outcome.seconds)
    tally.repaired += not outcome.errors
    tally.named.update(type(ended.error).__name__ for ended in outcome.errors)


def table(tallies: dict[str, Tally]) -> str:
    """Markdown."""
    rows = ["| fault | tried | survived | repaired unseen | named errors |", "|---|---|---|---|---|"]
    for kind, tally in tallies.items():
        named = ", ".join(f"{count} {name}" for name, count in sorted(tally.named.items())) or "-"
        rows.append(f"| {kind} | {tally.tried} | {tally.survived} | {tally.repaired} | {named} |")
    tried, survived = (sum(getattr(t, what) for t in tallies.values()) for what in ("tried", "survived"))
    rows.append(f"| **all** | **{tried}** | **{survived}** | {sum(t.repaired for t in tallies.values())} | |")
    return "\n".join(rows)
