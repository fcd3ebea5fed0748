"""A sweep that is killed or interrupted leaves nothing behind but its journal, with which it goes on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.boards.catalogue import find_board
from harness.boards.target import open_target
from harness.report.sweep_record import ProbeRecord
from harness.resources import state_dir
from harness.workflow.sweep.journal import SweepJournal

ROOT = Path(__file__).resolve().parents[2]
BEHAVIOUR = ["need=6000", "crash_below=1024"]
SEED = 20261120


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_for_journal(lines: int, process: subprocess.Popen[bytes]) -> Path:
    """The journal of the sweep under way, once it has that many lines."""
    while True:
        found = list((state_dir() / "sweeps").glob("*.journal"))
        if found and found[0].read_bytes().count(b"\n") >= lines:
            return found[0]
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.005)


def nothing_holds_the_board() -> None:
    with open_target(find_board("host")) as target:
        assert target.name == "host-1", "its lock is free"


def verdicts(file: Path) -> dict[int, str]:
    record = json.loads(file.read_text())
    return {probe["size"]: probe["outcome"] for probe in record["probes"]}


def test_a_sweep_killed_at_random_moments_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole.json", tmp_path / "pieces.json"
    assert start("tests.sweep.run_hostile", str(whole), *BEHAVIOUR).wait() == 0
    chance = random.Random(SEED)
    done = 1
    for kill in range(4):
        words = [*BEHAVIOUR, *(["resume"] if kill else [])]
        process = start("tests.sweep.run_hostile", str(pieces), *words)
        journal = wait_for_journal(done + chance.randint(20, 120), process)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        kept = journal.read_bytes().count(b"\n")
        assert kept > done, f"seed {SEED}, kill {kill}: nothing new was kept"
        done = kept
        nothing_holds_the_board()
    assert start("tests.sweep.run_hostile", str(pieces), *BEHAVIOUR, "resume").wait() == 0
    assert verdicts(pieces) == verdicts(whole)
    last = json.loads(pieces.read_text())
    assert last["resumed"] >= done - 2, "the header, and a torn line at most, are no verdicts"
    assert last["minimum_bytes"] == json.loads(whole.read_text())["minimum_bytes"] == 6000 // 16 * 16
    assert not list((state_dir() / "sweeps").glob("*.journal"))


def test_ctrl_c_leaves_a_journal_and_nothing_else(tmp_path: Path) -> None:
    command = ["harness.cli", "sweep-arena", "-b", "host", "--no-confirm", "--exhaustive", "--step", "1"]
    process = start(*command)
    journal = wait_for_journal(200, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children, "the emulated board"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"--resume goes on" in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    nothing_holds_the_board()
    kept = journal.read_bytes().count(b"\n") - 1
    out = tmp_path / "out.json"
    again = start(
        *("harness.cli", "sweep-arena", "-b", "host", "--no-confirm", "--resume", "--json", str(out), "--quiet")
    )
    assert again.wait(timeout=60) == 0
    record = json.loads(out.read_text())
    assert record["resumed"] >= kept - 1
    assert record["minimum_bytes"] == 540


def test_a_torn_line_and_what_follows_is_not_believed(tmp_path: Path) -> None:
    path, key = tmp_path / "a.journal", {"build_id": "x"}
    with SweepJournal(path, key, resume=False) as journal:
        for size in (16, 32, 48):
            journal.append(ProbeRecord(size, "crashed", "a", console=("x y", "\x1b[2J")))
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:-cut])
        with SweepJournal(path, key, resume=True) as journal:
            complete = max(0, whole[:-cut].count(b"\n") - 1)
            assert [probe.size for probe in journal.probes] == [16, 32, 48][:complete], cut
            journal.append(ProbeRecord(64, "passed"))
        with SweepJournal(path, key, resume=True) as journal:
            assert [probe.size for probe in journal.probes][-1] == 64


def test_a_journal_of_another_firmware_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with SweepJournal(path, {"build_id": "x"}, resume=False) as journal:
        journal.append(ProbeRecord(16, "passed"))
    with SweepJournal(path, {"build_id": "y"}, resume=True) as journal:
        assert journal.probes == []


def test_without_resume_a_sweep_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    for _ in range(2):
        with SweepJournal(path, {}, resume=False) as journal:
            assert journal.probes == []
            journal.append(ProbeRecord(16, "passed"))
    assert path.stat().st_size < 400
