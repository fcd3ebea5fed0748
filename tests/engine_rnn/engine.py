"""Builds the engine for the host once per test run and talks to it."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "firmware" / "lib" / "hil_engine_rnn"
INCLUDES = [f"-I{path}" for path in (ROOT / "firmware/include", LIB, ROOT / "firmware/lib/hil_protocol/src")]
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WARNINGS = ("-std=c++11", "-Wall", "-Wextra", "-Werror")

COMMAND_S = 30.0


def compile_host(out: Path, sources: list[Path], *flags: str) -> Path:
    """Compile sources with the engine's include paths into an executable."""
    command = ["g++", "-O2", *WARNINGS, *flags, *INCLUDES, *map(str, sources), "-o", str(out)]
    subprocess.run(command, check=True, timeout=120)
    return out


def engine_sources() -> list[Path]:
    return sorted(LIB.glob("*.cpp"))


def math_sources() -> list[Path]:
    return [LIB / "rnn_math.cpp", LIB / "rnn_math_rare.cpp"]


def cpu_has_fma() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and " fma " in cpuinfo.read_text()


@dataclass(frozen=True)
class Init:
    code: int
    detail: int
    used: int


class Engine:
    """A running engine_server; every method is one command of it."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=COMMAND_S)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise AssertionError(self._died()) from None

    def _receive(self, n: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(n)
        if len(data) < n:
            raise AssertionError(self._died())
        return data

    def _died(self) -> str:
        assert self._process.stderr is not None
        text = self._process.stderr.read().decode(errors="replace")
        return f"the engine ended with {self._process.wait(COMMAND_S)}:\n{text}"

    def load(self, blob: bytes) -> None:
        self._send(b"M" + struct.pack("<I", len(blob)) + blob)

    def init(self, arena_bytes: int) -> Init:
        self._send(b"I" + struct.pack("<I", arena_bytes))
        return Init(*struct.unpack("<BII", self._receive(9)))

    def shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Shapes of the inputs and of the outputs, as the engine reports them."""
        self._send(b"Q")
        inputs, outputs = self._receive(2)
        records = [struct.unpack("<BB4H", self._receive(10)) for _ in range(inputs + outputs)]
        shapes = [tuple(record[2 : 2 + record[1]]) for record in records]
        return shapes[:inputs], shapes[inputs:]

    def invoke(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """All outputs of one inference, flat. State is kept from one call to the next."""
        return np.frombuffer(
            self.invoke_bytes(b"".join(np.ascontiguousarray(x, dtype="<f4").tobytes() for x in inputs)), dtype="<f4"
        )

    def invoke_bytes(self, inputs: bytes) -> bytes:
        """As `invoke`, with tensors of any type as they are stored."""
        self._send(b"X" + inputs)
        code, size = struct.unpack("<BI", self._receive(5))
        outputs = self._receive(size)
        assert code == 0, f"invoke: code {code}"
        return outputs

    def input_bytes(self) -> list[int]:
        """Bytes of each input, as the engine reports them."""
        self._send(b"Q")
        inputs, outputs = self._receive(2)
        records = [struct.unpack("<BB4H", self._receive(10)) for _ in range(inputs + outputs)]
        return [{0: 0, 1: 4, 2: 1, 3: 2}[r[0]] * int(np.prod(r[2 : 2 + r[1]])) for r in records[:inputs]]

    def reset(self) -> None:
        self._send(b"R")

    def arena(self) -> bytes:
        self._send(b"A")
        return self._receive(*struct.unpack("<I", self._receive(4)))
