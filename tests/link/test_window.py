"""The bookkeeping of what is in flight, with a clock of its own."""

from __future__ import annotations

from harness.link.window import Flight, Window


def flight(seq: int, size: int = 100, items: int = 1) -> Flight:
    return Flight(seq, bytes(size), seq, items, size)


def window(capacity_bytes: int = 1000) -> Window:
    """A window whose device is known to need 10 ms per vector."""
    made = Window(capacity_bytes, 10.0, lambda nbytes: 0.0)
    first = flight(9999)
    made.sent(first, 0.0)
    made.answered(first, 0.01)
    return made


def test_one_request_measures_before_more_are_sent() -> None:
    fresh = Window(1000, 10.0, lambda nbytes: 0.0)
    assert fresh.items_wanted(50) == 1
    fresh.sent(flight(1), 0.0)
    assert not fresh.has_room(1)


def test_bytes_in_flight_never_exceed_the_buffer_but_one_request_always_goes() -> None:
    filled = window(250)
    assert filled.has_room(5000)
    filled.sent(flight(1), 1.0)
    filled.sent(flight(2), 1.0)
    assert filled.has_room(50)
    assert not filled.has_room(51)


def test_a_reply_to_a_later_request_shows_that_an_earlier_one_was_lost() -> None:
    sent = window()
    flights = [flight(seq) for seq in (1, 2, 3)]
    for each in flights:
        sent.sent(each, 1.0)
    sent.answered(flights[1], 1.1)
    assert sent.next_lost() is flights[0]
    sent.sent(flights[0], 1.1)
    assert sent.next_lost() is None
    sent.answered(flights[2], 1.2)
    assert sent.next_lost() is None, "the repetition went out after the third request: it is not overdue"


def test_a_late_reply_to_a_request_thought_lost_settles_it() -> None:
    sent = window()
    flights = [flight(seq) for seq in (1, 2)]
    for each in flights:
        sent.sent(each, 1.0)
    sent.answered(flights[1], 1.1)
    sent.answered(flights[0], 1.2)
    assert sent.empty
    assert sent.find(1) is None


def test_silence_makes_everything_lost_and_then_one_request_probes() -> None:
    silent = window()
    flights = [flight(seq) for seq in (1, 2, 3)]
    for each in flights:
        silent.sent(each, 1.0)
    assert silent.check_silence(1.0 + silent.wait_s(1.0) + 0.001)
    assert silent.next_lost() is flights[0]
    silent.sent(flights[0], 2.0)
    assert not silent.has_room(1)
    silent.answered(flights[0], 2.1)
    assert silent.has_room(100)


def test_a_silent_device_is_given_up_after_the_timeout_of_one_vector_once_its_speed_is_known() -> None:
    silent = window()
    each = flight(1, items=100)
    silent.sent(each, 1.0)
    now_s = 1.0
    repeats = 0
    while silent.check_silence(now_s):
        if silent.next_lost() is not None:
            silent.sent(each, now_s)
            repeats += 1
        now_s += max(silent.wait_s(now_s), 1e-6)
    assert 10.9 < now_s < 11.1
    assert repeats >= 2


def test_frames_shrink_with_losses_and_with_slow_vectors() -> None:
    fast = window()
    before = fast.items_wanted(255)
    assert before > 8
    flights = [flight(seq) for seq in (1, 2)]
    for each in flights:
        fast.sent(each, 1.0)
    fast.answered(flights[1], 1.02)
    assert fast.items_wanted(255) < before
    slow = Window(1000, 10.0, lambda nbytes: 0.0)
    first = flight(1)
    slow.sent(first, 0.0)
    slow.answered(first, 5.0)
    assert slow.items_wanted(255) == 1
