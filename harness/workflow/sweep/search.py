"""Where the edge between arenas that work and arenas that don't lies. Pure: `ask` does the probing.

Sizes are multiples of the step, the grid, and the capacity. Nothing here believes that success is monotone: an edge is
a failing size with a passing neighbour, `refuted` looks at everything probed so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.report.sweep_record import ProbeRecord

Ask = Callable[[int], ProbeRecord]

MOST_HINTS = 4  # that prove to be too small: an engine may say what its next allocation lacks, not what it needs
AROUND_STEPS = 8  # each side of the edge, all of them
SCAN_BELOW = 24  # spread evenly from nothing to the edge
SCAN_ABOVE = 8  # in equal ratios from the edge to the capacity


def round_up(size: int, step: int) -> int:
    """The smallest multiple of `step` that is at least `size`."""
    return -(-size // step) * step


def find_edge(ask: Ask, low: int, high: int, step: int, *, guess: int | None = None) -> tuple[int, int]:
    """(largest failing, smallest passing) neighbours on the grid between `low`, which fails, and `high`, which passes.

    A low of 0 is taken to fail unasked.

    Args:
        ask: probes one size.
        low, high: bounds; multiples of `step`, but high may be the capacity.
        step: of the grid, bytes.
        guess: where to begin, e.g. what the engine says it uses.
    """
    hint = None if guess is None else round_up(guess, step)
    stride = step  # how far to go up while nothing but the upper bound has passed
    bounded = False  # something below the first `high` has passed
    trust = MOST_HINTS
    closing = False  # the hint is one step less than what has just passed
    while high - low > step:
        middle = low + max(step, (high - low) // 2 // step * step)
        if hint is not None and low < hint < high:
            size = hint
        elif bounded:
            size = middle
        else:
            size = min(middle, low + stride)
            stride *= 2
        answer = ask(size)
        if answer.passed:
            # What the engine asked for is enough: the next thing to know is whether one step less is not.
            closing = size == hint and not closing
            hint = size - step if closing else None
            high, bounded = size, True
        else:
            trust -= size == hint
            closing = False
            low = size
            hint = round_up(size + answer.missing_bytes, step) if answer.missing_bytes and trust > 0 else None
    return low, high


def scan_sizes(edge: int, capacity: int, step: int) -> list[int]:
    """Sizes around and below (and some above) a passing `edge` where a non-monotone island may be, in falling order."""
    around = range(edge - AROUND_STEPS * step, edge + AROUND_STEPS * step + 1, step)
    below = (edge * k // (SCAN_BELOW + 1) // step * step for k in range(1, SCAN_BELOW + 1))
    ratio = (capacity / edge) ** (1 / (SCAN_ABOVE + 1))
    above = (round_up(int(edge * ratio**k), step) for k in range(1, SCAN_ABOVE + 1))
    return sorted({size for size in (*around, *below, *above) if 0 < size <= capacity}, reverse=True)


def grid(first: int, last: int, step: int) -> list[int]:
    """Every multiple of `step` from `first` to `last`, in falling order."""
    return list(range(last // step * step, max(round_up(first, step), step) - 1, -step))


def refuted(probes: Mapping[int, ProbeRecord], edge: int) -> tuple[int, int] | None:
    """(largest failing size, smallest passing size above it) if a size above `edge` fails; None: all above pass."""
    failing = [size for size, probe in probes.items() if size > edge and not probe.passed]
    if not failing:
        return None
    low = max(failing)
    return low, min(size for size, probe in probes.items() if size > low and probe.passed)


def islands(probes: Iterable[ProbeRecord], minimum: int) -> list[tuple[int, int]]:
    """Runs of neighbouring probes that pass below `minimum`, as (first, last) sizes."""
    found: list[tuple[int, int]] = []
    open_run: tuple[int, int] | None = None
    for probe in sorted(probes, key=lambda p: p.size):
        if probe.size >= minimum:
            break
        if probe.passed:
            open_run = (open_run[0] if open_run else probe.size, probe.size)
        elif open_run:
            found.append(open_run)
            open_run = None
    # A run that reaches the minimum would be part of it.
    return found if open_run is None else [*found, open_run]


def is_monotone(probes: Sequence[ProbeRecord]) -> bool:
    """Whether no size that passes lies below one that fails."""
    passing = [probe.size for probe in probes if probe.passed]
    failing = [probe.size for probe in probes if not probe.passed]
    return not passing or not failing or min(passing) > max(failing)
