"""A board on a USB hub: when its firmware dies, its port vanishes, and comes back under another name.

    python -m tests.sweep.hub FIRMWARE INVENTORY

Runs the firmware, as a process that dies of a crash, on a pty of its own, and keeps INVENTORY (see HIL_INVENTORY)
saying where. Replacing the file FIRMWARE flashes the board. Ends with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

AWAY_S = 0.4


def plug_in(inventory: Path, device: str) -> None:
    entry = {"device": device, "vid": "10c4", "pid": "ea60", "serial_number": "A1", "location": "1-1"}
    temporary = inventory.with_suffix(".new")
    temporary.write_text(json.dumps([entry]))
    temporary.replace(inventory)


def main() -> None:
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    firmware, inventory = Path(sys.argv[1]), Path(sys.argv[2])
    environment = {**os.environ, "HIL_CRASH": "exit"}
    master, slave = os.openpty()
    while True:
        if firmware.exists():
            plug_in(inventory, os.ttyname(slave))
            loaded = firmware.stat().st_mtime_ns
            board = subprocess.Popen([firmware], stdin=master, stdout=master, env=environment)
            while board.poll() is None:
                time.sleep(0.02)
                if firmware.stat().st_mtime_ns != loaded:
                    board.kill()
        else:
            plug_in(inventory, os.ttyname(slave))
            time.sleep(0.02)
            continue
        # A new pty before the old one goes, or the kernel would give it the same name.
        new = os.openpty()
        os.close(master)
        os.close(slave)
        master, slave = new
        time.sleep(AWAY_S)


if __name__ == "__main__":
    main()
