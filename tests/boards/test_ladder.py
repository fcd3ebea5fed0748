"""The ladder with a real firmware that hangs behind a pty posing as an ESP32."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from harness.boards import ladder
from harness.boards.catalogue import find_board
from harness.boards.emulator import Emulator
from harness.boards.ladder import climb
from harness.boards.target import open_target
from tests.boards.programs import children_of
from tests.boards.test_target_session import devices, firmware  # noqa: F401 - fixtures

ESP32 = find_board("esp32")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "HELLO_S", 0.5)


def test_a_board_that_only_lost_its_place_needs_no_reset(devices: tuple[Emulator, Emulator]) -> None:  # noqa: F811
    with open_target(ESP32, port=devices[0].port_name) as target:
        session, steps = climb(target)
        assert session.ping(b"here") >= 0
    assert [(step.what, step.error) for step in steps] == [("HELLO again", None)]


def test_a_hung_board_comes_back_by_its_power_switch(
    devices: tuple[Emulator, Emulator],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = devices[0].port_name
    hung = children_of(os.getpid())
    lab = tmp_path / "boards.toml"
    wakes = json.dumps(["kill", "-CONT", *map(str, hung)])
    lab.write_text(f'[left]\nboard = "esp32"\nport = "{port}"\npower_cycle = {wakes}\n')
    monkeypatch.setenv("HIL_LAB", str(lab))
    for process in hung:
        os.kill(process, signal.SIGSTOP)
    with open_target(ESP32, port=port) as target:
        session, steps = climb(target)
        assert session.ping(b"here") >= 0
    # The reset lines did what they could; a pty has none.
    assert [step.what.split(":")[0] for step in steps if "HELLO" in step.what or "power" in step.what] == [
        "HELLO again",
        "HELLO after reset",
        "power cycle",
        "HELLO after power cycle",
    ]
    assert steps[-1].error is None
