"""The few words of QEMU's machine protocol the harness speaks (docs/interop/qmp-spec.txt of QEMU): JSON lines."""

from __future__ import annotations

import contextlib
import json
import socket
import time

from harness.errors import BoardError

_LINE_MAX_BYTES = 1 << 20


class QmpClient:
    """A control channel to one QEMU. Owns `channel`.

    Args:
        channel: a connected stream socket whose other end QEMU has as a monitor in control mode.
        board_id: for error messages.
    """

    def __init__(self, channel: socket.socket, *, board_id: str) -> None:
        self._channel = channel
        self._board_id = board_id
        self._buffer = b""
        self._greeted = False

    def execute(self, command: str, *, timeout_s: float, await_event: str | None = None) -> None:
        """Runs `command` and, if asked, waits for the event that says its work is done.

        Raises:
            BoardError: QEMU refused it, hung up, or did not answer in `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            if not self._greeted:
                self._wait_for("QMP", deadline_s)
                self._send("qmp_capabilities", deadline_s)
                self._wait_for("return", deadline_s)
                self._greeted = True
            self._send(command, deadline_s)
            returned = False
            happened = await_event is None
            # The event may come before the answer to the command that caused it.
            while not (returned and happened):
                message = self._read_message(deadline_s)
                self._refuse_error(message, command)
                returned = returned or "return" in message
                happened = happened or message.get("event") == await_event
        except (OSError, ValueError) as error:
            raise BoardError(
                f"QEMU did not carry out {command} in {timeout_s:g} s: {error}",
                board=self._board_id,
                hint="run it again",
            ) from error

    def close(self) -> None:
        """Hangs up; QEMU goes on."""
        with contextlib.suppress(OSError):
            self._channel.close()

    def _send(self, command: str, deadline_s: float) -> None:
        self._channel.settimeout(_remaining_s(deadline_s))
        self._channel.sendall(json.dumps({"execute": command}).encode() + b"\n")

    def _wait_for(self, key: str, deadline_s: float) -> None:
        while True:
            message = self._read_message(deadline_s)
            self._refuse_error(message, key)
            if key in message:
                return

    def _read_message(self, deadline_s: float) -> dict[str, object]:
        while b"\n" not in self._buffer:
            self._channel.settimeout(_remaining_s(deadline_s))
            chunk = self._channel.recv(65536)
            if not chunk:
                raise ConnectionError("it closed the control channel")
            self._buffer += chunk
            if len(self._buffer) > _LINE_MAX_BYTES:
                raise ValueError("it sent an endless line")
        line, _, self._buffer = self._buffer.partition(b"\n")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("it sent something that is not a message")
        return message

    def _refuse_error(self, message: dict[str, object], command: str) -> None:
        if "error" in message:
            raise BoardError(f"QEMU refused {command}: {json.dumps(message['error'])}", board=self._board_id)


def _remaining_s(deadline_s: float) -> float:
    remaining = deadline_s - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the time is up")
    return remaining
