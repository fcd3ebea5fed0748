"""Two harness processes and one board: the second is told who has it, and gets it as soon as the first is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import PortBusyError
from tests.link.device import compile_firmware
from tests.workflow.rig import Rig

HOLDER = """
import time
from harness.boards.catalogue import find_board
from harness.boards.target import open_target
with open_target(find_board("esp32")) as target:
    target.session().ping()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))
    board = Rig(compile_firmware(tmp_path / "firmware", board="esp32"), tmp_path)
    monkeypatch.setenv("HIL_INVENTORY", str(board.inventory))
    board.plug_in()
    yield board
    board.pull()


@pytest.fixture
def holder(rig: Rig) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, "--first-harness"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.promise("P3")
def test_the_second_is_refused_with_the_holders_name_until_the_first_is_killed(
    rig: Rig, holder: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(PortBusyError) as caught:
        rig.open()
    assert f"process {holder.pid} " in str(caught.value)
    assert "--first-harness" in str(caught.value)
    holder.kill()
    holder.wait(10)
    with rig.open() as target, target.session() as session:
        assert session.ping() >= 0


def test_a_forked_child_neither_keeps_nor_frees_the_board(rig: Rig) -> None:
    with rig.open() as target:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(PortBusyError, match=f"process {os.getpid()} "):
            rig.open()
        with target.session() as session:
            session.ping()
    with rig.open() as target, target.session() as session:
        session.ping()
