"""One conversation with one boot of one device."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from harness.errors import BoardError, DeviceError, DeviceRebootedError, HilError, NoAnswerError
from harness.link.channel import Channel, LinkStats, RebootNotice, rebooted
from harness.link.deadline import Deadline
from harness.link.hello import refused, say_hello
from harness.link.pipeline import Pipeline, VectorResult
from harness.link.port import Port
from harness.link.speed import LineSpeed, LineTest, Trial
from harness.protocol.ids import REPLY_BIT, MessageType
from harness.protocol.messages import (
    ArenaInfo,
    DeviceInfo,
    DeviceStats,
    EngineStatusInfo,
    MessageError,
    decode_arena,
    decode_error,
    decode_stats,
    encode_set_arena,
)
from harness.protocol.trace import TraceReply, TraceRequest, decode_traced, encode_trace

__all__ = ["LineTest", "LinkStats", "Session", "Trial", "VectorResult"]

OPEN_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 5.0
ARENA_TIMEOUT_S = 20.0  # the engine starts anew; a large model on a small board takes its time
REASON_TIMEOUT_S = 1.0
FIRST_REPEAT_S = 0.3
MOST_REPEAT_S = 1.0
DAMAGED_REPEAT_S = 0.03  # at the soonest after the last one, once something broken came: that may have been the reply


T = TypeVar("T")


class Session:
    """Owns its port from `open` on; `close`, or the end of the `with` block, closes it.

    Every method may raise, besides what it names: PortLostError, NoAnswerError (by its timeout), DeviceRebootedError
    (with the reset reason), SessionTakenError, DeviceError (the device refused). After DeviceRebootedError and
    SessionTakenError the session has ended: every later call raises the same error, and a new one must be opened.
    After any other error, KeyboardInterrupt included, the session may be used further.
    """

    def __init__(self, channel: Channel, info: DeviceInfo) -> None:
        self._channel = channel
        self._info = info
        self._ended: HilError | None = None
        self._speed = LineSpeed(channel, self._request)
        self._unsettled_s = 0.0  # how long the device may still be busy with requests nobody waits for

    @classmethod
    def open(cls, port: Port, *, board: str | None = None, timeout_s: float = OPEN_TIMEOUT_S) -> Session:
        """Says HELLO until the device answers. The port is closed if this raises.

        Raises NoAnswerError, ForeignDeviceError, ProtocolVersionError, DeviceError, PortLostError.
        """
        channel = Channel(port, board, first_seq=secrets.randbelow(0xFFFF) + 1)
        try:
            return cls(channel, say_hello(channel, timeout_s))
        except BaseException:
            port.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the line at its start rate and closes the port. May be called again, and at any time."""
        try:
            self._speed.give_back()
        finally:
            self._channel.port.close()

    @property
    def info(self) -> DeviceInfo:
        """What the device said of itself; arena and engine status as of the last `set_arena`."""
        return self._info

    @property
    def port_name(self) -> str:
        return self._channel.port.name

    @property
    def console(self) -> tuple[str, ...]:
        """The device's last console lines, sanitised."""
        return self._channel.console

    @property
    def link_stats(self) -> LinkStats:
        return self._channel.stats

    @property
    def baud(self) -> int:
        """Rate the line runs at now."""
        return self._channel.port.baud

    def negotiate(self, rates: Sequence[int]) -> list[Trial]:
        """Tries the rates in turn, both ways with a pattern, and keeps the first clean one; else the rate of `open`.

        From then on the session falls back by itself when errors rise. Returns what was tried, in order.
        """
        with self._conversation():
            return self._speed.negotiate(rates)

    def test_line(self, to_device_bytes: int, to_host_bytes: int) -> LineTest | None:
        """A pattern each way, at most 65535 bytes, its wrong bits counted; None: no answer, and nothing is repeated.

        Raises DeviceError UNKNOWN_TYPE if the firmware can't do it.
        """
        with self._conversation(), self._channel.repairs_not_counted():
            return self._speed.test(to_device_bytes, to_host_bytes)

    def infer(
        self,
        vectors: Iterable[bytes],
        *,
        keep_state: bool = False,
        timeout_per_vector_s: float = 10.0,
        on_result: Callable[[VectorResult], None] | None = None,
        collect: bool = True,
    ) -> list[VectorResult]:
        """Computes each vector (all input tensors' bytes, in INFO order) once as far as anyone can tell.

        Args:
            vectors: read as there is room on the line, so a generator of any length costs constant memory (with
                `collect=False`).
            keep_state: do not clear recurrent state before each vector; they are then computed in order, never twice.
                Call `reset_state` first if vectors were computed without it: which of them was the last is unspecified.
            timeout_per_vector_s: the device is given up once it needs longer. Once its speed is known, a silent device
                is noticed after this time or ten times what a frame usually takes, whichever is longer.
            on_result: called with each result as it arrives, which is not always in index order.
            collect: False returns [].

        Returns the results in index order.
        Raises UsageError for a vector of another size than the device's inputs.
        """
        collected: list[VectorResult] = []
        with self._conversation():
            pipeline = Pipeline(
                self._channel,
                self._info,
                vectors,
                keep_state=keep_state,
                timeout_per_vector_s=timeout_per_vector_s,
                speed=self._speed,
            )
            try:
                for result in pipeline.results():
                    if collect:
                        collected.append(result)
                    if on_result is not None:
                        on_result(result)
            except BaseException:
                self._unsettled_s = pipeline.window.drain_s()
                raise
        collected.sort(key=lambda result: result.index)
        return collected

    def set_arena(self, size_bytes: int, *, timeout_s: float = ARENA_TIMEOUT_S) -> ArenaInfo:
        """Starts the engine anew in `size_bytes`. Raises DeviceError ARENA_TOO_SMALL, ARENA_TOO_LARGE, ..."""
        with self._conversation():
            try:
                body = self._request(MessageType.SET_ARENA, encode_set_arena(size_bytes), timeout_s)
                arena = self._decoded(decode_arena, body, "ARENA")
            except DeviceError as error:
                self._info = replace(self._info, engine_status=EngineStatusInfo(error.code, error.detail, error.what))
                raise
            self._info = replace(self._info, arena=arena, engine_status=EngineStatusInfo(0, 0, ""))
            return arena

    def reset_state(self) -> None:
        """Clears recurrent state."""
        with self._conversation():
            self._request(MessageType.RESET_STATE, b"", REQUEST_TIMEOUT_S)

    def ping(self, data: bytes = b"", *, timeout_s: float = REQUEST_TIMEOUT_S) -> float:
        """Seconds until `data` came back. Raises BoardError if other data came back."""
        with self._conversation():
            start_s = time.monotonic()
            body = self._request(MessageType.PING, data, timeout_s)
            elapsed_s = time.monotonic() - start_s
            if body != data:
                raise self._channel.error(BoardError, "PONG carries other bytes than PING did")
            return elapsed_s

    def trace(self, request: TraceRequest, *, timeout_s: float = 10.0) -> TraceReply:
        """Runs part of an inference and shows arena bytes. Raises DeviceError UNSUPPORTED: the engine shows none."""
        with self._conversation():
            body = self._request(MessageType.LAYER_TRACE, encode_trace(request), timeout_s)
            return self._decoded(decode_traced, body, "LAYER_TRACED")

    def stats(self) -> DeviceStats:
        """The device's own counters."""
        with self._conversation():
            return self._decoded(decode_stats, self._request(MessageType.STATS, b"", REQUEST_TIMEOUT_S), "STATS_REPLY")

    def reboot(self, *, timeout_s: float = OPEN_TIMEOUT_S) -> DeviceInfo:
        """Resets the device and begins a session with its next boot, whose INFO it returns."""
        with self._conversation():
            with suppress(RebootNotice):  # it may do so before we hear the answer
                self._request(MessageType.REBOOT, b"", REQUEST_TIMEOUT_S)
            self._speed.forget()
            self._channel.restart()
            self._info = say_hello(self._channel, timeout_s)
            return self._info

    @contextmanager
    def _conversation(self) -> Iterator[None]:
        """Around every call: nothing of an earlier, broken-off call is in flight; a reboot gets its reason."""
        if self._ended is not None:
            raise self._ended
        try:
            if self._unsettled_s:
                # The device works in order: when it answers this, it has answered all before.
                self._request(MessageType.PING, b"settled?", self._unsettled_s + REQUEST_TIMEOUT_S)
                self._unsettled_s = 0.0
            self._speed.ensure()
            yield
        except RebootNotice as notice:
            self._ended = self._with_reason(notice)
            raise self._ended from None
        except HilError as error:
            if self._channel.faulty:
                self._ended = error
            raise
        except KeyboardInterrupt:
            self._unsettled_s = self._unsettled_s or REQUEST_TIMEOUT_S
            raise

    def _with_reason(self, notice: RebootNotice) -> DeviceRebootedError:
        reason = notice.reason
        if reason is None:  # BOOT was lost; INFO tells it too
            self._speed.forget()
            self._channel.restart()
            try:
                reason = say_hello(self._channel, REASON_TIMEOUT_S).reset_reason
            except HilError:
                reason = None
        return rebooted(self._channel, reason)

    def _request(self, request: MessageType, body: bytes, timeout_s: float) -> bytes:
        """Sends one request, alone on the line, again and again until it is answered. Returns the reply's body."""
        channel = self._channel
        seq = channel.next_seq()
        encoded = channel.encode(request, seq, body)
        wire_s = 2 * channel.wire_s(len(encoded))
        deadline = Deadline.after(timeout_s + wire_s)
        repeat_s = FIRST_REPEAT_S + wire_s
        again = False
        while not deadline.expired:
            if again:
                self._speed.before_repeat()
            channel.send(encoded, deadline, again=again)
            again = True
            patience = deadline.sooner(repeat_s)
            soonest = deadline.sooner(DAMAGED_REPEAT_S + wire_s)
            bad_frames = channel.bad_frames
            while not patience.expired and not (soonest.expired and channel.bad_frames > bad_frames):
                for frame in channel.receive(patience if channel.bad_frames == bad_frames else soonest):
                    if frame.seq != seq:
                        continue
                    if frame.type == MessageType.ERROR:
                        raise refused(channel, self._decoded(decode_error, frame.body, "ERROR"), request.name)
                    if frame.type == request | REPLY_BIT:
                        return frame.body
            repeat_s = min(2 * repeat_s, MOST_REPEAT_S + wire_s)
        self._unsettled_s = max(self._unsettled_s, REQUEST_TIMEOUT_S)
        raise channel.error(
            NoAnswerError,
            f"no answer to {request.name} within {timeout_s:g} s",
            hint="the firmware hangs: reset the board",
        )

    def _decoded(self, decode: Callable[[bytes], T], body: bytes, what: str) -> T:
        try:
            return decode(body)
        except MessageError as error:
            raise self._channel.error(
                BoardError, f"the device's {what} can't be read ({error})", hint="build and flash the firmware again"
            ) from None
