"""Finds the smallest arena and proves it: it passes, less fails, and nothing probed above it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import BoardError
from harness.workflow.sweep import search
from harness.workflow.sweep.prober import Prober

MOST_ROUNDS = 16  # of finding an edge and having the scan refute it
PROOF_PATIENCE = 3.0  # a hang that decides the result gets more time to prove that it is one


@dataclass(slots=True)
class Edge:
    """The result of the search.

    Attributes:
        minimum_bytes: passes; so does everything probed above it.
        resolution_bytes: minimum_bytes less this fails (or is no arena at all).
        fresh: every probe that counts began with a reset.
        notes: what a reader should know besides.
    """

    minimum_bytes: int
    resolution_bytes: int
    fresh: bool = False
    notes: list[str] = field(default_factory=list)


def locate(
    prober: Prober,
    *,
    capacity: int,
    step: int,
    guess: int | None,
    planned: int | None,
    exhaustive: tuple[int, int] | None,
) -> Edge:
    """The proved minimum.

    Args:
        prober: has measured `capacity`, which passes.
        step: grid of the search, bytes.
        guess: size near which to begin.
        planned: what the packer promised: looked at to the byte.
        exhaustive: probe every step from the first to the last of these sizes.

    Raises:
        BoardError: the same size passes at one time and fails at another, even from a reset each.
    """
    try:
        edge = _proved(prober, capacity, step, guess, planned, exhaustive)
    except _DoubtError as first:
        prober.start_afresh()
        try:
            edge = _proved(prober, capacity, step, guess, planned, exhaustive)
        except _DoubtError as second:
            raise BoardError(
                f"the device gives different verdicts on the same arena, even from a reset: {second}",
                hint="look for memory that is not initialised, a weak supply, or another program on the port",
            ) from None
        edge.fresh = True
        edge.notes.append(
            f"the device's answers depended on earlier probes ({first}): a memory leak, most likely; "
            "every probe that counts began with a reset"
        )
    return edge


class _DoubtError(Exception):
    """A size got two different verdicts; says which."""


def _proved(
    prober: Prober, capacity: int, step: int, guess: int | None, planned: int | None, exhaustive: tuple[int, int] | None
) -> Edge:
    low, high = search.find_edge(prober.ask, 0, capacity, step, guess=guess)
    for _ in range(MOST_ROUNDS):
        sizes = search.scan_sizes(high, capacity, step) if exhaustive is None else search.grid(*exhaustive, step)
        for size in sizes:
            prober.ask(size)
        refuted = search.refuted(prober.probes, high)
        if refuted is None:
            break
        # A failure above a success is odd enough to be looked at twice before the search follows it.
        _again(prober, refuted[0], passes=False)
        low, high = search.find_edge(prober.ask, *refuted, step)
    edge = _to_the_byte(prober, low, high, planned)
    _again(prober, edge.minimum_bytes, passes=True)
    for less in {edge.resolution_bytes, step}:
        if less < edge.minimum_bytes:
            _again(prober, edge.minimum_bytes - less, passes=False)
    return edge


def _to_the_byte(prober: Prober, low: int, high: int, planned: int | None) -> Edge:
    """The edge between neighbours on the grid; where the packer has promised a size between them, held to that."""
    if planned is None:
        return Edge(high, high - low)
    near = low < planned <= high and prober.ask(planned).passed
    if near and (planned == 1 or not prober.ask(planned - 1).passed):
        return Edge(planned, 1)
    word = "more" if planned <= low else "less" if planned > high else "not exactly that"
    return Edge(high, high - low, notes=[f"the packer planned {planned} bytes, the device needs {word}"])


def _again(prober: Prober, size: int, *, passes: bool) -> None:
    """Probes `size` from a reset. Raises _DoubtError: the verdict is not the one it had."""
    before = prober.ask(size)
    record = prober.probe(size, fresh=True, patience=PROOF_PATIENCE)
    if record.passed != passes:
        raise _DoubtError(f"{size} bytes: {before.text}, then {record.text}")
