"""Frames as one line of text each, for people who watch a link."""

from __future__ import annotations

from harness.protocol.frame import Frame
from harness.protocol.ids import ErrorCode, MessageType
from harness.protocol.messages import MessageError, decode_boot, decode_error, decode_info, decode_log, decode_stats
from harness.report.safe_text import printable


def describe_frame(frame: Frame) -> str:
    """Type, session, sequence number and, where it says something to a reader, the body. Safe to print."""
    try:
        name = MessageType(frame.type).name
    except ValueError:
        name = f"type 0x{frame.type:02x}"
    seq = f" seq {frame.seq}" if frame.seq else ""
    session = f"session {frame.session:08x}" if frame.session else "no session"
    try:
        body = _body(frame)
    except MessageError as error:
        body = f"malformed: {error}"
    return printable(f"{name}{seq}, {session}: {body}")


def _body(frame: Frame) -> str:
    body = frame.body
    match frame.type:
        case MessageType.BOOT:
            boot = decode_boot(body)
            count = f", boot {boot.boot_count}" if boot.boot_count else ""
            return f"{_words(boot.reset_reason.name)}{count}"
        case MessageType.LOG:
            log = decode_log(body)
            return f"[{log.level}] {log.text}"
        case MessageType.ERROR:
            error = decode_error(body)
            known = error.code in ErrorCode.__members__.values()
            name = _words(ErrorCode(error.code).name) if known else f"code {error.code}"
            return f"{name}, detail {error.detail}" + (f", {error.text}" if error.text else "")
        case MessageType.INFO:
            info = decode_info(body)[1]
            build = info.build_id.hex()[:16]
            return f"board {info.board}, engine {info.engine} {info.engine_version}, build {build}"
        case MessageType.STATS_REPLY:
            stats = decode_stats(body)
            free = f"stack free {stats.stack_free_min_bytes}, heap free {stats.heap_free_min_bytes}"
            return f"{free}, bad frames {stats.rx_bad_frames}"
        case MessageType.RESULT if len(body) >= 2:
            return f"{body[1]} vectors, {len(body)} bytes"
    return f"{len(body)} bytes"


def _words(name: str) -> str:
    return name.lower().replace("_", " ")
