"""The device programs of this benchmark: the real firmware around an engine that computes nothing, and two rivals."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.boards.emulator_process import PtyProcess
from harness.resources import firmware_dir

HERE = Path(__file__).parent
COMPILE_S = 100
CONFIG = """
#ifndef HIL_BUILD_CONFIG_H
#define HIL_BUILD_CONFIG_H
#define HIL_BOARD_ID "host"
#define HIL_MCU "host"
#define HIL_BUILD_ID {build_id}
#define HIL_MODEL_SHA256 {model}
#define HIL_ARENA_CAPACITY 64
#define ARENA_SIZE 64
#define HIL_MAX_FRAME_BYTES {max_frame_bytes}
#define HIL_RX_RING_BYTES {rx_ring_bytes}
#define HIL_BAUD 115200
#endif
"""


def build_firmware(
    folder: Path,
    *,
    in_bytes: int,
    out_floats: int,
    compute_us: int = 0,
    max_frame_bytes: int = 4096,
    rx_ring_bytes: int = 16384,
) -> Path:
    """The host firmware, as shipped, around the engine that computes nothing. Returns the program."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [", ".join(str(i) for i in range(n)) for n in (16, 32)]
    text = CONFIG.format(
        build_id=numbers[0], model=numbers[1], max_frame_bytes=max_frame_bytes, rx_ring_bytes=rx_ring_bytes
    )
    (folder / "hil_build_config.h").write_text(text)
    firmware = firmware_dir()
    libraries = [firmware / "lib" / name / "src" for name in ("hil_protocol", "hil_session")]
    sources = [firmware / "src" / "main.cpp", firmware / "src" / "platform" / "posix.cpp", HERE / "null_engine.cpp"]
    sources += [source for library in libraries for source in sorted(library.glob("*.cpp"))]
    defines = [f"-DNULL_IN={in_bytes}", f"-DNULL_OUT={out_floats}", f"-DNULL_COMPUTE_US={compute_us}"]
    includes = [f"-I{path}" for path in (folder, firmware / "include", *libraries)]
    return _compile(["-std=c++11", *defines, *includes, *map(str, sources)], folder / "firmware")


def build_rival(folder: Path, name: str, *, in_bytes: int, outputs: int, compute_us: int = 0) -> Path:
    """`name`_device.cpp of this folder, for vectors of `in_bytes` and `outputs` numbers back."""
    folder.mkdir(parents=True, exist_ok=True)
    defines = [f"-DIN_BYTES={in_bytes}", f"-DOUTPUTS={outputs}", f"-DCOMPUTE_US={compute_us}"]
    return _compile(["-std=c++11", *defines, str(HERE / f"{name}_device.cpp")], folder / name)


@contextlib.contextmanager
def running(program: Path) -> Iterator[str]:
    """Runs `program` with a pty's master as its UART; yields the other end's path."""
    process = PtyProcess("host", program.name)
    try:
        process.start([str(program)])
        yield process.port_name
        process.require_running()
    finally:
        process.close()


def _compile(arguments: list[str], program: Path) -> Path:
    command = ["c++", "-O2", *arguments, "-o", str(program)]
    subprocess.run(command, check=True, timeout=COMPILE_S)
    return program
