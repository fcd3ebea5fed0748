"""`hil run` killed at random moments: nothing stays behind, and `--resume` ends as an undisturbed run does.

HIL_KILLS says how many times (make test-faults: 100).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.boards.lock import TargetLock
from harness.model.bundle import load_bundle
from harness.workflow.journal import Journal

KILLS = int(os.environ.get("HIL_KILLS", "6"))
VECTORS = 1500
GONE_S = 10.0
SEED = 5


def command(vectors: Path, *more: str) -> list[str]:
    words = ["run", "--board", "host", "--vectors", str(vectors), "--quiet", "--json", "-", *more]
    return [sys.executable, "-m", "harness.cli", *words]


def finished(vectors: Path, environment: Mapping[str, str], *more: str) -> dict[str, Any]:
    done = subprocess.run(command(vectors, *more), env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def processes_of(place: Path) -> list[str]:
    """Command lines of processes that were started with a path below `place`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(place) in words and str(os.getpid()) != entry.parent.name:
                found.append(words)
    return found


def temporary_files(*places: Path) -> list[Path]:
    return [
        path
        for place in places
        for path in place.rglob("*")
        if path.name.startswith((".", "hil-", "tmp", "scratch-")) and "build" not in path.parts
    ]


@pytest.mark.timeout(3000)
@pytest.mark.promise("P3", "P9")
def test_killed_runs_leave_nothing_and_resume_ends_as_an_undisturbed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, temporary, state = tmp_path / "x.npy", tmp_path / "tmp", tmp_path / "state"
    temporary.mkdir()
    shape = load_bundle("fuel_lstm").inputs[0].shape[1:]
    np.save(vectors, np.random.default_rng(SEED).random((VECTORS, *shape), dtype=np.float32))
    monkeypatch.setenv("HIL_STATE_DIR", str(state))
    environment = {
        **os.environ,
        "HIL_STATE_DIR": str(state),
        "HIL_CACHE_DIR": str(tmp_path / "cache"),
        "TMPDIR": str(temporary),
    }
    calm = finished(vectors, environment)  # with a cold cache: build and golden outputs are made here
    started_s = time.monotonic()
    assert finished(vectors, environment)["outputs_sha256"] == calm["outputs_sha256"]
    usual_s = time.monotonic() - started_s
    files = sorted(temporary_files(state, temporary, tmp_path / "cache"))
    moments, in_the_middle, kill = random.Random(SEED), 0, 0
    while in_the_middle < KILLS:
        kill += 1
        assert kill <= 10 * KILLS, f"{in_the_middle} of {kill} runs were killed before their end"
        started_s = time.monotonic()
        process = subprocess.Popen(
            command(vectors, "--resume"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(usual_s * moments.uniform(0.1, 1.0))
        process.kill()
        if process.wait(10) == 0:  # over before its moment: the machine has become faster, or less was left to do
            usual_s = min(usual_s, time.monotonic() - started_s)
        else:
            in_the_middle += 1
        give_up_s = time.monotonic() + GONE_S
        while (left := processes_of(state)) and time.monotonic() < give_up_s:
            time.sleep(0.05)
        assert not left, f"kill {kill}: still running: {left}"
        TargetLock.acquire("host-1").release()
        for journal in (state / "runs").glob("*.journal"):
            read_journal(journal)
    resumed = finished(vectors, environment, "--resume")
    assert (resumed["verdict"], resumed["outputs_sha256"]) == (calm["verdict"], calm["outputs_sha256"])
    assert resumed["accuracy"] == calm["accuracy"]
    assert sorted(temporary_files(state, temporary, tmp_path / "cache")) == files
    assert not list((state / "runs").glob("*.journal"))
    print(f"{in_the_middle} of {kill} runs were killed before their end")


def read_journal(path: Path) -> None:
    """It must be readable, whatever its last record looks like."""
    head = path.read_bytes().partition(b"\n")[0]
    key = json.loads(head)
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    try:
        output_bytes = key.pop("output_bytes")
        del key["format"]
        with Journal(copy, key, output_bytes, resume=True) as journal:
            assert all(0 <= index < VECTORS for index in journal.results)
    finally:
        copy.unlink()
