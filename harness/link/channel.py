"""Frames of one conversation over one port: knows who is talking, not what about.

Everything a device may say unasked is dealt with here: console text, LOG, BOOT, replies of another session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.errors import BoardError, DeviceRebootedError, NoAnswerError, SessionTakenError
from harness.link.console import Console, sanitise
from harness.link.deadline import Deadline
from harness.link.holder import describe_intruders
from harness.link.port import Port
from harness.protocol.frame import Frame, FrameSplitter, encode_message
from harness.protocol.ids import NO_SESSION, ErrorCode, LogLevel, MessageType, ResetReason
from harness.protocol.messages import MessageError, decode_boot, decode_error, decode_log

READ_BYTES = 65536
SAMPLE_BYTES = 160
BITS_PER_BYTE = 10  # 8N1: a start bit, eight data bits, a stop bit


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Counters of one session, HELLO included.

    `frames`: requests sent, repetitions not counted; `resent_frames`: repetitions, those of HELLO not counted, as a
    device that boots misses some on any line; `bad_frames`: stretches received since HELLO was answered that were
    neither a frame nor text; `bytes_sent`, `bytes_received`: as on the wire.
    """

    frames: int = 0
    resent_frames: int = 0
    bad_frames: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class RebootNotice(Exception):  # noqa: N818 (no error yet: the session makes one of it)
    """The device has forgotten this session: it restarted. `reason` is None until the device is asked."""

    def __init__(self, reason: ResetReason | None) -> None:
        super().__init__("the device restarted")
        self.reason = reason


class Channel:
    """Sends and receives frames for one session.

    Attributes:
        session_id: NO_SESSION until HELLO is answered; until then every frame is handed on, whatever session it names.
        sample: the first bytes received while no frame has been: what a foreign device said.
        valid_frames: frames received with a right CRC.
        heard_at_s: when the last of them came, on the monotonic clock.
    """

    def __init__(self, port: Port, board: str | None, first_seq: int) -> None:
        self.port = port
        self.board = board
        self.session_id = NO_SESSION
        self.sample = b""
        self.valid_frames = 0
        self.heard_at_s = 0.0
        self._bad_before = 0
        self._seq = first_seq
        self._splitter = FrameSplitter()
        self._console = Console()
        self._stats = LinkStats()
        self._fault: Exception | None = None

    @property
    def stats(self) -> LinkStats:
        return replace(self._stats, bad_frames=self._splitter.bad_frames - self._bad_before)

    @property
    def bad_frames(self) -> int:
        """As in `stats`."""
        return self._splitter.bad_frames

    @property
    def faulty(self) -> bool:
        """Whether the conversation is over: the device restarted, or another host took it."""
        return self._fault is not None

    @property
    def console(self) -> tuple[str, ...]:
        """The last console lines, with what came after the last delimiter."""
        return self._console.tail(self._splitter.pending_text())

    def error(self, kind: Callable[..., BoardError], what: str, **details: str | int | None) -> BoardError:
        """A `kind` error that says where it happened and what the device printed last; and who else reads the port."""
        if kind is NoAnswerError:
            intruders = describe_intruders(self.port.name)
            if intruders:
                what, details = f"{what}; another program reads this port: {intruders}", {"hint": "end that program"}
        return kind(what, board=self.board, port=self.port.name, console=self.console, **details)

    def wire_s(self, nbytes: int) -> float:
        """Seconds that `nbytes` take on the line."""
        return nbytes * BITS_PER_BYTE / max(self.port.baud, 1)

    def next_seq(self) -> int:
        """The seq for a new request."""
        seq = self._seq
        self._seq = seq % 0xFFFF + 1
        return seq

    def encode(self, message_type: MessageType, seq: int, body: bytes) -> bytes:
        return encode_message(message_type, seq, self.session_id, body)

    def send(self, encoded: bytes, deadline: Deadline, *, again: bool = False, count: bool = True) -> None:
        """Writes one encoded frame; `again`: it is a repetition; `count`: as a frame at all.

        Raises NoAnswerError, PortLostError.
        """
        if self._fault is not None:
            raise self._fault
        self.port.write(encoded, deadline)
        stats = self._stats
        self._stats = replace(
            stats,
            frames=stats.frames + (count and not again),
            resent_frames=stats.resent_frames + (count and again),
            bytes_sent=stats.bytes_sent + len(encoded),
        )

    def receive(self, deadline: Deadline) -> list[Frame]:
        """The replies in the next bytes that come; [] at the deadline, or if the bytes held none.

        Raises PortLostError, RebootNotice and SessionTakenError; the last two again at every later call, and only once
        the replies that came before were returned.
        """
        if self._fault is not None:
            raise self._fault
        return self.take(self.receive_raw(deadline))

    def receive_raw(self, deadline: Deadline) -> bytes:
        """The next bytes that come, b"" at the deadline, not looked at: `take` does that. Raises PortLostError."""
        return self.port.read(READ_BYTES, deadline)

    def take(self, data: bytes) -> list[Frame]:
        """The replies in bytes from `receive_raw`. Raises as `receive` does."""
        if not data:
            return []
        self._stats = replace(self._stats, bytes_received=self._stats.bytes_received + len(data))
        if not self.valid_frames and len(self.sample) < SAMPLE_BYTES:
            self.sample = (self.sample + data)[:SAMPLE_BYTES]
        replies = []
        for event in self._splitter.feed(data):
            if not isinstance(event, Frame):
                self._console.add(event.data)
                continue
            self.valid_frames += 1
            self.heard_at_s = time.monotonic()
            self._fault = self._fault_in(event)
            if self._fault is not None:
                break
            if event.seq:
                replies.append(event)
        if self._fault is not None and not replies:
            raise self._fault
        return replies

    def begin_session(self, session_id: int) -> None:
        """HELLO has been answered: from now on only this session's frames count."""
        self.session_id = session_id
        self._bad_before = self._splitter.bad_frames

    @contextmanager
    def repairs_not_counted(self) -> Iterator[None]:
        """What is repeated or spoilt in here, while the line is tested on purpose, does not show in `stats`."""
        resent, bad = self._stats.resent_frames, self._splitter.bad_frames
        try:
            yield
        finally:
            self._stats = replace(self._stats, resent_frames=resent)
            self._bad_before += self._splitter.bad_frames - bad

    def restart(self) -> None:
        """Back to the state before HELLO, after a reboot that was asked for."""
        self.session_id = NO_SESSION
        self._fault = None

    def _fault_in(self, frame: Frame) -> Exception | None:
        if frame.type == MessageType.LOG:
            self._log(frame.body)
        if self.session_id == NO_SESSION:
            return None
        if frame.type == MessageType.BOOT:
            return RebootNotice(_reason(frame.body))
        if frame.session == NO_SESSION:
            return RebootNotice(None)
        if frame.session != self.session_id:
            return self._taken(frame.session)
        if frame.type == MessageType.ERROR:
            return self._refusal(frame.body)
        return None

    def _refusal(self, body: bytes) -> Exception | None:
        try:
            error = decode_error(body)
        except MessageError:
            return None
        if error.code != ErrorCode.NOT_IN_SESSION:
            return None
        return self._taken(error.detail) if error.detail not in (NO_SESSION, self.session_id) else RebootNotice(None)

    def _taken(self, session: int) -> SessionTakenError:
        return SessionTakenError(
            f"another host said HELLO to this device (session {session:08x}, ours was {self.session_id:08x})",
            board=self.board,
            port=self.port.name,
            hint="another program uses this port: find it with fuser or lsof",
            console=self.console,
        )

    def _log(self, body: bytes) -> None:
        try:
            line = decode_log(body)
        except MessageError:
            return
        level = LogLevel(line.level).name.lower() if line.level <= LogLevel.ERROR else str(line.level)
        self._console.add(f"[{level}] {sanitise(line.text)}".encode())


def _reason(body: bytes) -> ResetReason | None:
    try:
        return decode_boot(body).reset_reason
    except MessageError:
        return None


def rebooted(channel: Channel, reason: ResetReason | None) -> DeviceRebootedError:
    """The error for a RebootNotice."""
    named = "unknown reason" if reason is None else reason.name.lower().replace("_", "-")
    hint = {
        ResetReason.BROWN_OUT: "power the board from a stronger supply or a shorter cable",
        ResetReason.WATCHDOG: "the firmware hung: look at the console lines",
        ResetReason.FAULT: "the firmware crashed: look at the console lines, and try a larger arena or stack",
    }.get(reason or ResetReason.UNKNOWN)
    return DeviceRebootedError(
        f"the device restarted ({named})",
        board=channel.board,
        port=channel.port.name,
        hint=hint,
        console=channel.console,
    )
