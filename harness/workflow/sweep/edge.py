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
    fresh: bool = False,
) -> Edge:
    """The proved minimum.

    Args:
        prober: has measured `capacity`, which passes.
        step: grid of the search, bytes.
        guess: size near which to begin.
        planned: what the packer promised: looked at to the byte.
        exhaustive: probe every step from the first to the last of these sizes.
        fresh: the prober resets the device before every probe already.

    Raises:
        BoardError: the same size passes at one time and fails at another, even from a reset each.
    """
    edge = _search(prober, capacity, step, guess, planned, exhaustive)
    doubt = _doubt(prober, edge, step)
    if doubt is not None and not fresh:
        prober.start_afresh()
        fresh = True
        edge = _search(prober, capacity, step, guess, planned, exhaustive)
        edge.notes.append(
            f"the device's answers depended on earlier probes ({doubt}): a memory leak, most likely; "
            "every probe that counts began with a reset"
        )
        doubt = _doubt(prober, edge, step)
    if doubt is not None:
        raise BoardError(
            f"the device gives different verdicts on the same arena, even from a reset: {doubt}",
            hint="look for memory that is not initialised, a supply that is too weak, or another program on the port",
        )
    edge.fresh = fresh
    return edge


def _search(
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
        low, high = search.find_edge(prober.ask, *refuted, step)
    notes: list[str] = []
    if planned is not None and low < planned <= high:
        # A plan is a promise to the byte, so it is held to it.
        if prober.ask(planned).passed and (planned == 1 or not prober.ask(planned - 1).passed):
            return Edge(planned, 1, notes=notes)
        notes.append(f"the packer planned {planned} bytes, which is not the exact need")
    elif planned is not None:
        notes.append(f"the packer planned {planned} bytes, the device needs {'more' if planned <= low else 'less'}")
    return Edge(high, high - low, notes=notes)


def _doubt(prober: Prober, edge: Edge, step: int) -> str | None:
    """Probes the edge again, each size from a reset; what contradicts it, in words, or None."""
    minimum = edge.minimum_bytes
    above = prober.probe(minimum, fresh=True, patience=PROOF_PATIENCE)
    if not above.passed:
        return f"{minimum} bytes passed, then {above.text}"
    for less in {edge.resolution_bytes, step}:
        if less < minimum:
            below = prober.probe(minimum - less, fresh=True, patience=PROOF_PATIENCE)
            if below.passed:
                return f"{minimum - less} bytes failed, then passed"
    return None
