"""The slow, sure way to find TFLM's smallest arena: every size in a process of its own, without the harness.

    python -m tests.sweep.scan_tflm MODEL.tflite INPUTS.npy FIRST LAST STEP REFERENCE

Prints a line "SIZE ok" or "SIZE no" for each size, smallest first. INPUTS holds one vector a row, in the model's own
dtype. A size is ok if its process ends well and its outputs are those of an arena of REFERENCE bytes, bit for bit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from tflite_micro import runtime


def outputs(model: bytes, inputs: np.ndarray, arena_bytes: int) -> bytes:
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    found = b""
    for row in inputs:
        interpreter.reset()
        interpreter.set_input(row, 0)
        interpreter.invoke()
        found += np.ascontiguousarray(interpreter.get_output(0)).tobytes()
    return found


def works(model: bytes, inputs: np.ndarray, arena_bytes: int, reference: bytes) -> bool:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = int(outputs(model, inputs, arena_bytes) != reference)
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    model, inputs = Path(sys.argv[1]).read_bytes(), np.load(sys.argv[2])
    first, last, step, largest = map(int, sys.argv[3:7])
    reference = outputs(model, inputs, largest)
    for size in range(first, last + 1, step):
        print(size, "ok" if works(model, inputs, size, reference) else "no")


if __name__ == "__main__":
    main()
