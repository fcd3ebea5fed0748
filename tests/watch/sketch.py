"""The tutorial's sketch as a process of this computer, on a pty: prints what it prints, its state kept as it keeps it.

    python -m tests.watch.sketch CONDUCT [SECONDS [ROUNDS]]

The first line of stdout is the port's name. The sketch runs from the moment something is written to its stdin (as a
board that is reset when its port is opened), a line every SECONDS, ROUNDS times through its two samples, until stdin
is closed.

Conduct: "leak" predicts without Reset(), as EloquentTinyML does; "begin" starts the interpreter anew before each
prediction, as the tutorial's loop does; the others are named by what they do.
"""

from __future__ import annotations

import itertools
import os
import select
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.model.bundle import load_bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflm_host import TflmHostError, run_tflm_on_host

SAMPLES = ((4.6, 8, 304, 17.76), (2, 4, 216, 11.44))
FIXTURES = Path(__file__).parents[1] / "tflite" / "fixtures"
BOOT = "ets Jun  8 2016 00:22:57\n\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"


def predictions(*, reset: bool, rounds: int = 4) -> list[float]:
    """What TFLM computes for the samples, round after round, with the project's own model."""
    vectors = np.array([sample[:3] for sample in SAMPLES], np.float32).reshape(-1, 3, 1)
    tflite = convert_to_tflite(load_bundle("fuel_lstm").graph)
    (outputs,) = run_tflm_on_host(tflite, [np.tile(vectors, (rounds, 1, 1))], reset_each=reset)
    return [float(value) for value in outputs.ravel()]


def while_lines() -> list[str]:
    """What TFLM computes for the model whose WHILE loop it runs wrong, state cleared."""
    with np.load(FIXTURES / "while_lstm.npz") as data:
        (outputs,) = run_tflm_on_host((FIXTURES / "while_lstm.tflite").read_bytes(), [data["inputs"]])
    return ["y=" + " ".join(f"{value:.6f}" for value in row) for row in outputs.reshape(len(outputs), -1)]


def arena_text() -> str:
    """What TFLM says where the arena is a little too small."""
    tflite = convert_to_tflite(load_bundle("fuel_lstm").graph)
    try:
        run_tflm_on_host(tflite, [np.zeros((1, 3, 1), np.float32)], arena_bytes=6000)
    except TflmHostError as error:
        return error.text
    raise AssertionError("6,000 bytes were enough")


def lines(conduct: str, values: list[float], complaint: str) -> Iterator[str]:
    """Everything the sketch prints."""
    start = f"{BOOT}__TENSORFLOW LSTM__"
    yield start
    if conduct == "silent":
        return
    if conduct == "arena":
        while True:
            yield f"{complaint}\nAllocateTensors() failed"
    if conduct == "other":
        for k in itertools.count():
            yield f"loop {k}"
    if conduct == "hostile":
        yield "\x1b[2J\x1b]0;owned\x07::error::x Guru Meditation Error: Core  1 panic'ed (LoadProhibited)."
    if conduct == "while":
        yield from while_lines()
        return
    labels = [sample[3] for sample in SAMPLES]
    for k, value in enumerate(values):
        if conduct == "restart" and k == 3:
            yield start
        if conduct == "nan" and k == 3:
            value = float("nan")
        if conduct == "wrong" and k == 1:
            value += 0.1
        if conduct.startswith("no-labels"):
            yield f"y={value:.4f}"
        else:
            yield f"Expcted = {labels[k % 2]:.2f}, predicted = {value:.2f}"


def main() -> None:
    """Runs the sketch."""
    conduct, interval_s = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.01
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    # Before anyone waits for a line.
    values = predictions(reset=conduct not in ("leak", "no-labels-leak"), rounds=rounds)
    complaint = arena_text() if conduct == "arena" else ""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    print(os.ttyname(slave), flush=True)
    if not sys.stdin.buffer.raw.read(1):
        return
    if conduct == "garbage":
        data = np.random.default_rng(1).integers(0x80, 0x100, 3000, np.uint8).tobytes()
        os.write(master, b"\n".join(data[k : k + 40] for k in range(0, 3000, 40)) + b"\n")
    elif conduct != "mute":
        for line in lines(conduct, values, complaint):
            # As Arduino's println ends lines; each comes in two pieces, as lines of a slow UART do.
            raw = line.encode().replace(b"\n", b"\r\n") + b"\r\n"
            for part in (raw[: len(raw) // 2], raw[len(raw) // 2 :]):
                os.write(master, part)
                if select.select([sys.stdin], [], [], interval_s / 2)[0]:
                    return
    sys.stdin.buffer.raw.read(1)


if __name__ == "__main__":
    main()
