"""Probing arena sizes over the line against one build and one flash for each, side by side, in one sitting.

    python -m benchmarks.sweep_arena.run [--board netduino2plus] [--candidates 8]

Both methods judge the same sizes of the shipped model in the same way: the engine starts, several vectors give the bits
of the largest arena, no state leaks, the guards hold. The build cache begins empty, so no firmware is found ready; the
compiled objects that don't depend on the arena are kept from one build to the next, as in PlatformIO's own folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

TARGET_RATIO = 20


def main() -> int:
    parser = argparse.ArgumentParser(description="Probing against rebuilding, for the same arena sizes.")
    parser.add_argument("--board", default="netduino2plus")
    parser.add_argument("--model", default="fuel_lstm")
    parser.add_argument("--candidates", type=int, default=8, help="sizes judged both ways, around the minimum")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hil-sweep-benchmark-") as folder:
        os.environ["HIL_CACHE_DIR"] = f"{folder}/cache"
        os.environ["HIL_STATE_DIR"] = f"{folder}/state"
        return measure(chosen.board, chosen.model, chosen.candidates)


def measure(board: str, model: str, candidates: int) -> int:
    from harness.workflow.sweep.options import DEFAULT_STEP_BYTES, SweepOptions
    from harness.workflow.sweep.sweep import sweep

    # Where the edge is decides which sizes are worth a rebuild: the first sweep also warms what both methods share.
    first = sweep(SweepOptions(model=model, board=board, confirm=False))
    assert first.minimum_bytes is not None, first.reasons
    step = DEFAULT_STEP_BYTES
    middle = -(-first.minimum_bytes // step) * step
    low = max(step, middle - candidates // 2 * step)
    both = sweep(
        SweepOptions(
            model=model,
            board=board,
            confirm=False,
            rebuild=True,
            first_bytes=low,
            last_bytes=low + (candidates - 1) * step,
        )
    )
    found = both.rebuild
    assert found is not None
    print(f"{model} on {board}, engine {both.engine} {both.engine_version}; minimum {both.minimum_bytes} bytes\n")
    print(f"{'bytes':>8}  {'probed':<18}{'s':>8}  {'built and flashed':<18}{'s':>8}")
    for pair in found.probes:
        print(
            f"{pair.size:>8}  {pair.probe.outcome:<18}{pair.probe.wall_s:>8.4f}  "
            f"{pair.rebuild.outcome:<18}{pair.rebuild.wall_s:>8.2f}"
        )
    print(f"{'all':>8}  {'':<18}{found.probe_s:>8.4f}  {'':<18}{found.rebuild_s:>8.2f}\n")
    each = found.rebuild_s / len(found.probes)
    print(f"same verdicts: {'yes' if found.agree else 'NO'}")
    print(f"ratio: {found.ratio:.0f} (wanted: at least {TARGET_RATIO})")
    print(
        f"the whole search: {first.probed} probes in {first.probing_s:.1f} s, {first.wall_s:.1f} s with its one build "
        f"and flash; by rebuilding, {first.probed} x {each:.1f} s = {first.probed * each:.0f} s"
    )
    return 0 if found.agree and found.ratio >= TARGET_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
