"""The lab's switch: a command that takes a board's power away and gives it back."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from harness.errors import BoardError

_POWER_CYCLE_S = 60.0


def run_power_cycle(command: Sequence[str], *, board: str, port: str) -> None:
    """Runs a lab's command, word by word and without a shell.

    Raises:
        BoardError: it can't be started, fails or takes too long.
    """
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=_POWER_CYCLE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoardError(f"the power cycle did not work: {error}", board=board, port=port) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BoardError(
            f"the power cycle ended with exit code {done.returncode}" + (f": {said[-1]}" if said else ""),
            board=board,
            port=port,
            hint="try the command of the lab file by hand",
        )
