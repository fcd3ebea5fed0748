"""`python -m harness.boards.esp32c3_sim --control FD`: the simulated board; standard input and output are its UART."""

from __future__ import annotations

import argparse
import os
import socket
import sys

from harness.boards.esp32c3_sim.device import Device
from harness.boards.esp32c3_sim.faults import parse_fault


def main() -> int:
    """Runs until the control socket closes; 3: the cable was pulled, as asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--fault", default="")
    parser.add_argument("--counter", required=True)
    arguments = parser.parse_args()
    # Standard input and output are one pty, which must hang up when this process wants it to.
    os.set_blocking(0, False)
    control = socket.socket(fileno=arguments.control)
    return Device(control, counter=arguments.counter, fault=parse_fault(arguments.fault)).run()


if __name__ == "__main__":
    sys.exit(main())
