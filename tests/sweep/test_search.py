"""The search on functions of size: it finds the edge whatever hints say, and doubts what isn't monotone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.sweep_record import ProbeRecord
from harness.workflow.sweep.search import (
    AROUND_STEPS,
    find_edge,
    grid,
    is_monotone,
    islands,
    refuted,
    round_up,
    scan_sizes,
)

STEPS = st.sampled_from([1, 4, 16, 64, 100])


class Device:
    """Answers by a rule and counts."""

    def __init__(self, need: int, *, hint: int | None = None) -> None:
        self.need, self.hint = need, hint
        self.asked: list[int] = []

    def __call__(self, size: int) -> ProbeRecord:
        self.asked.append(size)
        if size >= self.need:
            return ProbeRecord(size, "passed")
        return ProbeRecord(size, "init failed", missing_bytes=self.hint)


class Honest(Device):
    """Says exactly what is missing."""

    def __call__(self, size: int) -> ProbeRecord:
        answer = super().__call__(size)
        return answer if answer.passed else ProbeRecord(size, "init failed", missing_bytes=self.need - size)


@given(
    need=st.integers(1, 60_000),
    step=STEPS,
    guess=st.none() | st.integers(1, 70_000),
    hint=st.none() | st.integers(1, 100_000),
)
def test_the_edge_is_found_whatever_guess_and_hints_say(
    need: int, step: int, guess: int | None, hint: int | None
) -> None:
    capacity = 65_536
    device = Device(need, hint=hint)
    low, high = find_edge(device, 0, capacity, step, guess=guess)
    assert high == min(capacity, round_up(need, step))
    assert low == max(0, high - step if high % step == 0 else high // step * step)
    assert len(set(device.asked)) == len(device.asked) <= 60
    assert all(0 < size < capacity and size % step == 0 for size in device.asked)


@given(need=st.integers(17, 60_000))
def test_an_engine_that_says_what_is_missing_is_believed_and_checked(need: int) -> None:
    device = Honest(need)
    assert find_edge(device, 0, 1 << 20, 16, guess=max(1, need // 2))[1] == round_up(need, 16)
    assert len(device.asked) <= 4


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_on_any_function_the_edge_is_a_failing_size_with_a_passing_neighbour(passing: list[bool]) -> None:
    step, capacity = 16, 16 * (len(passing) + 1)

    def ask(size: int) -> ProbeRecord:
        return ProbeRecord(size, "passed" if passing[size // step - 1] else "wrong output")

    low, high = find_edge(ask, 0, capacity, step)
    assert high - low == step
    assert high == capacity or ask(high).passed
    assert low == 0 or not ask(low).passed


@given(
    passing=st.lists(st.booleans(), min_size=1, max_size=60).map(lambda rest: [*rest, True]),
)
def test_refuting_until_nothing_is_refuted_ends_at_the_smallest_size_above_which_all_pass(passing: list[bool]) -> None:
    probes = {16 * (i + 1): ProbeRecord(16 * (i + 1), "passed" if p else "hung") for i, p in enumerate(passing)}
    _, high = find_edge(probes.__getitem__, 0, max(probes), 16)
    while (found := refuted(probes, high)) is not None:
        _, high = find_edge(probes.__getitem__, *found, 16)
    failing = [size for size, probe in probes.items() if not probe.passed]
    assert high == max(failing, default=0) + 16
    below = [size for size, probe in probes.items() if probe.passed and size < high]
    assert is_monotone(list(probes.values())) == (not below)
    covered = {size for first, last in islands(probes.values(), high) for size in range(first, last + 1, 16)}
    assert covered == set(below)


@given(edge=st.integers(1, 60_000), step=STEPS, extra=st.integers(0, 1_000_000))
def test_the_scan_looks_at_every_step_around_the_edge_and_nowhere_outside_the_arena(
    edge: int, step: int, extra: int
) -> None:
    edge = round_up(edge, step)
    sizes = scan_sizes(edge, edge + extra, step)
    assert all(0 < size <= edge + extra for size in sizes)
    for k in range(-AROUND_STEPS, AROUND_STEPS + 1):
        size = edge + k * step
        assert size in sizes or not 0 < size <= edge + extra
    assert len(sizes) < 60


def test_the_grid_is_every_step_of_the_range() -> None:
    assert grid(10, 64, 16) == [64, 48, 32, 16]
    assert grid(1, 15, 16) == []
    assert grid(16, 16, 16) == [16]
    assert grid(1, 3, 1) == [3, 2, 1]
