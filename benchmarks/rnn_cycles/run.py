"""Instructions (Cortex-M4F in QEMU) and cycles (ATmega2560 in simavr) of one inference, and code size.

The model is the tutorial's in shape, with random weights.

    python -m benchmarks.rnn_cycles.run [--json]

On QEMU an instruction counts as one whatever it costs on silicon: see README.md before reading these as cycles.
The last digits depend on how the compiler lays out code; the same build gives the same numbers every time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.model.packed import PackedModel
from harness.model.rnn_pack import pack_rnn
from tests.engine_rnn.linked import linked_bytes
from tests.engine_rnn.reference import run as reference
from tests.engine_rnn.reference import tutorial

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
FIRMWARE = ROOT / "firmware"
ENGINE = FIRMWARE / "lib/hil_engine_rnn"
INCLUDES = [f"-I{path}" for path in (FIRMWARE / "include", FIRMWARE / "lib/hil_protocol/src", ENGINE)]
INCLUDES += ["-idirafter", str(FIRMWARE / "include/default")]
COMMON = ["-std=c++11", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-rtti", "-Wl,--gc-sections"]
M4F = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
# One tick of TIM2 is one instruction there.
M4F += ["-DHIL_TICK_HZ=1000000000", "-DHIL_CPU_HZ=1000000000", "-DHIL_STM32_UID=0"]
QEMU = ["qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-icount", "shift=0"]
# Small, ordinary, and the tutorial's own unscaled numbers, which saturate gates.
VECTORS = np.array([[0.3, -0.2, 0.5], [1, 2, -1.5], [4.6, 8, 304]], np.float32)
VARIANTS = {
    "cortex-m4f": {"exact": [], "fast": ["-DHIL_RNN_FAST_MATH=1"], "portable loops": ["-DHIL_RNN_PORTABLE=1"]},
    "atmega2560": {"exact": [], "fast": ["-DHIL_RNN_FAST_MATH=1"]},
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One variant: ticks per vector, largest error against float64, and bytes of engine code without the model."""

    target: str
    variant: str
    ticks: list[int]
    max_abs_error: float
    engine_code_bytes: int


def _run(command: Sequence[str], timeout_s: float = 120) -> str:
    return subprocess.run(command, check=True, timeout=timeout_s, capture_output=True, text=True).stdout


def _until_end(command: Sequence[str]) -> str:
    """Output of a program that never ends, up to its line "end"."""
    lines = []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip() == "end":
                    break
                lines.append(line)
        finally:
            process.kill()
    return "".join(lines)


def _code_bytes(target: str, packed: PackedModel, extra: Sequence[str], folder: Path) -> int:
    linked = folder / "linked"
    linked.mkdir()
    return linked_bytes({"cortex-m4f": "cortex-m4f", "atmega2560": "avr"}[target], packed, linked, *extra)[0]


def measure(target: str, variant: str, folder: Path) -> Measurement:
    """Build one variant and count."""
    model = tutorial()
    packed = pack_rnn(model)
    (folder / "hil_model.h").write_text(packed.sources["hil_model.h"])
    rows = ", ".join("{" + ", ".join(f"{float(x)!r}f" for x in row) + "}" for row in VECTORS)
    (folder / "bench_vectors.h").write_text(
        f"#define BENCH_ARENA_BYTES {packed.arena_bytes}\n#define BENCH_VECTORS {len(VECTORS)}\n"
        f"static const float bench_vectors[BENCH_VECTORS][{VECTORS.shape[1]}] = {{{rows}}};\n"
    )
    extra = VARIANTS[target][variant]
    sources = [str(path) for path in sorted(ENGINE.glob("*.cpp"))]
    elf = folder / "bench.elf"
    if target == "cortex-m4f":
        flags = [*M4F, "-O2", *extra]
        platform = [str(path) for path in sorted((FIRMWARE / "src/platform").glob("stm32f405*.cpp"))]
        script = FIRMWARE / "platforms/emulated/ldscripts/stm32f405rg.ld"
        link = ["-nostartfiles", "--specs=nano.specs", "-T", str(script), "-o", str(elf)]
        main = str(HERE / "bench_main.cpp")
        _run(["arm-none-eabi-g++", *COMMON, *flags, *INCLUDES, f"-I{folder}", main, *sources, *platform, *link])
        text = _until_end([*QEMU, "-serial", "stdio", "-kernel", str(elf)])
    else:
        flags = ["-mmcu=atmega2560", "-Os", "-DF_CPU=16000000L", *extra]
        main = str(HERE / "bench_avr.cpp")
        _run(["avr-g++", *COMMON, *flags, *INCLUDES, f"-I{folder}", main, *sources, "-o", str(elf)])
        runner = folder / "avr_cycles"
        _run(["cc", "-O2", str(HERE / "avr_cycles.c"), "-o", str(runner), "-lsimavr", "-lelf"])
        text = _run([str(runner), str(elf)])
    code = _code_bytes(target, packed, extra, folder)
    words = [line.split() for line in text.splitlines() if line.startswith("ticks")]
    if len(words) != len(VECTORS):
        raise RuntimeError(f"{target} {variant}: unexpected output {text!r}")
    outputs = np.array([int(word[3]) for word in words], np.uint32).view(np.float32)
    golden = [reference(model, {"x": vector.reshape(3, 1)})[0][0] for vector in VECTORS]
    return Measurement(target, variant, [int(word[1]) for word in words], float(np.abs(outputs - golden).max()), code)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    results = []
    for target, variants in VARIANTS.items():
        for variant in variants:
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure(target, variant, Path(folder)))
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
        return 0
    print("target      variant          ticks per vector              max abs error   engine code")
    for r in results:
        ticks = "  ".join(f"{t:>9,}" for t in r.ticks)
        print(f"{r.target:<11} {r.variant:<15} {ticks}   {r.max_abs_error:.2e}    {r.engine_code_bytes:>9,} B")
    return 0


if __name__ == "__main__":
    sys.exit(main())
