"""A board on a USB hub: when its firmware dies, its port vanishes, and comes back under another name.

    python -m tests.sweep.hub FIRMWARE INVENTORY

Runs the firmware, as a process that dies of a crash, on a pty of its own, and keeps INVENTORY (see HIL_INVENTORY)
saying where. Replacing the file FIRMWARE flashes the board. Ends with its parent.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

AWAY_S = 0.4


class Port:
    """A pty under a name of its own: the kernel gives a closed pty's name to whoever asks next."""

    def __init__(self, inventory: Path, number: int) -> None:
        self.master, self._slave = os.openpty()
        self._name = inventory.with_name(f"ttyUSB{number}")
        self._name.symlink_to(os.ttyname(self._slave))
        entry = {"device": str(self._name), "vid": "10c4", "pid": "ea60", "serial_number": "A1", "location": "1-1"}
        temporary = inventory.with_suffix(".new")
        temporary.write_text(json.dumps([entry]))
        temporary.replace(inventory)

    def vanish(self) -> None:
        self._name.unlink()
        os.close(self.master)
        os.close(self._slave)


def main() -> None:
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    firmware, inventory = Path(sys.argv[1]), Path(sys.argv[2])
    environment = {**os.environ, "HIL_CRASH": "exit"}
    port = Port(inventory, 0)
    while not firmware.exists():
        time.sleep(0.02)
    for number in itertools.count(1):
        loaded = firmware.stat().st_mtime_ns
        board = subprocess.Popen([firmware], stdin=port.master, stdout=port.master, env=environment)
        while board.poll() is None:
            time.sleep(0.02)
            if firmware.stat().st_mtime_ns != loaded:
                board.kill()
        port.vanish()
        time.sleep(AWAY_S)
        port = Port(inventory, number)


if __name__ == "__main__":
    main()
