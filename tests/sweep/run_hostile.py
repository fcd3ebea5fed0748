"""A sweep of the hostile engine as a process that can be killed.

python -m tests.sweep.run_hostile OUT.json [resume] [BEHAVIOUR=VALUE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.report.json_file import dumps
from harness.workflow.sweep.options import SweepOptions
from tests.sweep.hostile import sweep_hostile


def main() -> None:
    behaviour = {name: int(value) for name, value in (word.split("=") for word in sys.argv[2:] if "=" in word)}
    options = SweepOptions(
        board="host", exhaustive=True, last_bytes=12 * 1024, confirm=False, resume="resume" in sys.argv[2:]
    )
    Path(sys.argv[1]).write_text(dumps(sweep_hostile("host", options, **behaviour)))


if __name__ == "__main__":
    main()
