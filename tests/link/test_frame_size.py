"""How many vectors a frame takes: many where the line is what limits, few where the device is."""

from __future__ import annotations

from harness.link.window import DEVICE_BOUND_FRAME_S, Flight, Window

BYTE_S = 10 / 115200


def settled(item_s: float, *, divisible: bool = True) -> Window:
    """A window that has seen a hundred frames of a device that gives a result every `item_s`."""
    window = Window(16384, 10.0, lambda nbytes: nbytes * BYTE_S, divisible=divisible)
    now_s = 0.0
    for seq in range(1, 101):
        items = window.items_wanted(255)
        flight = Flight(seq, bytes(20 + 12 * items), seq, items, 20 + 8 * items)
        window.sent(flight, now_s)
        now_s += item_s * items
        window.answered(flight, now_s)
    return window


def test_where_the_line_limits_frames_are_as_long_as_they_may_be() -> None:
    assert settled(12.2 * BYTE_S).items_wanted(255) == 255


def test_where_the_device_limits_frames_are_short_so_that_the_last_reply_is_soon_over() -> None:
    assert settled(0.002).items_wanted(255) == int(DEVICE_BOUND_FRAME_S / 0.002)
    assert settled(0.5).items_wanted(255) == 1


def test_kept_state_waits_for_each_frame_so_it_keeps_long_ones() -> None:
    assert settled(0.002, divisible=False).items_wanted(255) == 255
