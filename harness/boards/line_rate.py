"""A line with the speed of a UART in front of an emulated board, whose pty would carry any number of bytes at once."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.boards.emulator_process import PtyProcess
from harness.errors import BoardError

_MODEL = Path(__file__).with_name("line_rate_model.py")
_STATS_S = 2.0
_STATS_BYTES = 65536


@dataclass(frozen=True, slots=True)
class WayCounters:
    """What one direction carried.

    Attributes:
        passed_bytes: handed on.
        lost_bytes: arrived, but the receiver had no room.
        damaged_bytes: arrived with a flipped bit.
        busy_s: time the line carried a byte.
    """

    passed_bytes: int
    lost_bytes: int
    damaged_bytes: int
    busy_s: float


@dataclass(frozen=True, slots=True)
class LineCounters:
    """What a line carried from its making to its end, and what the model itself cost."""

    to_device: WayCounters
    to_host: WayCounters
    wall_s: float
    cpu_s: float


class LineRate:
    """`port_name` is the host's end. The rate is what the host sets there, so open it with the rate to be modelled.

    See line_rate_model.py for what it does to bytes. `counters` is None until `close`.
    """

    def __init__(
        self,
        device_port: str,
        *,
        board_id: str,
        device_follows: bool = False,
        clean_up_to_baud: int | None = None,
        clean_up_to_file: Path | None = None,
        latency_ms: float = 0.0,
        seed: int = 1,
    ) -> None:
        """Starts the line to the tty `device_port`.

        Args:
            device_follows: the device's end sets no rate (QEMU): its rate is the host's.
            clean_up_to_baud: above it, one byte in a thousand is damaged.
            clean_up_to_file: holds that number instead, and may change.
            latency_ms: each way, beside the time on the line.
            seed: of the damage.

        Raises:
            BoardError: it can't be started.
        """
        self.counters: LineCounters | None = None
        self._child = PtyProcess(board_id, "line-rate model")
        self.port_name = self._child.port_name
        self._stats, writer = os.pipe()
        command = [sys.executable, "-I", str(_MODEL), device_port, str(writer), "--seed", str(seed)]
        command += ["--latency-ms", str(latency_ms), "--clean-up-to", str(clean_up_to_file or clean_up_to_baud or 0)]
        command += ["--device-follows"] if device_follows else []
        try:
            self._child.start(command, pass_fds=(writer,))
        except BaseException:
            self.close()
            raise
        finally:
            os.close(writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the line and reads its counters. May be called again."""
        if self._stats < 0:
            return
        stats, self._stats = self._stats, -1
        try:
            self._child.close()
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self.counters = _counters(_read(stats))
        finally:
            os.close(stats)

    def require_running(self) -> None:
        """Raises:
        BoardError: the model ended by itself.
        """
        self._child.require_running()


@contextlib.contextmanager
def at_line_rate(device_port: str, *, board_id: str, modelled: bool, device_follows: bool) -> Iterator[str]:
    """The port to open: that of a line-rate model in front of `device_port`, or the device's own.

    Raises:
        BoardError: the model can't be started, or ended by itself.
    """
    if not modelled:
        yield device_port
        return
    with LineRate(device_port, board_id=board_id, device_follows=device_follows) as line:
        try:
            yield line.port_name
        except BoardError:
            line.require_running()
            raise


def _read(descriptor: int) -> bytes:
    if not select.select([descriptor], [], [], _STATS_S)[0]:
        return b""
    return os.read(descriptor, _STATS_BYTES)


def _counters(text: bytes) -> LineCounters:
    values = json.loads(text)
    return LineCounters(
        WayCounters(**values["to_device"]), WayCounters(**values["to_host"]), values["wall_s"], values["cpu_s"]
    )
