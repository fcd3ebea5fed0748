"""The host firmware of the fault tests: as shipped, with a tick counter that counts its readings.

The ticks of a real clock would put other bytes into every RESULT: a fault at a byte would be another one each time.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.link.device import CONFIG, ECHO_ENGINE, FIRMWARE

TICKS = """
#include <stdint.h>
extern "C" uint32_t __wrap_hil_platform_ticks(void) { static uint32_t ticks; return ticks += 0x0101; }
"""


def compile_firmware(out: Path, *, max_frame_bytes: int = 4096, rx_ring_bytes: int = 16384) -> Path:
    """The host firmware with the echo engine."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = [", ".join(str(i) for i in range(n)) for n in (16, 32)]
    (out / "hil_build_config.h").write_text(
        CONFIG.format(
            board="host",
            build_id=numbers[0],
            model=numbers[1],
            max_frame_bytes=max_frame_bytes,
            rx_ring_bytes=rx_ring_bytes,
        )
    )
    ticks = out / "ticks.cpp"
    ticks.write_text(TICKS)
    libraries = [FIRMWARE / "lib" / name / "src" for name in ("hil_protocol", "hil_session")]
    sources = [FIRMWARE / "src" / "main.cpp", FIRMWARE / "src" / "platform" / "posix.cpp", ECHO_ENGINE, ticks]
    sources += [source for library in libraries for source in sorted(library.glob("*.cpp"))]
    includes = [f"-I{path}" for path in (out, FIRMWARE / "include", *libraries)]
    program = out / "firmware"
    flags = ["-std=c++11", "-O1", "-static", "-DHIL_TEST_HOOKS", "-Wl,--wrap=hil_platform_ticks"]
    subprocess.run(["g++", *flags, *includes, *map(str, sources), "-o", str(program)], check=True, timeout=100)
    return program
