"""What is in flight: how much may be, what is lost, how long to wait. Pure bookkeeping; the caller tells the time.

The line keeps order and the device works in order. So a reply to a later request proves that an earlier one, or its
reply, was lost, and it is sent again at once. Silence is judged by the time the device needed for earlier vectors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MIN_SILENCE_S = 0.3  # below it, a busy host would be taken for a lost frame
FIRST_SILENCE_S = 0.5  # before the device's speed is known; doubles at a repetition
LOSSY_SILENCE_S = (
    0.06  # in place of both once the line has lost something: then a needless repetition is the smaller evil
)
SILENCE_FACTOR = 4.0  # times the usual compute time
PATIENCE_FACTOR = 10.0
SMOOTHING = 0.25  # of a new measurement in the running mean
ATTEMPTS = 4  # at least, of one request on a line that loses frames
MOST_DOUBLINGS = 2  # of the silence, so that a bad line gets enough attempts within the patience
LOSSY_DOUBLINGS = 3
MOST_FLIGHTS = 4  # keep line and device busy; more would only make the queue to drain after a fault longer
LOSSY_FLIGHTS = 16  # of the small frames a bad line carries; a loss is seen by what comes after it
FIRST_ITEMS = 8  # vectors of a frame before the line is known: doubled by each reply until the first loss
MORE_ITEMS = 2  # after the first loss, each reply adds these; each loss halves
# A frame that may not be taken apart must not outgrow what the line was seen to carry.
FIRST_STATEFUL_ITEMS = 1
STATEFUL_STREAK = 6  # replies in a row for longer frames
JUDGED_SENDINGS = 40
FAILING_LOSSES = 10  # of those: a slower line would carry more
FRAME_S = 1.0  # compute time of one frame is kept to about this, so that results keep coming
# Where the device is slower than the line, short frames cost nothing, and the last reply is soon over.
DEVICE_BOUND_FRAME_S = 0.1
DEVICE_BOUND = 1.25  # times the line's time for a vector


@dataclass(slots=True)
class Flight:
    """One request: `items` vectors from `first_index` on. `reply_bytes`: of its reply, as on the wire."""

    seq: int
    encoded: bytes
    first_index: int
    items: int
    reply_bytes: int
    vectors: tuple[bytes, ...] = ()
    sent_at_s: float = 0.0
    first_order: int = 0  # position among all sendings, of the first and of the last one of this request
    last_order: int = 0


class Window:
    """Selective repeat for requests that may be answered twice.

    Args:
        capacity_bytes: encoded bytes that may be unanswered; one flight always may.
        item_timeout_s: a device that needs longer for one vector is given up.
        wire_s: seconds that a number of bytes takes on the line.
        divisible: a lost request may be sent again in smaller parts.
    """

    def __init__(
        self, capacity_bytes: int, item_timeout_s: float, wire_s: Callable[[int], float], *, divisible: bool = True
    ) -> None:
        self._capacity_bytes = capacity_bytes
        self._item_timeout_s = item_timeout_s
        self._wire_s = wire_s
        self._in_flight: dict[int, Flight] = {}  # by seq, in the order of their last sending
        self._lost: dict[int, Flight] = {}
        self._bytes = 0
        self._order = 0
        self._progress_at_s = 0.0  # last new reply, or first sending into an empty window
        self._probing = False  # after a silence: one request at a time until something is answered
        self._silences = 0  # since the last reply that allowed a measurement, so that a device that slows down is seen
        self._streak = 0  # replies since the last loss
        self._owed = False  # items of a lost request go out anew: that is no progress
        self._divisible = divisible
        self._most_items = FIRST_ITEMS if divisible else FIRST_STATEFUL_ITEMS
        self._lossy = False
        self._losses: deque[bool] = deque(maxlen=JUDGED_SENDINGS)
        self._item_line_s = 0.0  # what the line alone needs for an item, in the direction that needs longer
        self.item_s: float | None = None  # measured; None until the first reply

    @property
    def empty(self) -> bool:
        """Whether every request has been answered."""
        return not self._in_flight and not self._lost

    @property
    def is_failing(self) -> bool:
        """Whether so many of the last requests were lost that another rate should be tried."""
        return sum(self._losses) >= FAILING_LOSSES

    @property
    def outstanding_items(self) -> int:
        """Vectors sent and not answered."""
        return sum(flight.items for flight in (*self._in_flight.values(), *self._lost.values()))

    def items_wanted(self, most: int) -> int:
        """Vectors for the next frame, at most `most`: one to measure, then what FRAME_S and the line allow.

        A long frame carries more for its overhead, but has more bytes to lose: their number follows the losses.
        """
        if self.item_s is None:
            return 1
        device_bound = self._divisible and self.item_s > DEVICE_BOUND * self._item_line_s
        frame_s = DEVICE_BOUND_FRAME_S if device_bound else FRAME_S
        return max(1, min(most, self._most_items, int(frame_s / max(self.item_s, 1e-9))))

    def has_room(self, nbytes: int) -> bool:
        """Whether a request of `nbytes` may be sent now."""
        if not self._in_flight:
            return True
        most = LOSSY_FLIGHTS if self._lossy else MOST_FLIGHTS
        more = self.item_s is not None and not self._probing and len(self._in_flight) < most
        return more and self._bytes + nbytes <= self._capacity_bytes

    def next_lost(self) -> Flight | None:
        """The request to repeat first, whether or not there is room for it."""
        return next(iter(self._lost.values()), None)

    def is_too_long(self, flight: Flight) -> bool:
        """Whether a lost request had better go out again in parts: a line that lost it may never carry it whole."""
        return self._divisible and flight.seq in self._lost and flight.items > self._most_items

    def replaced(self, flight: Flight) -> None:
        """The lost `flight` is given up for others with its items."""
        del self._lost[flight.seq]
        self._owed = True

    def sent(self, flight: Flight, now_s: float) -> None:
        """`flight` has been handed to the line, for the first time or again."""
        again = self._lost.pop(flight.seq, None) is not None
        if not again and self.empty and not self._owed:
            self._progress_at_s = now_s
        self._order += 1
        flight.last_order = self._order
        if not again:
            flight.first_order = self._order
        flight.sent_at_s = now_s
        self._in_flight[flight.seq] = flight
        self._bytes += len(flight.encoded)

    def find(self, seq: int) -> Flight | None:
        """The unanswered request with this seq; None for late and repeated replies."""
        return self._in_flight.get(seq) or self._lost.get(seq)

    def answered(self, flight: Flight, now_s: float) -> None:
        """The first reply to `flight` has come."""
        if self._in_flight.pop(flight.seq, None) is not None:
            self._bytes -= len(flight.encoded)
        else:
            self._lost.pop(flight.seq, None)
        self._losses.append(False)
        once = flight.first_order == flight.last_order  # else nobody knows which sending this answers
        if once:
            self._silences = 0
            self._item_line_s = self._wire_s(max(len(flight.encoded), flight.reply_bytes)) / flight.items
            self._measure((now_s - max(flight.sent_at_s, self._progress_at_s)) / flight.items)
        self._progress_at_s = now_s
        self._probing = self._owed = False
        overtaken = [other for other in self._in_flight.values() if other.last_order < flight.first_order]
        if overtaken:
            self._lose(overtaken)
        elif once:
            self._grow()

    def _grow(self) -> None:
        self._streak += 1
        if not self._divisible and self._streak % STATEFUL_STREAK:
            return
        self._most_items = min(self._most_items + MORE_ITEMS if self._lossy else 2 * self._most_items, 1 << 16)

    def wait_s(self, now_s: float) -> float:
        """Seconds until `check_silence` has something to say, unless a reply comes first."""
        head = next(iter(self._in_flight.values()), None)
        if head is None:
            return 0.0
        due_s = min(self._progress_at_s + self.patience_s(), self._heard_or_sent_s(head) + self._silence_s(head))
        return max(0.0, due_s - now_s)

    def check_silence(self, now_s: float) -> bool:
        """Marks everything in flight as lost if the device was silent for too long; False if it is to be given up."""
        head = next(iter(self._in_flight.values()), None)
        if head is None:
            return True
        if now_s - self._progress_at_s >= self.patience_s():
            return False
        if now_s - self._heard_or_sent_s(head) >= self._silence_s(head):
            self._silences += 1
            self._probing = True
            self._lose(list(self._in_flight.values()))
        return True

    def patience_s(self) -> float:
        """Seconds without a new reply after which the device is given up."""
        head = next(iter(self._in_flight.values()), None) or self.next_lost()
        if head is None:
            return 0.0
        return self._allowance_s(head.items) + self._line_s()

    def drain_s(self) -> float:
        """Seconds after which a device that lives has answered everything; 0 if nothing is unanswered."""
        items = self.outstanding_items
        return self._allowance_s(items) + self._line_s() if items else 0.0

    def _allowance_s(self, items: int) -> float:
        most_s = items * self._item_timeout_s
        if self.item_s is None:
            return most_s
        return min(most_s, max(self._item_timeout_s, PATIENCE_FACTOR * self.item_s * items))

    def _heard_or_sent_s(self, head: Flight) -> float:
        return max(self._progress_at_s, head.sent_at_s)

    def _silence_s(self, head: Flight) -> float:
        usual_s, doublings = FIRST_SILENCE_S, MOST_DOUBLINGS
        if self.item_s is not None:
            if self._lossy:
                doublings = LOSSY_DOUBLINGS
            usual_s = (LOSSY_SILENCE_S if self._lossy else MIN_SILENCE_S) + SILENCE_FACTOR * self.item_s * head.items
        # Several attempts must fit the patience, but a device that only is slow must not be asked twice.
        most_s = max(self.patience_s() / ATTEMPTS, 1.5 * (self.item_s or 0.0) * head.items)
        return min((usual_s + self._line_s()) * 2.0 ** min(self._silences, doublings), most_s)

    def _line_s(self) -> float:
        replies = sum(flight.reply_bytes for flight in self._in_flight.values())
        return 2.0 * self._wire_s(self._bytes + replies)

    def lose_all(self) -> None:
        """Everything in flight is lost with the line's rate; the losses so far say nothing about the next one."""
        self._lose(list(self._in_flight.values()))
        self._losses.clear()

    def damaged(self) -> None:
        """A broken frame came. Replies come in order, so it was most likely the one to the oldest request."""
        head = next(iter(self._in_flight.values()), None)
        if head is not None:
            self._lose([head])

    def _lose(self, flights: list[Flight]) -> None:
        self._lossy = True
        self._streak = 0
        self._losses.extend(True for _ in flights)
        self._most_items = max(1, self._most_items // 2)
        for flight in flights:
            del self._in_flight[flight.seq]
            self._bytes -= len(flight.encoded)
            self._lost[flight.seq] = flight

    def _measure(self, item_s: float) -> None:
        self.item_s = item_s if self.item_s is None else self.item_s + SMOOTHING * (item_s - self.item_s)
