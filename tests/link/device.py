"""The real firmware as a process on a pty, and a line that spoils what goes over it."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

FIRMWARE = Path(__file__).parents[2] / "firmware"
ECHO_ENGINE = Path(__file__).parents[1] / "firmware" / "echo_engine.cpp"
CONFIG = """
#ifndef HIL_BUILD_CONFIG_H
#define HIL_BUILD_CONFIG_H
#define HIL_BOARD_ID "{board}"
#define HIL_MCU "host"
#define HIL_BUILD_ID {build_id}
#define HIL_MODEL_SHA256 {model}
#define HIL_ARENA_CAPACITY 4096
#define ARENA_SIZE 2048
#define HIL_MAX_FRAME_BYTES {max_frame_bytes}
#define HIL_RX_RING_BYTES {rx_ring_bytes}
#define HIL_BAUD 115200
#endif
"""
Spoil = Callable[[bytes], bytes]


def compile_firmware(
    out: Path, *, board: str = "host", max_frame_bytes: int = 4096, rx_ring_bytes: int = 16384
) -> Path:
    """The host firmware with the echo engine and the test hooks."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = [", ".join(str(i) for i in range(n)) for n in (16, 32)]
    (out / "hil_build_config.h").write_text(
        CONFIG.format(
            board=board,
            build_id=numbers[0],
            model=numbers[1],
            max_frame_bytes=max_frame_bytes,
            rx_ring_bytes=rx_ring_bytes,
        )
    )
    libraries = [FIRMWARE / "lib" / name / "src" for name in ("hil_protocol", "hil_session")]
    sources = [FIRMWARE / "src" / "main.cpp", FIRMWARE / "src" / "platform" / "posix.cpp", ECHO_ENGINE]
    sources += [source for library in libraries for source in sorted(library.glob("*.cpp"))]
    includes = [f"-I{path}" for path in (out, FIRMWARE / "include", *libraries)]
    program = out / "firmware"
    command = ["g++", "-std=c++11", "-O1", "-DHIL_TEST_HOOKS", *includes, *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True, timeout=100)
    return program


class Pty:
    """A pty pair; its slave end is kept open, as a closing client would hang up the master's side otherwise."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)

    def close(self) -> None:
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


class ProcessOnPty:
    """`command` with the master end of a pty as stdin and stdout. `banner`: bytes on the line before it starts."""

    def __init__(self, *command: str, banner: bytes = b"") -> None:
        self.pty = Pty()
        self.port_name = self.pty.name
        if banner:
            os.write(self.pty.master, banner)
        self.process = subprocess.Popen(
            command, stdin=self.pty.master, stdout=self.pty.master, stderr=subprocess.DEVNULL
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def vanish(self) -> None:
        """The cable is pulled."""
        self.process.kill()
        self.process.wait(10)
        self.pty.close()

    def __enter__(self) -> ProcessOnPty:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.vanish()


def python_on_pty(program: str) -> ProcessOnPty:
    return ProcessOnPty(sys.executable, "-c", program)


class FaultyLine:
    """A thread between the device's pty and a new one: what goes over it passes through `to_device` and `to_host`."""

    def __init__(self, device_port: str, *, to_device: Spoil, to_host: Spoil) -> None:
        self._pty = Pty()
        self.port_name = self._pty.name
        self._device = os.open(device_port, os.O_RDWR | os.O_NOCTTY)
        self._stop_reader, self._stop_writer = os.pipe()
        self._ways = {self._pty.master: (self._device, to_device), self._device: (self._pty.master, to_host)}
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([*self._ways, self._stop_reader], [], [])
            for source in ready:
                if source == self._stop_reader:
                    return
                target, spoil = self._ways[source]
                try:
                    data = spoil(os.read(source, 4096))
                    while data:
                        data = data[os.write(target, data) :]
                except OSError:
                    return

    def __enter__(self) -> FaultyLine:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._stop_writer, b"x")
        self._thread.join(10)
        self._pty.close()
        for descriptor in (self._device, self._stop_reader, self._stop_writer):
            os.close(descriptor)


def clean(data: bytes) -> bytes:
    return data


def seeded_faults(seed: int, per_byte: float) -> Spoil:
    """Drops, doubles, flips or inserts, each byte with probability `per_byte`, decided by `seed`."""
    source = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if source.random() >= per_byte:
                out.append(byte)
                continue
            match source.randrange(4):
                case 0:
                    pass
                case 1:
                    out += bytes((byte, byte))
                case 2:
                    out.append(byte ^ 1 << source.randrange(8))
                case _:
                    out += bytes((byte, source.randrange(256)))
        return bytes(out)

    return spoil
