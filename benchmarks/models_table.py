"""Every shipped bundle on every emulated board: the tables of docs/models.md.

    python -m benchmarks.models_table [--bundle NAME]... [--board BOARD]... [--write docs/models.md]

Runs the main job once for each pair, one after the other. Without --write the tables go to stdout; with it they replace
what stands between the markers in that file. Exit code 1 if a run fails its comparison, or breaks in another way than a
board being too small.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.boards.catalogue import find_board
from harness.errors import BuildError, HilError
from harness.model.bundle import list_bundles
from harness.report.classes import classes_markdown
from harness.workflow.explain import explain
from harness.workflow.run import RunOptions, RunOutcome, run

BOARDS = ("host", "netduino2plus", "megaatmega2560")
BEGIN = "<!-- made by: python -m benchmarks.models_table --write docs/models.md -->"
END = "<!-- end -->"
HEAD = (
    "bundle",
    "board",
    "max error",
    "share of range",
    "leakage",
    "time, us",
    "cycles",
    "arena, bytes",
    "flash, bytes",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `fine` says that nothing went wrong; a board too small for the model is not wrong."""

    cells: tuple[str, ...]
    fine: bool


def main(arguments: list[str]) -> int:
    """Run all, print or write the tables."""
    parser = argparse.ArgumentParser(description="Run every bundle on every emulated board and tabulate.")
    parser.add_argument("--bundle", action="append", help="only this one; may be repeated")
    parser.add_argument("--board", action="append", help="only this one; may be repeated")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="replace the tables between the markers of this file"
    )
    options = parser.parse_args(arguments)

    rows = []
    classes: dict[tuple[str, tuple[str, ...]], list[str]] = {}  # boards by what they say
    for bundle in options.bundle or list_bundles():
        for board in options.board or BOARDS:
            row, outcome = _run(bundle, board)
            rows.append(row)
            print(" | ".join(row.cells), file=sys.stderr, flush=True)
            blocks = () if outcome is None else tuple(classes_markdown(outcome.record))
            if blocks:
                classes.setdefault((bundle, blocks), []).append(board)
    text = _table(HEAD, (row.cells for row in rows))
    for (bundle, blocks), boards in classes.items():
        text += "".join(f"\n{block}\n" for block in (f"`{bundle}` on {', '.join(boards)}: {blocks[0]}", *blocks[1:]))
    if options.write:
        _replace(options.write, text)
    else:
        print(text)
    return 0 if all(row.fine for row in rows) else 1


def _run(bundle: str, board: str) -> tuple[Row, RunOutcome | None]:
    """One run, or why there was none."""
    (cost,) = explain(bundle, [find_board(board)]).boards
    try:
        outcome = run(RunOptions(model=bundle, board=board))
    except BuildError as error:
        # Too small a board is told by the plan already; the compiler's own reason is the second best.
        reason = cost.reason or str(error).partition("\n")[0]
        return Row((f"`{bundle}`", board, *["-"] * (len(HEAD) - 3), f"not held: {reason}"), bool(cost.reason)), None
    except HilError as error:
        return Row(
            (f"`{bundle}`", board, *["-"] * (len(HEAD) - 3), f"error: {str(error).splitlines()[0]}"), False
        ), None
    record = outcome.record
    error_max = record.accuracy.board_vs_keras.max_abs
    golden = np.concatenate([output.ravel() for output in outcome.bundle.golden])
    cycles = record.latency.cycles
    cells = (
        f"`{bundle}`",
        board,
        "-" if error_max is None else f"{error_max:.2e}",
        "-" if error_max is None else f"{error_max / float(np.ptp(golden)):.1e}",
        "none" if record.leakage.identical else "LEAKS",
        f"{record.latency.us.median:,.1f}",
        "-" if cycles is None else f"{cycles.median:,.0f}",
        f"{record.memory.arena.used_bytes:,}",
        f"{record.memory.flash_bytes:,}",
        record.verdict,
    )
    return Row(cells, record.verdict == "pass"), outcome


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |\n" for line in lines)


def _replace(path: Path, text: str) -> None:
    old = path.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
