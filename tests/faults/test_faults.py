"""Every kind of fault on the way between the real session and the real firmware: nothing wrong accepted, nothing lost.

A part of the campaign, the same at every run; `make test-faults` tries all of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import campaign, script
from tests.faults.fault import KINDS, Single, parse
from tests.faults.script import BrokenPromiseError

SHARE = 0.03
STORMS = 42


@pytest.mark.promise("P1", "P2", "P4")
@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_any_byte_is_repaired_or_named(small_firmware: Path, kind: str) -> None:
    faults = [fault for fault in campaign.single_faults(small_firmware) if fault.kind == kind]
    for fault in campaign.sample(faults, SHARE):
        campaign.try_fault(small_firmware, str(fault))


@pytest.mark.promise("P1", "P2")
@pytest.mark.parametrize("fault", campaign.storms(range(STORMS)))
def test_a_storm_yields_the_right_results(small_firmware: Path, fault: str) -> None:
    campaign.try_fault(small_firmware, fault)


def test_faults_together_are_survived_together(small_firmware: Path) -> None:
    fault = "hello.up:30:flip3+infer.down:40:drop+infer.up:3:insert00+keep.up:9:stall+reboot.up:2:banner"
    assert campaign.try_fault(small_firmware, fault).errors == []


@pytest.mark.promise("P5")
def test_a_broken_promise_names_the_fault_and_the_command_that_replays_it(small_firmware: Path) -> None:
    # Two cables out are one error more than a single fault may end in.
    session = script.run
    fault = "infer.up:37:cut"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "run", lambda *args, **_: session(*args, most_errors=0))
        with pytest.raises(BrokenPromiseError) as caught:
            campaign.try_fault(small_firmware, fault)
    assert f"pytest tests/faults --fault-id '{fault}'" in str(caught.value)


@pytest.mark.promise("P5", "P9")
@pytest.mark.parametrize("fault", ["", "infer.up:37:flip3", "storm:5:drop=0.01,flip=0.001", "keep.down:5:reboot"])
def test_the_same_id_gives_the_same_conversation(small_firmware: Path, fault: str) -> None:
    runs = [script.run(small_firmware, parse(fault), most_errors=40) for _ in range(2)]
    told = [(run.counts, run.seconds, run.resent, [str(error) for error in run.errors]) for run in runs]
    assert told[0] == told[1]


def test_ids_are_read_as_they_are_written() -> None:
    for fault in (Single("keep", "down", 7, "insert55"), *(parse(f)[0] for f in campaign.storms(range(7)))):
        assert str(parse(str(fault))[0]) == str(fault)
    for wrong in ("infer.up:3", "infer.sideways:3:drop", "infer.up:3:flip8", "infer.up:x:drop", "storm:1:rain=0.1"):
        with pytest.raises(ValueError, match=r"."):
            parse(wrong)


@pytest.mark.promise("P5")
def test_replay(small_firmware: Path, replayed_fault: str) -> None:
    for ended in campaign.try_fault(small_firmware, replayed_fault).errors:
        print(ended)
