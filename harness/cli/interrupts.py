"""Ctrl-C, SIGTERM (job cancelled) and SIGHUP (terminal closed) unwind: locks, emulators and temporary files go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.01


def unwind_when_interrupted() -> None:
    """From now on these signals raise KeyboardInterrupt."""
    for number in _NUMBERS:
        signal.signal(number, _unwind)


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Handlers set inside are gone afterwards."""
    numbers = (*_NUMBERS, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is _unwind:  # else the alarm is somebody else's
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _unwind(number: int, frame: FrameType | None) -> None:
    if _would_be_lost(frame):
        signal.signal(signal.SIGALRM, _unwind)
        # Again and again: one alarm just before a blocking call would be seen only after it.
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        return
    if signal.getsignal(signal.SIGALRM) is _unwind:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    raise KeyboardInterrupt


def _would_be_lost(frame: FrameType | None) -> bool:
    """Whether Python would print what is raised here and go on: in a finaliser, or where an import frees its lock."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or (code.co_name == "cb" and code.co_filename.startswith("<frozen importlib")):
            return True
        frame = frame.f_back
    return False
