"""A device that means harm gets a named error by the deadline, or a "fail"; no memory, terminal, CI log or pass."""

from __future__ import annotations

import io
import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.boards.catalogue import find_board
from harness.boards.target import open_target
from harness.errors import (
    BoardError,
    DeviceError,
    DeviceRebootedError,
    ForeignDeviceError,
    HilError,
    NoAnswerError,
    SessionTakenError,
    UsageError,
    WrongDeviceError,
)
from harness.link import session as session_module
from harness.report.error_text import error_text
from harness.report.json_file import run_json
from harness.report.junit import run_junit
from harness.report.markdown import run_markdown
from harness.report.record import RunRecord
from harness.report.terminal import print_run
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, run_on
from tests.link.device import ProcessOnPty
from tests.workflow.rig import prepared

MOST_BYTES = 64 << 20
MOST_S = 40.0

# The second where all the ways to bring a board back have been tried.
UNREADABLE = (ForeignDeviceError, NoAnswerError)
REFUSED: dict[str, type[HilError] | tuple[type[HilError], ...]] = {
    "endless text": UNREADABLE,
    "endless zeros": UNREADABLE,
    "endless ones": UNREADABLE,
    "logs for an answer": NoAnswerError,
    "INFO with a lying length": UNREADABLE,
    "huge shapes": (WrongDeviceError, UsageError),
    "shapes that overflow to the right count": WrongDeviceError,
    "no outputs": WrongDeviceError,
    "no inputs": WrongDeviceError,
    "no elements": WrongDeviceError,
    "many inputs": (WrongDeviceError, UsageError),
    "infinite scale": UNREADABLE,
    "NaN scale": UNREADABLE,
    "evil names": WrongDeviceError,
    "failed engine": DeviceError,
    "results too short": DeviceError,
    "results too many": DeviceError,
    "only results for others": NoAnswerError,
    "pongs for results": NoAnswerError,
    "logs for results": NoAnswerError,
    "text for results": NoAnswerError,
    "boots for results": DeviceRebootedError,
    "evil errors": DeviceError,
    "sessions of others": SessionTakenError,
    "refusals for ever": DeviceError,
    "lying statistics": BoardError,
}
FAILED = ("NaN", "lying arena")
HARMLESS = ("honest", "results for others", "evil console", "evil mcu", "no room")


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("harness.workflow.connect.SESSION_TIMEOUT_S", 1.0)
    monkeypatch.setattr(session_module, "REQUEST_TIMEOUT_S", 1.0)
    yield


def run(behaviour: str, folder: Path, patch: pytest.MonkeyPatch) -> RunRecord:
    patch.setenv("HIL_STATE_DIR", str(folder / "state"))
    with ProcessOnPty(sys.executable, "-m", "tests.faults.hostile", behaviour) as device:
        time.sleep(0.3)  # a Python program takes its time to start
        inventory = folder / "inventory.json"
        entry = {"device": device.port_name, "vid": "10c4", "pid": "ea60", "serial_number": "1", "location": "1-1"}
        inventory.write_text(json.dumps([entry]))
        patch.setenv("HIL_INVENTORY", str(inventory))
        options = RunOptions(board="esp32", flash="never", timeout_per_vector_s=1.0)
        with open_target(find_board("esp32")) as target:
            return run_on(target, prepared(folder / "no.elf"), options, Silent()).record


def assert_harmless(text: str) -> None:
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert "::error" not in text
    assert "##[error]" not in text


@pytest.mark.promise("P2")
@pytest.mark.parametrize("behaviour", REFUSED)
def test_a_hostile_device_is_refused_by_name_in_time_and_memory(
    behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_s = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(REFUSED[behaviour]) as caught:
            run(behaviour, tmp_path, monkeypatch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES
    assert time.monotonic() - start_s < MOST_S
    assert_harmless(error_text(caught.value))
    assert len(error_text(caught.value)) < 40_000


@pytest.mark.promise("P8")
@pytest.mark.parametrize("behaviour", FAILED)
def test_a_device_that_lies_fails(behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(behaviour, tmp_path, monkeypatch).verdict == "fail"


@pytest.mark.parametrize("behaviour", HARMLESS)
def test_what_can_be_ignored_is_and_is_escaped(behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run(behaviour, tmp_path, monkeypatch)
    assert record.verdict == "pass"
    shown = io.StringIO()
    print_run(record, Console(file=shown, width=100, force_terminal=False))
    for text in (shown.getvalue(), run_json(record), run_markdown(record), run_junit(record)):
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "\u202e" not in text
    assert_harmless(shown.getvalue())
    assert_harmless(run_markdown(record))
    assert np.isfinite(record.latency.us.max)
