"""What of the engine ends up in a firmware: compiled for a target and linked with everything unused left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.model.packed import PackedModel
from tests.engine_rnn.engine import INCLUDES, WARNINGS, engine_sources

TARGETS = {
    "avr": ("avr-g++", "avr-size", ["-mmcu=atmega2560", "-Os"]),
    "cortex-m4f": (
        "arm-none-eabi-g++",
        "arm-none-eabi-size",
        ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2"],
    ),
    "cortex-m3": ("arm-none-eabi-g++", "arm-none-eabi-size", ["-mcpu=cortex-m3", "-mthumb", "-Os"]),
}

# Refers to all the session calls, so that the linker keeps what they need and nothing else.
ROOTS = """
#include "hil_engine.h"
extern "C" void hil_roots(uint8_t* p) {
  hil::engine_init(p, uint32_t(hil::engine_input_count()) + hil::engine_output_count());
  hil::engine_reset_state();
  hil::engine_set_input(hil::engine_input_info(0).ndim, p);
  hil::engine_invoke();
  hil::engine_get_output(hil::engine_output_info(0).ndim, p);
  *p = uint8_t(hil::engine_arena_used() + *hil::engine_name() + *hil::engine_version());
}
"""


def compile_source(compiler: str, flags: list[str], source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile one file to folder/<name>.o; warnings are errors."""
    command = [compiler, *WARNINGS, *flags, "-fno-exceptions", "-fno-rtti", f"-I{folder}", *INCLUDES]
    command += ["-c", str(source), "-o", str(folder / f"{source.stem}.o")]
    return subprocess.run(command, timeout=60, capture_output=True, text=True)


def linked_bytes(target: str, packed: PackedModel, folder: Path, *extra: str) -> tuple[int, int, int]:
    """Code without the model, initialised data and other memory of the engine as a firmware with this model links it.

    Raises:
        RuntimeError: it does not compile, with the compiler's words.
    """
    compiler, size, flags = TARGETS[target]
    (folder / "hil_model.h").write_text(packed.sources["hil_model.h"])
    (folder / "roots.cpp").write_text(ROOTS)
    objects = []
    for source in (*engine_sources(), folder / "roots.cpp"):
        done = compile_source(compiler, [*flags, *extra, "-ffunction-sections", "-fdata-sections"], source, folder)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        objects.append(str(folder / f"{source.stem}.o"))
    linked = str(folder / "linked.elf")
    command = [compiler, *flags, "-r", "-nostdlib", "-Wl,--gc-sections", "-Wl,-e,hil_roots", *objects, "-o", linked]
    subprocess.run(command, check=True, timeout=60)
    table = subprocess.run([size, linked], check=True, timeout=60, capture_output=True, text=True).stdout
    text, data, bss = (int(word) for word in table.splitlines()[-1].split()[:3])
    return text - packed.model_bytes, data, bss
