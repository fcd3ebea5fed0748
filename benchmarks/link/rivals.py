"""Hosts of two other dialects, as fast as each allows: no thread, no sleep, one write a command.

For comparison only.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from harness.link.deadline import Deadline
from harness.link.port import Port

ANSWER_S = 30.0
MLPERF_BYTES_PER_COMMAND = 31


class _Lines:
    """Lines from a port."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._pending = b""

    def next(self) -> str:
        deadline = Deadline.after(ANSWER_S)
        while b"\n" not in self._pending:
            data = self._port.read(65536, deadline)
            if not data:
                raise TimeoutError("the device said no line")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("ascii").rstrip("\r")


class MlperfHost:
    """MLPerf Tiny's dialect: hexadecimal, 31 bytes a command, one command at a time."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._lines = _Lines(port)
        # The device's words at boot end in m-ready too: only the answer itself shows that they are over.
        said = self._command("name")
        while not any(line.startswith("m-name-dut-") for line in said):
            said = self._answer("name")

    def infer(self, vectors: Iterable[bytes]) -> list[str]:
        """The results line of each vector, loaded and computed once, without warm-up."""
        results = []
        for vector in vectors:
            self._command(f"db load {len(vector)}")
            for start in range(0, len(vector), MLPERF_BYTES_PER_COMMAND):
                self._command(f"db {vector[start : start + MLPERF_BYTES_PER_COMMAND].hex()}")
            said = self._command("infer 1 0")
            results.append(next(line for line in said if line.startswith("m-results-")))
        return results

    def _command(self, text: str) -> list[str]:
        self._port.write(text.encode() + b"%", Deadline.after(ANSWER_S))
        return self._answer(text)

    def _answer(self, text: str) -> list[str]:
        said = []
        while (line := self._lines.next()) != "m-ready":
            if line.startswith("e-"):
                raise RuntimeError(f"{text}: {line}")
            said.append(line)
        return said


class TextHost:
    """A line of numbers down, a line with the prediction up. `floats`: vectors are float32, else bytes."""

    def __init__(self, port: Port, *, floats: bool) -> None:
        self._port = port
        self._lines = _Lines(port)
        self._floats = floats

    def infer(self, vectors: Iterable[bytes]) -> list[str]:
        """The line printed for each vector."""
        results = []
        for vector in vectors:
            if self._floats:
                numbers = [f"{value:.7g}" for value in struct.unpack(f"<{len(vector) // 4}f", vector)]
            else:
                numbers = [str(value) for value in vector]
            self._port.write(",".join(numbers).encode() + b"\n", Deadline.after(ANSWER_S))
            results.append(self._lines.next())
        return results
