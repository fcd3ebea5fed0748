"""A run whose board restarts, or whose cable comes out, at any moment: complete, right, and said loudly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import DeviceRebootedError, NoAnswerError, PortLostError, WrongDeviceError
from harness.protocol.frame import Frame, FrameSplitter
from harness.protocol.ids import MessageType
from harness.report.json_file import run_json
from harness.report.markdown import run_markdown
from harness.report.record import RunRecord
from harness.resources import state_dir
from harness.workflow import survive
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, run_on
from tests.link.device import compile_firmware
from tests.workflow.rig import BOARD, COUNT, Rig, prepared

# As pyserial leaves a port, a read of nothing looks like its end; so the thief goes by the clock.
THIEF = """
import os, time
fd = os.open({port!r}, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
print(os.getpid(), flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        os.read(fd, 20)
    except BlockingIOError:
        pass
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_firmware(tmp_path_factory.mktemp("echo"), board=BOARD, max_frame_bytes=256, rx_ring_bytes=512)


@pytest.fixture
def rig(firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path / "state"))
    board = Rig(firmware, tmp_path)
    monkeypatch.setenv("HIL_INVENTORY", str(board.inventory))
    board.plug_in()
    yield board
    board.pull()


class AtMessage:
    """A line to the device on which `happening` precedes the end of the `ordinal`-th message; 0: none."""

    def __init__(self, ordinal: int, happening: Callable[[], None]) -> None:
        self._ordinal, self._happening = ordinal, happening
        self._splitter = FrameSplitter()
        self.messages = 0
        self.before: int | None = None  # type of the message that it happened before; None: it did not

    def __call__(self, data: bytes) -> bytes:
        for event in self._splitter.feed(data):
            if isinstance(event, Frame):
                self.messages += 1
                if self.messages == self._ordinal:
                    self.before = event.type
                    self._happening()
        return data


class AtResult(Silent):
    """Does something at each of these results, counted anew in each attempt; `count` is of the last attempt."""

    def __init__(self, happening: Callable[[], None], *ordinals: int) -> None:
        self._happening, self._left, self.count = happening, list(ordinals), 0

    def phase(self, name: str, total: int | None) -> None:
        self.count = 0

    def advance(self, n: int = 1) -> None:
        self.count += n
        if self._left and self.count >= self._left[0]:
            self._left.pop(0)
            self._happening()


def run(rig: Rig, firmware: Path, progress: Silent | None = None, **options: int) -> RunRecord:
    with rig.open() as target:
        return run_on(target, prepared(firmware), RunOptions(board=BOARD, **options), progress or Silent()).record


@pytest.fixture
def undisturbed(rig: Rig, firmware: Path) -> RunRecord:
    record = run(rig, firmware)
    assert (record.verdict, record.interruptions, record.vectors) == ("pass", [], COUNT)
    return record


@pytest.mark.promise("P4")
def test_a_reboot_at_every_message_of_a_run(rig: Rig, firmware: Path, undisturbed: RunRecord) -> None:
    counted = AtMessage(0, rig.crash)
    with rig.through(counted):
        run(rig, firmware)
    assert counted.messages > 20
    for ordinal in range(1, counted.messages + 1):
        moment = AtMessage(ordinal, rig.crash)
        progress = AtResult(lambda: None)
        with rig.through(moment):
            record = run(rig, firmware, progress)
        assert record.outputs_sha256 == undisturbed.outputs_sha256, f"reboot at message {ordinal}"
        assert progress.count == COUNT, f"reboot at message {ordinal}"
        assert record.accuracy.board_vs_keras.max_abs == 0.0
        # Before HELLO it is a boot like any other, and BAUD is the last word of a session that has its results.
        unseen = moment.before in (None, MessageType.HELLO, MessageType.BAUD)
        assert len(record.interruptions) == 1 or (unseen and not record.interruptions), f"reboot at message {ordinal}"
        for interruption in record.interruptions:
            assert (interruption.kind, interruption.reason) == ("restart", "fault")
            assert record.verdict == "fail"


def test_a_restart_fails_the_run_with_its_reason_and_is_in_every_report(rig: Rig, firmware: Path) -> None:
    record = run(rig, firmware, AtResult(rig.crash, 120))
    assert record.verdict == "fail"
    assert [(i.kind, i.reason) for i in record.interruptions] == [("restart", "fault")]
    assert 120 <= record.interruptions[0].after_vectors < COUNT
    assert any("interrupted once: restart (fault) after" in reason for reason in record.reasons)
    assert "interrupted once" in run_markdown(record)
    assert json.loads(run_json(record))["interruptions"][0]["reason"] == "fault"


def test_allowed_interruptions_pass_with_a_warning(rig: Rig, firmware: Path) -> None:
    record = run(rig, firmware, AtResult(rig.crash, 50, 200), allow_interruptions=2)
    assert (record.verdict, len(record.interruptions)) == ("pass", 2)
    assert "**Warning**: interrupted 2 times" in run_markdown(record)


def test_a_board_that_restarts_again_and_again_ends_the_run_and_keeps_its_results(rig: Rig, firmware: Path) -> None:
    restarts = [0]

    class Doomed(Silent):
        def phase(self, name: str, total: int | None) -> None:
            restarts[0] += name == "stream"

        def advance(self, n: int = 1) -> None:
            if n:
                rig.crash()

    # It gets one frame's results the first time, then crashes before the warm-up is over.
    with pytest.raises(DeviceRebootedError, match="3 times in a row without a new result") as caught:
        run(rig, firmware, Doomed())
    assert "--resume" in str(caught.value)
    assert restarts[0] <= 6
    assert list((state_dir() / "runs").glob("*.journal"))
    record = run(rig, firmware, resume=True)
    assert record.verdict == "pass"


def test_a_cable_out_and_in_again_under_another_name(rig: Rig, firmware: Path, undisturbed: RunRecord) -> None:
    def replug() -> None:
        rig.pull()
        rig.plug_in()

    record = run(rig, firmware, AtResult(replug, 77))
    assert record.outputs_sha256 == undisturbed.outputs_sha256
    assert [i.kind for i in record.interruptions] == ["lost port"]
    assert record.interruptions[0].port.endswith("ttyUSB1")
    assert record.target.port.endswith("ttyUSB1")
    assert record.verdict == "fail"


def test_a_cable_that_stays_out_is_a_lost_port(rig: Rig, firmware: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survive, "RECONNECT_S", 0.5)
    with pytest.raises(PortLostError, match="did not come back"):
        run(rig, firmware, AtResult(rig.pull, 77))
    rig.plug_in()
    assert run(rig, firmware, resume=True).verdict == "pass"


@pytest.mark.promise("P6")
def test_another_board_in_its_place_is_refused(rig: Rig, firmware: Path, tmp_path: Path) -> None:
    other = compile_firmware(tmp_path / "other", board="bluepill", max_frame_bytes=256, rx_ring_bytes=512)

    def exchange() -> None:
        rig.pull()
        rig._firmware = other
        rig.plug_in()

    with pytest.raises(WrongDeviceError, match="another firmware answered"):
        run(rig, firmware, AtResult(exchange, 77))


@pytest.mark.promise("P2")
def test_another_program_that_reads_the_port_is_named(rig: Rig, firmware: Path) -> None:
    """It opens the port in the middle of a run, without asking for the lock, and gets a share of the bytes."""
    thieves: list[int] = []

    def steal() -> None:
        # A process of nobody's: the harness's own children are no intruders.
        program = THIEF.format(port=rig.port_name)
        child = subprocess.Popen(["setsid", "-f", sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert child.stdout is not None
        thieves.append(int(child.stdout.readline()))

    try:
        options = RunOptions(board=BOARD, timeout_per_vector_s=2.0)
        with rig.open() as target:
            record = run_on(target, prepared(firmware, 5000), options, AtResult(steal, 1, 1)).record
        text = "; ".join(record.reasons)
        assert record.verdict == "fail"
    except NoAnswerError as error:
        text = error.what
    finally:
        for thief in thieves:
            os.kill(thief, signal.SIGKILL)
    assert re.search(r"another program reads this port.*pid \d+ \(.*python.*import os", text)
