"""Which rate the line runs at: faster ones tried and tested, and the way back when one fails.

The device's side and the reasons: docs/protocol.md, "Faster lines".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import BoardError, DeviceError, NoAnswerError
from harness.link.channel import Channel
from harness.link.deadline import Deadline
from harness.link.hello import refused
from harness.protocol.frame import Frame, decode_segment
from harness.protocol.ids import ErrorCode, MessageType
from harness.protocol.line import (
    BaudRequest,
    LinkTested,
    MessageError,
    bit_errors,
    decode_baud_set,
    decode_link_tested,
    encode_baud,
    encode_link_test,
    pattern,
)
from harness.protocol.line import LinkTest as LinkTestRequest
from harness.protocol.messages import decode_error

STANDARD_RATES = (230400, 250000, 460800, 500000, 921600, 1000000, 1500000, 2000000, 3000000)
LEASE_S = 1.0
TRIAL_LEASE_S = 0.3
SETTLE_S = 0.05  # a device, and a USB bridge, take time to change their rate
PATTERN_BYTES = 1024
BAUD_TIMEOUT_S = 2.0
TEST_GAP_S = 0.3  # longer than the device waits for a pattern that stopped
TEST_ANSWER_S = 0.8  # beyond the time on the line: an emulated device may be slower than that
SLOWNESS = 3.0  # of an emulated device, against the line
WAY_BACK_S = 5.0

# Sends one request until it is answered within so many seconds, and returns the reply's body.
Ask = Callable[[MessageType, bytes, float], bytes]
Outcome = Literal["clean", "bit errors", "refused", "silent"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One rate tried. Bit errors are of `tested_bytes` each way, None where that was not measured."""

    baud: int
    outcome: Outcome
    tested_bytes: int = 0
    errors_to_device: int | None = None
    errors_to_host: int | None = None


@dataclass(frozen=True, slots=True)
class LineTest:
    """A pattern sent each way, alone on the line: how long it took, and its wrong bits (a missing byte counts eight).

    `wall_s`: from the first byte written to the last one read; both patterns and a short frame each way.
    """

    to_device_bytes: int
    to_host_bytes: int
    errors_to_device: int
    errors_to_host: int
    wall_s: float


def rates_up_to(fastest: int | None, start: int) -> tuple[int, ...]:
    """Standard rates above `start` up to `fastest`, which is one of them too, the fastest first."""
    if fastest is None or fastest <= start:
        return ()
    return (fastest, *(rate for rate in reversed(STANDARD_RATES) if start < rate < fastest))


class LineSpeed:
    """The rate of one session's line: the start rate until `negotiate`, which nothing may be in flight for.

    Attributes:
        start_baud: what both ends can always come back to.
        agreed_baud: what both ends agreed on last.
    """

    def __init__(self, channel: Channel, ask: Ask) -> None:
        self._channel = channel
        self._ask = ask
        self._slower: tuple[int, ...] = ()
        self._again: tuple[int, ...] = ()  # to be negotiated at the next conversation
        self._turned_at_s = 0.0
        self.start_baud = channel.port.baud
        self.agreed_baud = self.start_baud

    @property
    def is_fast(self) -> bool:
        """Whether another rate than the start rate is agreed on."""
        return self.agreed_baud != self.start_baud

    @property
    def has_lapsed(self) -> bool:
        """Whether the device has been heard at the start rate although another one is agreed on."""
        here = self._channel.port.baud == self.start_baud
        return self.is_fast and here and self._channel.heard_at_s > self._turned_at_s

    def negotiate(self, rates: Sequence[int]) -> list[Trial]:
        """Tries `rates` in turn until one is clean, and keeps it; else the start rate. Returns what was tried.

        Raises what a request raises at the start rate: NoAnswerError, RebootNotice, ...
        """
        trials = []
        self._again = ()
        with self._channel.repairs_not_counted():
            self._to_start()
            for position, baud in enumerate(rates):
                if baud == self.start_baud:
                    continue
                trial = self._try(baud)
                trials.append(trial)
                if trial.outcome == "clean":
                    self._slower = tuple(rate for rate in rates[position + 1 :] if rate < baud)
                    break
        return trials

    def ensure(self) -> None:
        """Before a conversation: agrees anew where a lease may have ended meanwhile."""
        port = self._channel.port
        if not self.is_fast:
            if port.baud != self.start_baud:  # a negotiation was broken off
                port.set_baud(self.start_baud)
            if self._again:
                self.negotiate(self._again)
            return
        if port.baud != self.start_baud:
            if time.monotonic() - self._channel.heard_at_s < LEASE_S / 2:
                return
            # Either the device still listens here, and this renews the lease, or it waits at the start rate.
            with self._channel.repairs_not_counted():
                self._ask(MessageType.PING, b"rate?", WAY_BACK_S)
        if port.baud == self.start_baud:
            self.negotiate((self.agreed_baud, *self._slower))

    def before_repeat(self) -> None:
        """Before a request is repeated: a device not heard for longer than its lease may be at the start rate again."""
        now_s = time.monotonic()
        if self.is_fast and now_s - self._channel.heard_at_s > LEASE_S + SETTLE_S:
            port = self._channel.port
            self._turned_at_s = now_s
            port.set_baud(self.agreed_baud if port.baud == self.start_baud else self.start_baud)

    def step_down(self, busy_s: float) -> None:
        """The line fails at this rate: leaves it for the next slower clean one. What was in flight is lost.

        `busy_s`: how long the device may still compute.
        """
        slower = self._slower
        self._channel.port.set_baud(self.start_baud)
        self.agreed_baud = self.start_baud
        self._ask(MessageType.PING, b"slower", busy_s + WAY_BACK_S)
        self.negotiate(slower)

    def forget(self) -> None:
        """The device restarted, so it is at the start rate."""
        if self.is_fast:
            self._again = (self.agreed_baud, *self._slower)
            self._channel.port.set_baud(self.start_baud)
            self.agreed_baud = self.start_baud

    def give_back(self) -> None:
        """Back to the start rate, for the next host; the lease does it if this fails. Never raises."""
        try:
            if self.is_fast and not self._channel.faulty:
                body = encode_baud(BaudRequest(self.start_baud, 0))
                frame = self._channel.encode(MessageType.BAUD, self._channel.next_seq(), body)
                deadline = Deadline.after(SETTLE_S + self._channel.wire_s(4 * len(frame)))
                self._channel.send(frame, deadline)
                heard = self._channel.valid_frames
                while self._channel.valid_frames == heard and not deadline.expired:
                    self._channel.receive(deadline)
        except Exception:  # noqa: S110 - whatever ended the session is told elsewhere
            pass

    def _to_start(self) -> None:
        if self._channel.port.baud != self.start_baud:
            self._ask(MessageType.BAUD, encode_baud(BaudRequest(self.start_baud, 0)), BAUD_TIMEOUT_S)
            self._channel.port.set_baud(self.start_baud)
            time.sleep(SETTLE_S)
        self.agreed_baud = self.start_baud

    def _try(self, baud: int) -> Trial:
        try:
            self._set(baud, TRIAL_LEASE_S)
        except DeviceError as error:
            if error.code in (ErrorCode.UNSUPPORTED, ErrorCode.UNKNOWN_TYPE):
                return Trial(baud, "refused")
            raise
        tested = self.test(PATTERN_BYTES, PATTERN_BYTES)
        if tested is None:
            self._await_start()
            return Trial(baud, "silent", PATTERN_BYTES)
        found = (PATTERN_BYTES, tested.errors_to_device, tested.errors_to_host)
        if tested.errors_to_device or tested.errors_to_host:
            self._await_start()
            return Trial(baud, "bit errors", *found)
        self.agreed_baud = baud
        try:
            self._set(baud, LEASE_S)
        except NoAnswerError:
            self._await_start()
            return Trial(baud, "silent", *found)
        if self._channel.port.baud != baud:  # the answer came at the start rate: the device gave the other one up
            self._await_start()
            return Trial(baud, "silent", *found)
        return Trial(baud, "clean", *found)

    def _set(self, baud: int, lease_s: float) -> None:
        body = self._ask(MessageType.BAUD, encode_baud(BaudRequest(baud, round(1000 * lease_s))), BAUD_TIMEOUT_S)
        try:
            answered = decode_baud_set(body)
        except MessageError:
            answered = 0
        if answered != baud:
            raise self._channel.error(BoardError, "the device's BAUD_SET does not fit the request")
        if self.agreed_baud != baud:
            self._channel.port.set_baud(baud)
            time.sleep(SETTLE_S)

    def _await_start(self) -> None:
        """Waits at the start rate until the device is there too."""
        self._channel.port.set_baud(self.start_baud)
        self.agreed_baud = self.start_baud
        self._ask(MessageType.PING, b"start", WAY_BACK_S)

    def test(self, to_device_bytes: int, to_host_bytes: int) -> LineTest | None:
        """Sends the pattern each way, at most 65535 bytes; None: no answer. The device must listen. Not repeated.

        Raises DeviceError UNKNOWN_TYPE if the firmware is older than this.
        """
        channel = self._channel
        seq = channel.next_seq()
        body = encode_link_test(LinkTestRequest(to_device_bytes, to_host_bytes))
        request = channel.encode(MessageType.LINK_TEST, seq, body) + pattern(to_device_bytes)
        wire_s = channel.wire_s(to_device_bytes + to_host_bytes + 200)
        deadline = Deadline.after(SLOWNESS * wire_s + BAUD_TIMEOUT_S)
        start_s = time.monotonic()
        channel.send(request, deadline)
        received = bytearray()
        quiet = Deadline.after(wire_s + TEST_ANSWER_S)
        answer: tuple[LinkTested, int] | None = None
        while not (quiet.expired or deadline.expired):
            data = channel.receive_raw(quiet)
            if not data:
                continue
            received += data
            quiet = Deadline.after(TEST_GAP_S if answer else wire_s + TEST_ANSWER_S)
            answer = answer or _find_answer(received, seq)
            if answer is not None and len(received) - answer[1] >= to_host_bytes:
                break
        wall_s = time.monotonic() - start_s
        position = len(received) if answer is None else answer[1]
        for frame in channel.take(bytes(received[:position])):
            if frame.seq == seq and frame.type == MessageType.ERROR:
                raise refused(channel, decode_error(frame.body), "LINK_TEST")
        if answer is None:
            return None
        tested = answer[0]
        missing = 8 * (to_device_bytes - tested.received_bytes)
        errors_to_host = bit_errors(bytes(received[position:]), to_host_bytes)
        return LineTest(to_device_bytes, to_host_bytes, tested.bit_errors + missing, errors_to_host, wall_s)


def _find_answer(received: bytearray, seq: int) -> tuple[LinkTested, int] | None:
    """LINK_TESTED among `received`, and the position behind it."""
    start = 0
    while (end := received.find(b"\0", start)) >= 0:
        frame: Frame | None = decode_segment(bytes(received[start:end])) if end > start else None
        start = end + 1
        if frame is not None and frame.type == MessageType.LINK_TESTED and frame.seq == seq:
            try:
                return decode_link_tested(frame.body), start
            except MessageError:
                return None
    return None
