"""Forks the device and, when it crashes, hangs or reboots, forks it again: the reset logic of a microcontroller.

The runtime is imported once, here, so a reset takes milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from pathlib import Path

from harness.boards.tflm_device.engine import Engine
from harness.boards.tflm_device.image import DeviceConfig, load_image
from harness.boards.tflm_device.line import Line, LineClosedError
from harness.boards.tflm_device.session import DeviceSession, Identity, RebootRequest
from harness.boards.tflm_device.shared import NoInitMemory
from harness.errors import UsageError
from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_read import read_tflite
from harness.model.tflm_runtime import TflmLog, engine_version, preload, tensor_spec
from harness.protocol.ids import ResetReason

_EXIT_LINE_CLOSED = 0
_EXIT_REBOOT = 64
_EXIT_FAULT = 70
_POLL_S = 0.5
_PR_SET_PDEATHSIG = 1


def run(place: Path) -> int:
    """Runs the image in a flash slot until the line closes.

    Raises:
        UsageError: no image, or tflite-micro is not installed.
    """
    _die_with_parent(os.getppid())
    config, tflite = load_image(place)
    _check(tflite)
    preload()
    version = engine_version()
    memory = NoInitMemory()
    # Blocked for good: waiting for it with a timeout is then free of races.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        supervisor = os.getpid()
        child = os.fork()
        if child == 0:
            _device(config, tflite, version, memory, supervisor)
        status, hung = _wait(child, memory, config.watchdog_s)
        if hung:
            memory.after_reset(ResetReason.WATCHDOG, f"watchdog: no end after {config.watchdog_s:g} s")
        elif os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            memory.after_reset(ResetReason.FAULT, f"hard fault: signal {number} ({signal.Signals(number).name})")
        elif os.WEXITSTATUS(status) == _EXIT_REBOOT:
            memory.after_reset(ResetReason.SOFTWARE, "")
        elif os.WEXITSTATUS(status) == _EXIT_LINE_CLOSED:
            return 0
        else:
            memory.after_reset(ResetReason.FAULT, f"fault: exit code {os.WEXITSTATUS(status)}")


def _check(tflite: bytes) -> None:
    # A device that can't even describe its tensors would fault on every boot, for ever.
    try:
        model = read_tflite(tflite)
    except TfliteFormatError as error:
        raise UsageError(f"the model in flash is damaged: {error}", hint="flash it again") from error
    for tensor in model.inputs + model.outputs:
        tensor_spec(tensor)


def _wait(child: int, memory: NoInitMemory, watchdog_s: float) -> tuple[int, bool]:
    """(wait status, whether the watchdog ended it)."""
    hung = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            return status, hung
        signal.sigtimedwait({signal.SIGCHLD}, _POLL_S)
        if watchdog_s and not hung and memory.engine_busy_s() > watchdog_s:
            os.kill(child, signal.SIGKILL)
            hung = True


def _device(config: DeviceConfig, tflite: bytes, version: str, memory: NoInitMemory, supervisor: int) -> None:
    """One boot, in the forked process; never returns."""
    code = _EXIT_FAULT
    try:
        _die_with_parent(supervisor)
        line = Line()
        # Shared with the supervisor, which reads TFLM's last words there after a crash.
        engine = Engine(tflite, memory, TflmLog(memory.log))
        session = DeviceSession(Identity(config, version, memory.reset_reason, memory.boot_count), engine, line)
        # Before BOOT, as a panic handler's before the reset: whoever hears of the restart has heard them.
        _say(line, memory.last_words)
        session.announce_boot()
        if memory.failed_arena_bytes is None:
            engine.start(config.arena_bytes, booting=True)
        else:
            engine.stay_down(memory.failed_arena_bytes, f"crashed at start: {memory.last_words.splitlines()[-1]}")
        while True:
            session.feed(line.read())
    except LineClosedError:
        code = _EXIT_LINE_CLOSED
    except RebootRequest:
        code = _EXIT_REBOOT
    except BaseException:  # whatever it is, it must not get back into the supervisor's code
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _say(line: Line, text: str) -> None:
    """Prints console text, as a panic handler does."""
    if text:
        line.write(b"".join(f"{row}\r\n".encode() for row in text.splitlines()))


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # The parent may have died before the line above took effect.
    if os.getppid() != parent:
        os._exit(_EXIT_LINE_CLOSED)
