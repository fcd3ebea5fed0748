"""What the harness tells the simulated board beside its line: one JSON object per line, each answered by one."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

from harness.errors import BoardError

Action = Literal["off", "run", "download", "reset"]
_ACTIONS = ("off", "run", "download", "reset")
_ANSWER_S = 10.0
_MAX_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Command:
    """A hand on the board.

    Attributes:
        action: "off": power off. "run": power on with the boot pin high: the ROM starts what is in flash.
            "download": power on with it low: the ROM waits for an uploader. "reset": a pulse on pin EN.
        flash: file of the flash memory, for "run" and "download".
        qemu: "run": Espressif's QEMU runs the image; empty: the project's own chip.
    """

    action: Action
    flash: str = ""
    qemu: str = ""


def encode(command: Command) -> bytes:
    """The command as it goes over the socket."""
    return json.dumps(asdict(command)).encode() + b"\n"


def decode(line: bytes) -> Command:
    """Raises:
    ValueError: not a command.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or values.get("action") not in _ACTIONS:
        raise ValueError(f"no command: {line[:80]!r}")
    flash, qemu = values.get("flash", ""), values.get("qemu", "")
    return Command(cast(Action, values["action"]), str(flash), str(qemu))


class ControlClient:
    """The harness's end."""

    def __init__(self, connection: socket.socket, *, board_id: str) -> None:
        self._connection = connection
        self._board_id = board_id

    def do(self, action: Action, *, flash: Path | None = None, qemu: str = "") -> None:
        """Gives a command and waits until it is done.

        Raises:
            BoardError: the board said no, or nothing in time; or it is gone.
        """
        deadline = time.monotonic() + _ANSWER_S
        answer = b""
        try:
            self._connection.settimeout(_ANSWER_S)
            self._connection.sendall(encode(Command(action, str(flash or ""), qemu)))
            while not answer.endswith(b"\n"):
                self._connection.settimeout(max(0.01, deadline - time.monotonic()))
                chunk = self._connection.recv(4096)
                answer += chunk
                if not chunk or len(answer) > _MAX_BYTES:
                    raise OSError("it ended")
        except OSError as error:
            raise BoardError(
                f"the simulated board did not react to {action!r}: {error}", board=self._board_id
            ) from error
        problem = json.loads(answer).get("error")
        if problem:
            raise BoardError(f"the simulated board: {problem}", board=self._board_id)

    def close(self) -> None:
        """Closes the socket, upon which the board's process ends."""
        self._connection.close()
