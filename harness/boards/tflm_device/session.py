"""The device side of a session: what lib/hil_session is in the firmware, rule for rule (docs/protocol.md)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from harness.boards.tflm_device.engine import READY, Engine, InvokeFailedError
from harness.boards.tflm_device.image import DeviceConfig
from harness.boards.tflm_device.line import Line
from harness.protocol.frame import ConsoleText, Frame, FrameSplitter
from harness.protocol.ids import (
    CRC_BYTES,
    HEADER_BYTES,
    NO_SESSION,
    PROTOCOL_VERSION,
    REPLY_BIT,
    ErrorCode,
    InferFlag,
    MessageType,
    ResetReason,
)
from harness.protocol.messages import (
    INFER_HEAD_BYTES,
    TICKS_BYTES,
    ArenaInfo,
    Boot,
    DeviceInfo,
    DeviceStats,
    EngineStatusInfo,
    ErrorReply,
    InferRecord,
    MessageError,
    decode_hello,
    decode_infer,
    decode_set_arena,
    encode_arena,
    encode_boot,
    encode_error,
    encode_info,
    encode_result,
    encode_stats,
)
from harness.protocol.tlv import MAX_VALUE_BYTES

TICK_HZ = 1_000_000_000
_HELLO_BYTES = 6
_U32_BYTES = 4
_STATUS_HEAD_BYTES = 5  # code u8, detail u32
# As in the firmware: the floor never trails the newest request by more, so that serial arithmetic stays right.
_FLOOR_LAG = 0x4000


class RebootRequest(Exception):  # noqa: N818 - not an error
    """The host asked for a reset."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What this boot says of itself."""

    config: DeviceConfig
    engine_version: str
    reset_reason: ResetReason
    boot_count: int


class DeviceSession:
    """Answers requests; one for each boot."""

    def __init__(self, identity: Identity, engine: Engine, line: Line) -> None:
        self._identity = identity
        self._engine = engine
        self._line = line
        self._splitter = FrameSplitter()
        self._frames = 0
        self._oversized = 0
        self._bad_before = 0
        self._session = NO_SESSION
        self._last_seq = 0
        self._last_crc = 0
        self._floor = 0
        self._stored: bytes | None = None  # the last effectful request's reply, as it went out

    def announce_boot(self) -> None:
        """Sends BOOT. Before the engine starts: if that crashes, the host still learns of this boot."""
        boot = Boot(self._identity.reset_reason, self._identity.boot_count)
        self._line.message(MessageType.BOOT, 0, NO_SESSION, encode_boot(boot))

    def feed(self, data: bytes) -> None:
        """Takes bytes from the line and answers the requests they complete.

        Raises:
            RebootRequest: after REBOOTING was sent.
            LineClosedError: the host is gone.
        """
        for event in self._splitter.feed(data):
            if isinstance(event, ConsoleText):
                self._oversized += 1  # the host sends no text: a frame spoilt so that it looks like some
            elif HEADER_BYTES + len(event.body) + CRC_BYTES > self._identity.config.max_frame_bytes:
                self._oversized += 1
            else:
                self._frames += 1
                self._handle(event)

    def _handle(self, frame: Frame) -> None:
        # A reply or an unsolicited message is this device's own, back from a line that echoes.
        if frame.type & REPLY_BIT or frame.seq == 0:
            return
        if frame.type == MessageType.HELLO:
            self._hello(frame)
            return
        if NO_SESSION in (self._session, frame.session) or frame.session != self._session:
            self._refuse(frame, ErrorCode.NOT_IN_SESSION, self._session)
            return
        if _is_effectful(frame):
            if self._admit(frame):
                self._execute(frame)
        else:
            self._note_pure(frame)
            self._execute(frame)

    def _hello(self, frame: Frame) -> None:
        if len(frame.body) != _HELLO_BYTES:
            self._refuse(frame, ErrorCode.BAD_LENGTH, _HELLO_BYTES)
            return
        hello = decode_hello(frame.body)
        if hello.nonce == NO_SESSION:
            self._refuse(frame, ErrorCode.UNSUPPORTED, NO_SESSION)
            return
        if not hello.proto_min <= PROTOCOL_VERSION <= hello.proto_max:
            self._refuse(frame, ErrorCode.VERSION, PROTOCOL_VERSION | PROTOCOL_VERSION << 8)
            return
        if hello.nonce == self._session:
            if not self._admit(frame):
                return
        else:
            self._session = hello.nonce
            self._frames, self._oversized, self._bad_before = 1, 0, self._splitter.bad_frames  # counts are a session's
            self._remember(frame)
            self._engine.reset_state()  # the next host starts from zeros, whatever the last one left
        self._answer(frame, encode_info(hello.nonce, self._info()))

    def _admit(self, frame: Frame) -> bool:
        """Whether an effectful request is to be executed; else it has been answered."""
        if frame.seq == self._last_seq and _crc(frame) == self._last_crc and self._stored is not None:
            self._line.write(self._stored)
            return False
        if not _is_newer(frame.seq, self._floor):
            self._refuse(frame, ErrorCode.OUT_OF_ORDER, self._last_seq)
            return False
        self._remember(frame)
        return True

    def _remember(self, frame: Frame) -> None:
        self._last_seq = self._floor = frame.seq
        self._last_crc = _crc(frame)
        self._stored = None

    def _note_pure(self, frame: Frame) -> None:
        floor = (frame.seq - _FLOOR_LAG) & 0xFFFF
        if _is_newer(floor, self._floor):
            self._floor = floor
            self._stored = None  # so old that its seq may soon be a new request's

    def _execute(self, frame: Frame) -> None:
        match frame.type:
            case MessageType.PING:
                self._answer(frame, frame.body)
            case MessageType.INFER:
                self._infer(frame)
            case MessageType.SET_ARENA:
                self._set_arena(frame)
            case MessageType.RESET_STATE:
                if self._has_no_body(frame):
                    self._engine.reset_state()
                    self._answer(frame, b"")
            case MessageType.REBOOT:
                if self._has_no_body(frame):
                    self._answer(frame, b"")
                    raise RebootRequest
            case MessageType.STATS:
                if self._has_no_body(frame):
                    self._answer(frame, encode_stats(self._stats()))
            case _:
                self._answer_error(frame, ErrorCode.UNKNOWN_TYPE, frame.type)

    def _infer(self, frame: Frame) -> None:
        body, engine = frame.body, self._engine
        if len(body) < INFER_HEAD_BYTES:
            self._answer_error(frame, ErrorCode.BAD_LENGTH, INFER_HEAD_BYTES)
            return
        unknown = body[0] & ~int(InferFlag.KEEP_STATE)  # of an IntFlag, ~ leaves out bits without a name
        if unknown:
            self._answer_error(frame, ErrorCode.UNSUPPORTED, unknown)
            return
        if engine.status != READY:
            self._answer_error(frame, engine.status.code, engine.status.detail, engine.status.text)
            return
        try:
            flags, vectors = decode_infer(body, engine.input_bytes)
        except MessageError:
            self._answer_error(frame, ErrorCode.BAD_INPUT, engine.input_bytes)
            return
        room = self._identity.config.max_frame_bytes - HEADER_BYTES - CRC_BYTES - INFER_HEAD_BYTES
        fitting = room // (engine.output_bytes + TICKS_BYTES)
        if len(vectors) > fitting:
            self._answer_error(frame, ErrorCode.BAD_LENGTH, INFER_HEAD_BYTES + fitting * engine.input_bytes)
            return
        records = []
        for index, vector in enumerate(vectors):
            try:
                ticks, output = engine.run(vector, keep_state=bool(flags & InferFlag.KEEP_STATE))
            except InvokeFailedError as error:
                self._answer_error(frame, ErrorCode.INVOKE_FAILED, index, str(error))
                return
            records.append(InferRecord(ticks & 0xFFFFFFFF, output))
        self._answer(frame, encode_result(flags, records))

    def _set_arena(self, frame: Frame) -> None:
        if len(frame.body) != _U32_BYTES:
            self._answer_error(frame, ErrorCode.BAD_LENGTH, _U32_BYTES)
            return
        size = decode_set_arena(frame.body)
        capacity = self._identity.config.arena_capacity_bytes
        if size > capacity:
            self._answer_error(frame, ErrorCode.ARENA_TOO_LARGE, capacity)
            return
        self._engine.start(size)
        status = self._engine.status
        if status != READY:
            self._answer_error(frame, status.code, status.detail, status.text)
            return
        self._answer(frame, encode_arena(self._arena()))

    def _has_no_body(self, frame: Frame) -> bool:
        if frame.body:
            self._answer_error(frame, ErrorCode.BAD_LENGTH, 0)
        return not frame.body

    def _answer(self, frame: Frame, body: bytes) -> None:
        self._send(frame, frame.type | REPLY_BIT, body)

    def _answer_error(self, frame: Frame, code: int, detail: int, text: str = "") -> None:
        self._send(frame, MessageType.ERROR, self._error_body(frame, code, detail, text))

    def _send(self, frame: Frame, reply_type: int, body: bytes) -> None:
        sent = self._line.message(reply_type, frame.seq, self._session, body)
        if frame.type == MessageType.HELLO or _is_effectful(frame):
            self._stored = sent

    def _refuse(self, frame: Frame, code: int, detail: int) -> None:
        """An answer that leaves no trace in the memory of effectful requests."""
        self._line.message(MessageType.ERROR, frame.seq, self._session, self._error_body(frame, code, detail, ""))

    def _error_body(self, frame: Frame, code: int, detail: int, text: str) -> bytes:
        room = self._identity.config.max_frame_bytes - HEADER_BYTES - CRC_BYTES
        body = encode_error(ErrorReply(code, frame.type, detail, text))
        return _cut_utf8(body, room)

    def _arena(self) -> ArenaInfo:
        return ArenaInfo(self._identity.config.arena_capacity_bytes, self._engine.arena_bytes, self._engine.used_bytes)

    def _info(self) -> DeviceInfo:
        identity, config, engine = self._identity, self._identity.config, self._engine
        text = _cut_utf8(engine.status.text.encode(), MAX_VALUE_BYTES - _STATUS_HEAD_BYTES).decode("utf-8", "replace")
        return DeviceInfo(
            protocol_version=PROTOCOL_VERSION,
            board=config.board,
            mcu=config.mcu,
            engine="tflm",
            engine_version=identity.engine_version,
            build_id=config.build_id,
            model_sha256=config.model_sha256,
            inputs=engine.inputs,
            outputs=engine.outputs,
            arena=self._arena(),
            cpu_hz=0,
            tick_hz=TICK_HZ,
            max_frame_bytes=config.max_frame_bytes,
            rx_buffer_bytes=config.rx_buffer_bytes,
            reset_reason=identity.reset_reason,
            boot_count=identity.boot_count,
            engine_status=EngineStatusInfo(engine.status.code, engine.status.detail, text),
        )

    def _stats(self) -> DeviceStats:
        bad_frames = self._splitter.bad_frames - self._bad_before + self._oversized
        return DeviceStats(rx_frames=self._frames, rx_bad_frames=bad_frames, arena=self._arena())


def _is_effectful(frame: Frame) -> bool:
    if frame.type == MessageType.INFER:
        return bool(frame.body) and bool(frame.body[0] & InferFlag.KEEP_STATE)
    return frame.type in (MessageType.SET_ARENA, MessageType.RESET_STATE, MessageType.REBOOT)


def _crc(frame: Frame) -> int:
    head = frame.type.to_bytes(1, "little") + frame.seq.to_bytes(2, "little") + frame.session.to_bytes(4, "little")
    return zlib.crc32(head + frame.body)


def _is_newer(seq: int, than: int) -> bool:
    return 0 < (seq - than) & 0xFFFF < 0x8000


def _cut_utf8(data: bytes, limit: int) -> bytes:
    """At most `limit` bytes, cut between characters."""
    if len(data) <= limit:
        return data
    while limit and data[limit] & 0xC0 == 0x80:
        limit -= 1
    return data[:limit]
