"""`python -m tests.faults`: every single fault at every byte, and storms; prints the table of docs/reliability.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import campaign, script
from tests.faults.campaign import Tally
from tests.faults.firmware import compile_firmware
from tests.faults.lossy import long_run

SHOWN_FAILURES = 10
LONG_RUN = 10_000
BAD_LINE = "drop=0.01,flip=0.001"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.faults")
    parser.add_argument("--share", type=float, default=1.0, help="part of the single faults to try (default: all)")
    parser.add_argument("--storms", type=int, default=700, help="number of storms (default: 700)")
    parser.add_argument("--fault-id", action="append", default=[], help="replay this fault; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hil-faults-") as folder:
        firmware = compile_firmware(Path(folder), max_frame_bytes=256, rx_ring_bytes=512)
        if options.fault_id:
            return _replay(firmware, options.fault_id)
        return _campaign(firmware, options.share, options.storms)


def _replay(firmware: Path, faults: list[str]) -> int:
    for fault in faults:
        outcome = campaign.try_fault(firmware, fault)
        print(f"{fault}: {outcome.seconds:.3f} s simulated, {outcome.resent} frames sent again")
        for ended in outcome.errors:
            print(f"  {ended}")
    return 0


def _campaign(firmware: Path, share: float, storms: int) -> int:
    start_s = time.monotonic()
    clean = script.run(firmware, most_errors=0)
    print(f"The session: {sum(clean.counts.values())} bytes both ways, {clean.seconds:.3f} s at 115200 baud\n")
    tallies: dict[str, Tally] = {}
    for fault in campaign.sample(campaign.single_faults(firmware), share):
        campaign.add(tallies.setdefault(fault.kind, Tally()), firmware, str(fault))
        _progress(tallies)
    for fault in campaign.storms(range(storms)):
        campaign.add(tallies.setdefault(f"storm {fault.split(':', 2)[2]}", Tally()), firmware, fault)
        _progress(tallies)
    print(campaign.table(tallies))
    print(f"\n{_bad_lines()}")
    print(f"\n{time.monotonic() - start_s:.0f} s of this computer's time")
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    for _, what in failures[:SHOWN_FAILURES]:
        print(f"\nFAILED {what}")
    return 1 if failures else 0


def _bad_lines() -> str:
    """What a long run keeps of the clean line's speed, as Markdown."""
    rows = ["| frames / buffer | baud | clean, vectors/s | bad line | kept | right |", "|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="hil-faults-") as folder:
        for frame, buffer in ((4096, 16384), (256, 512)):
            firmware = compile_firmware(Path(folder) / str(frame), max_frame_bytes=frame, rx_ring_bytes=buffer)
            for baud in (115200, 921600):
                clean = long_run(firmware, "", LONG_RUN, baud=baud)
                bad = long_run(firmware, f"storm:0:{BAD_LINE}", LONG_RUN, baud=baud)
                kept = f"{bad.vectors_per_s / clean.vectors_per_s:.0%}"
                speeds = f"{clean.vectors_per_s:.0f} | {bad.vectors_per_s:.0f}"
                rows.append(f"| {frame} / {buffer} | {baud} | {speeds} | {kept} | {bad.right} of {LONG_RUN} |")
    return "\n".join(rows)


def _progress(tallies: dict[str, Tally]) -> None:
    if sys.stderr.isatty():
        tried = sum(tally.tried for tally in tallies.values())
        print(f"\r{tried} tried", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
