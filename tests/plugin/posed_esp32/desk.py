"""A pty that poses as an ESP32 on a desk: runs firmware.elf of $HIL_TEST_DESK, anew when another one comes."""

import os
import subprocess
import sys
import time
import tty
from pathlib import Path

folder = Path(os.environ["HIL_TEST_DESK"])
parent = os.getppid()
master, slave = os.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
running: subprocess.Popen[bytes] | None = None
seen = None
try:
    while os.getppid() == parent:
        elf = folder / "firmware.elf"
        now = elf.stat().st_ino if elf.exists() else None
        if now != seen:
            if running is not None:
                running.kill()
                running.wait()
            running = subprocess.Popen([elf], stdin=master, stdout=master)
            seen = now
        time.sleep(0.02)
finally:
    if running is not None:
        running.kill()
        running.wait()
    sys.exit(0)
