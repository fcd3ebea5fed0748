"""The handshake: find the device in whatever the line carries, and learn who it is."""

from __future__ import annotations

import secrets

from harness.errors import (
    BoardError,
    DeviceError,
    ForeignDeviceError,
    NoAnswerError,
    ProtocolVersionError,
)
from harness.link.channel import Channel
from harness.link.console import sanitise, sanitise_bytes
from harness.link.deadline import Deadline
from harness.protocol.frame import Frame
from harness.protocol.ids import PROTOCOL_VERSION, REPLY_BIT, ErrorCode, MessageType
from harness.protocol.messages import (
    DeviceInfo,
    ErrorReply,
    Hello,
    MessageError,
    decode_error,
    decode_info,
    encode_hello,
)

# A device that boots, or is busy with a killed host's requests, hears a later HELLO; most boots take milliseconds.
FIRST_RETRY_S = 0.05
MOST_RETRY_S = 0.25
DAMAGED_RETRY_S = 0.03  # at the soonest after the last one, once something broken came: that may have been the INFO
LOOPBACK_HINT = "the line sends back what it gets: remove a loopback wire, turn a modem's echo off"


def say_hello(channel: Channel, timeout_s: float) -> DeviceInfo:
    """Sends HELLO until an INFO echoes its nonce; `channel` is then in that session.

    Raises NoAnswerError (no bytes, or frames but no INFO), ForeignDeviceError (bytes, but no frame; or an unreadable
    INFO), ProtocolVersionError, DeviceError (the device refused HELLO), PortLostError.
    """
    nonce = secrets.randbelow(0xFFFFFFFF) + 1
    seq = channel.next_seq()
    hello = channel.encode(MessageType.HELLO, seq, encode_hello(Hello(nonce, PROTOCOL_VERSION, PROTOCOL_VERSION)))
    deadline = Deadline.after(timeout_s)
    retry_s = FIRST_RETRY_S
    again = False
    echoed = False
    while not deadline.expired:
        channel.send(hello, deadline, count=not again)
        again = True
        retry = deadline.sooner(retry_s + channel.wire_s(len(hello)))
        retry_s = min(2 * retry_s, MOST_RETRY_S)
        soonest = deadline.sooner(DAMAGED_RETRY_S + channel.wire_s(len(hello)))
        bad_frames = channel.bad_frames
        while not retry.expired and not (soonest.expired and channel.bad_frames > bad_frames):
            for frame in channel.receive(retry if channel.bad_frames == bad_frames else soonest):
                if not frame.type & REPLY_BIT:
                    echoed = True
                elif frame.seq == seq:
                    info = _read_answer(channel, frame, nonce)
                    if info is not None:
                        channel.begin_session(nonce)
                        return info
    raise _nobody(channel, timeout_s, echoed)


def _read_answer(channel: Channel, frame: Frame, nonce: int) -> DeviceInfo | None:
    try:
        if frame.type == MessageType.ERROR:
            error = decode_error(frame.body)
            if error.request_type == MessageType.HELLO:
                raise refused(channel, error, "HELLO")
        elif frame.type == MessageType.INFO:
            echoed_nonce, info = decode_info(frame.body)
            if echoed_nonce == nonce:
                return info
    except MessageError as error:
        raise channel.error(
            ForeignDeviceError,
            f"the device's answer to HELLO can't be read ({error})",
            hint="build and flash the firmware again: it is of another version",
        ) from None
    return None


def refused(channel: Channel, error: ErrorReply, doing: str) -> BoardError:
    """The error for an ERROR reply; `doing` names the request in the user's words."""
    known = error.code in {int(code) for code in ErrorCode}
    name = ErrorCode(error.code).name if known else f"error {error.code}"
    text = f": {sanitise(error.text)}" if error.text else ""
    if error.code == ErrorCode.VERSION:
        return channel.error(
            ProtocolVersionError,
            f"the device speaks protocol versions {error.detail & 0xFF} to {error.detail >> 8 & 0xFF}, "
            f"this harness speaks {PROTOCOL_VERSION}",
            hint="build and flash the firmware again with this harness",
        )
    what = f"the device answered {name} to {doing} (detail {error.detail}{text})"
    return channel.error(DeviceError, what, code=error.code, detail=error.detail)


def _nobody(channel: Channel, timeout_s: float, echoed: bool) -> BoardError:
    if echoed:
        return channel.error(
            ForeignDeviceError, "only an echo of the harness's own frames came back", hint=LOOPBACK_HINT
        )
    if channel.valid_frames:  # a BOOT that came before this HELLO proves it too
        return channel.error(
            NoAnswerError,
            f"a device is there but did not answer HELLO within {timeout_s:g} s",
            hint="it may be busy with another host's vectors: reset it",
        )
    if channel.sample:
        return channel.error(
            ForeignDeviceError,
            f"something answered, but not with this protocol; it said {sanitise_bytes(channel.sample)!r}",
            hint="flash the harness's firmware, or check the baud rate and that this is the right port",
        )
    return channel.error(
        NoAnswerError,
        f"nothing answered within {timeout_s:g} s",
        hint="check cable and power, that this is the right port, and that the harness's firmware is flashed",
    )
