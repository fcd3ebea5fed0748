"""Vectors through a device as fast as the line allows, each result exactly once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from harness.errors import BoardError, DeviceError, NoAnswerError, UsageError
from harness.link.channel import Channel
from harness.link.deadline import Deadline
from harness.link.hello import refused
from harness.link.speed import LineSpeed
from harness.link.window import Flight, Window
from harness.protocol.cobs import encoded_bound
from harness.protocol.frame import Frame
from harness.protocol.ids import CRC_BYTES, HEADER_BYTES, ErrorCode, InferFlag, MessageType
from harness.protocol.messages import (
    INFER_HEAD_BYTES,
    MAX_VECTORS_PER_FRAME,
    TICKS_BYTES,
    DeviceInfo,
    MessageError,
    decode_error,
    decode_result,
    encode_infer,
)

FRAME_OVERHEAD_BYTES = HEADER_BYTES + INFER_HEAD_BYTES + CRC_BYTES
DELIMITER_BYTES = 2


@dataclass(frozen=True, slots=True)
class VectorResult:
    """`index` in the vectors given; `ticks` of invoke alone (INFO tick_hz, wrapping u32); the output tensors' bytes."""

    index: int
    ticks: int
    output: bytes


def wire_bytes(payload_bytes: int) -> int:
    """Most bytes on the wire for a frame whose header, body and CRC have `payload_bytes`."""
    return encoded_bound(payload_bytes) + DELIMITER_BYTES


def vector_frame_bytes(input_bytes: int, output_bytes: int) -> int:
    """The smallest max_frame_bytes with which one vector of that size can be sent, and its result be answered."""
    return FRAME_OVERHEAD_BYTES + max(input_bytes, TICKS_BYTES + output_bytes)


def largest_frame_bytes(rx_buffer_bytes: int) -> int:
    """The largest frame that a receive buffer holds whole, header, body and CRC, however its bytes are encoded."""
    size = rx_buffer_bytes
    while wire_bytes(size) > rx_buffer_bytes:
        size -= 1
    return size


def vectors_per_frame(info: DeviceInfo) -> int:
    """How many vectors one INFER takes; 0: not even one fits.

    Request and RESULT stay within max_frame_bytes, and if possible two requests fit the receive buffer: then the line
    is busy while the device computes.
    """
    request, reply = info.input_bytes, TICKS_BYTES + info.output_bytes
    room = info.max_frame_bytes - FRAME_OVERHEAD_BYTES
    most = min(room // max(request, 1), room // reply, MAX_VECTORS_PER_FRAME)
    half = info.rx_buffer_bytes // 2
    while most > 1 and wire_bytes(FRAME_OVERHEAD_BYTES + most * request) > half:
        most -= 1
    return max(most, 0)


class Pipeline:
    """One call of infer. `results()` does the work; `window` may be asked how far it got if that is interrupted.

    With KEEP_STATE one frame is in flight at a time, as its order matters; else as many as the device can hold.
    """

    def __init__(
        self,
        channel: Channel,
        info: DeviceInfo,
        vectors: Iterable[bytes],
        *,
        keep_state: bool,
        timeout_per_vector_s: float,
        speed: LineSpeed,
    ) -> None:
        self._channel = channel
        self._speed = speed
        self._info = info
        self._vectors = iter(vectors)
        self._flags = InferFlag.KEEP_STATE if keep_state else InferFlag(0)
        capacity = 0 if keep_state else info.rx_buffer_bytes
        self.window = Window(capacity, timeout_per_vector_s, channel.wire_s, divisible=not keep_state)
        self._most = vectors_per_frame(info)
        self._made = 0
        self._ready: deque[Flight] = deque()

    def results(self) -> Iterator[VectorResult]:
        """Each vector's result as it arrives, not always in index order.

        Raises UsageError (a vector of a wrong size, or too large for the device), NoAnswerError, DeviceError, and what
        the channel raises.
        """
        if self._most == 0:
            raise UsageError(
                f"one vector ({self._info.input_bytes} bytes in, {self._info.output_bytes} out) does not fit the "
                f"device's frames of {self._info.max_frame_bytes} bytes",
                board=self._channel.board,
                port=self._channel.port.name,
                hint="build with a larger HIL_MAX_FRAME_BYTES, or use a smaller model",
            )
        while True:
            yield from self._fill()
            if self.window.empty:
                return
            yield from self._receive(self.window.wait_s(time.monotonic()))
            if not self.window.check_silence(time.monotonic()):
                raise self._silent()
            # Kept state forbids the requests that this takes: such a run goes on at the start rate once it is there.
            if self._speed.is_fast and not self._flags and (self.window.is_failing or self._speed.has_lapsed):
                busy_s = self.window.drain_s()
                self.window.lose_all()
                self._speed.step_down(busy_s)

    def _fill(self) -> Iterator[VectorResult]:
        """Sends what there is room for, and takes what comes meanwhile."""
        while True:
            flight = self.window.next_lost()
            if flight is not None and self.window.is_too_long(flight):
                self._take_apart(flight)
                flight = None
            again = flight is not None
            if flight is None:
                if not self._ready:
                    self._make()
                flight = self._ready[0] if self._ready else None
            if flight is None or not self.window.has_room(len(flight.encoded)):
                return
            if not again:
                self._ready.popleft()
            self._send(flight, again)
            yield from self._receive(0)

    def _send(self, flight: Flight, again: bool) -> None:
        if again:
            self._speed.before_repeat()
        # Entered before it is written: an interrupted write counts as in flight.
        self.window.sent(flight, time.monotonic())
        patience_s = self.window.patience_s() + self._channel.wire_s(len(flight.encoded))
        self._channel.send(flight.encoded, Deadline.after(patience_s), again=again)

    def _receive(self, wait_s: float) -> Iterator[VectorResult]:
        bad_frames = self._channel.bad_frames
        frames = self._channel.receive(Deadline.after(wait_s))
        yield from self._take(frames)
        if self._channel.bad_frames > bad_frames:
            self.window.damaged()

    def _make(self) -> None:
        """Makes the next request ready, if there are vectors left."""
        vectors = tuple(islice(self._vectors, self.window.items_wanted(self._most)))
        if not vectors:
            return
        for offset, vector in enumerate(vectors):
            if len(vector) != self._info.input_bytes:
                raise UsageError(
                    f"vector {self._made + offset} has {len(vector)} bytes, the device's inputs take "
                    f"{self._info.input_bytes}",
                    board=self._channel.board,
                    port=self._channel.port.name,
                )
        self._ready.append(self._flight(self._made, vectors))
        self._made += len(vectors)

    def _take_apart(self, flight: Flight) -> None:
        """Makes smaller requests of a lost one. A late reply to it finds nobody who waits for it."""
        self.window.replaced(flight)
        size = self.window.items_wanted(self._most)
        starts = range(0, flight.items, size)
        parts = [self._flight(flight.first_index + at, flight.vectors[at : at + size]) for at in starts]
        self._ready.extendleft(reversed(parts))

    def _flight(self, first_index: int, vectors: tuple[bytes, ...]) -> Flight:
        seq = self._channel.next_seq()
        encoded = self._channel.encode(MessageType.INFER, seq, encode_infer(self._flags, vectors))
        reply_bytes = wire_bytes(FRAME_OVERHEAD_BYTES + len(vectors) * (TICKS_BYTES + self._info.output_bytes))
        return Flight(seq, encoded, first_index, len(vectors), reply_bytes, vectors)

    def _take(self, frames: list[Frame]) -> Iterator[VectorResult]:
        for frame in frames:
            flight = self.window.find(frame.seq)
            if flight is None:  # a second answer to a repeated request, or to one of an earlier call
                continue
            if frame.type == MessageType.ERROR:
                raise self._refused(frame, flight)
            if frame.type != MessageType.RESULT:
                continue
            try:
                flags, records = decode_result(frame.body, self._info.output_bytes)
            except MessageError as error:
                raise self._odd(str(error)) from None
            if len(records) != flight.items or flags != self._flags:
                raise self._odd(
                    f"{len(records)} results with flags {flags} to {flight.items} vectors with {self._flags:d}"
                )
            self.window.answered(flight, time.monotonic())
            for offset, record in enumerate(records):
                yield VectorResult(flight.first_index + offset, record.ticks, record.output)

    def _refused(self, frame: Frame, flight: Flight) -> BoardError:
        try:
            error = decode_error(frame.body)
        except MessageError as malformed:
            return self._odd(str(malformed))
        exact = error.code == ErrorCode.INVOKE_FAILED
        first = flight.first_index + (error.detail if exact else 0)
        last = first if exact else first + flight.items - 1
        return refused(self._channel, error, f"vector {first}" if first == last else f"vectors {first} to {last}")

    def _odd(self, what: str) -> BoardError:
        return self._channel.error(
            DeviceError,
            f"the device's RESULT does not fit the request: {what}",
            code=ErrorCode.INTERNAL,
            detail=0,
            hint="build and flash the firmware again",
        )

    def _silent(self) -> BoardError:
        waiting, silent_s = self.window.outstanding_items, self.window.patience_s()
        return self._channel.error(
            NoAnswerError,
            f"the device fell silent: no result for {silent_s:.3g} s, {waiting} vectors were unanswered",
            hint="reset the board; if the model is that slow, raise the timeout per vector",
        )
