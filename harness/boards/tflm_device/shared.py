"""What survives a reset of the device: memory shared by the supervisor and the device it forks, and TFLM's log."""

from __future__ import annotations

import mmap
import os
import struct
import time

from harness.model.tflm_runtime import append_only, read_log
from harness.protocol.ids import ResetReason

_IDLE = 0
_LAYOUT = struct.Struct("<QQ")  # when the engine call under way began (monotonic ns, 0: none), arena it tries (bytes)


class NoInitMemory:
    """Like a microcontroller's memory that a reset leaves alone.

    Attributes:
        log: descriptor of the file in memory that is descriptor 2 of the device.
        reset_reason, boot_count: of the boot to come, set by the supervisor before it forks.
        last_words: what the boot before printed before it crashed.
        failed_arena_bytes: arena with which the boot before crashed while it started; None: it did not.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LAYOUT.size)
        self.log = os.memfd_create("tflm-device-log")
        append_only(self.log)
        self.reset_reason = ResetReason.POWER_ON
        self.boot_count = 1
        self.last_words = ""
        self.failed_arena_bytes: int | None = None

    def engine_begins(self, arena_bytes: int = 0) -> None:
        """An engine call begins; `arena_bytes`: the arena it tries while the device starts."""
        _LAYOUT.pack_into(self._memory, 0, time.monotonic_ns(), arena_bytes)

    def engine_ended(self) -> None:
        """It came back."""
        _LAYOUT.pack_into(self._memory, 0, _IDLE, 0)

    def engine_busy_s(self) -> float:
        """For how long an engine call has been under way; 0.0 if none is."""
        began, _ = _LAYOUT.unpack_from(self._memory, 0)
        return 0.0 if began == _IDLE else (time.monotonic_ns() - int(began)) / 1e9

    def after_reset(self, reason: ResetReason, ended: str) -> None:
        """Prepares the next boot; `ended`: how the last one did, empty if as asked."""
        _, tried = _LAYOUT.unpack_from(self._memory, 0)
        crashed = reason is not ResetReason.SOFTWARE
        self.failed_arena_bytes = int(tried) if crashed and tried else None
        text = read_log(self.log)
        os.ftruncate(self.log, 0)
        self.last_words = "\n".join(part for part in (text, ended) if part) if crashed else ""
        self.reset_reason = reason
        self.boot_count += 1
        self.engine_ended()
