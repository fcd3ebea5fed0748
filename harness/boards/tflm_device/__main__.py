"""`python -m harness.boards.tflm_device SLOT_DIR`: see the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.errors import EXIT_USAGE, HilError

# Before numpy is imported: a pool of threads would not survive the fork.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def main(arguments: list[str]) -> int:
    """Runs until the line closes."""
    if len(arguments) != 1:
        print("usage: python -m harness.boards.tflm_device SLOT_DIR", file=sys.stderr)
        return EXIT_USAGE
    from harness.boards.tflm_device.supervisor import run

    try:
        return run(Path(arguments[0]))
    except HilError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
