"""Assembly kernels and activations on an emulated Cortex-M4F give the bits of the portable ones with this CPU's FMA.

So what the other tests prove of the host build, sizes with every remainder included, holds there too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.model.graph import ModelGraph
from harness.model.rnn_pack import pack_blob, pack_int8
from tests.engine_rnn.engine import (
    INCLUDES,
    ROOT,
    WARNINGS,
    Engine,
    compile_host,
    cpu_has_fma,
    engine_sources,
    math_sources,
)
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, tutorial

M4F = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-Os", "-ffp-contract=off"]
M4F += ["-fno-exceptions", "-fno-rtti", "-ffunction-sections", "-fdata-sections", "-DHIL_RNN_MODEL_POINTER"]
PLATFORM = ["-DHIL_TICK_HZ=1000000000", "-DHIL_CPU_HZ=1000000000", "-DHIL_STM32_UID=0"]
SWEEP_STRIDE = 65537
RUN_S = 60

pytestmark = [
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"),
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed"),
    pytest.mark.skipif(not cpu_has_fma(), reason="this CPU has no FMA to compare with"),
]


def _models() -> list[ModelGraph]:
    rng = np.random.default_rng(11)
    models = [tutorial()]
    for features in range(1, 6):
        for units in (1, 2, 5, 8, 11):
            sequences = bool((features + units) % 2)
            lstm = lstm_layer(rng, "l", "x", (3, features), units, sequences=sequences)
            dense = dense_layer(rng, "d", "l", lstm.output_shape, 5 + features + units, activation="softmax")
            models.append(graph({"x": (3, features)}, [lstm, dense]))
    return models


def _cases(rng: np.random.Generator) -> Iterator[tuple[bytes, int, bytes]]:
    """Blob, arena in bytes and an input: every model in float32 and, where its outputs stay float32, in integers."""
    for model in _models():
        shape = model.inputs["x"]
        blob, arena_bytes, _ = pack_blob(model)
        yield blob, arena_bytes, rng.normal(0, 2, shape).astype("<f4").tobytes()
        if model.layers[-1].config.get("activation") == "softmax":
            packed = pack_int8(model, [rng.normal(0, 2, (8, *shape)).astype(np.float32)])
            yield packed.blob, packed.arena_bytes, rng.bytes(packed.input_bytes)


def _c_array(data: bytes) -> str:
    return "{" + ",".join(map(str, data)) + "}"


def _run_on_m4f(folder: Path, flags: list[str]) -> list[str]:
    sources = [Path(__file__).with_name("m4f_main.cpp"), *engine_sources()]
    sources += sorted((ROOT / "firmware/src/platform").glob("stm32f405*.cpp"))
    script = ROOT / "firmware/platforms/emulated/ldscripts/stm32f405rg.ld"
    elf = folder / "m4f.elf"
    command = ["arm-none-eabi-g++", *WARNINGS, *M4F, *PLATFORM, *flags, f"-I{folder}", *INCLUDES]
    command += ["-idirafter", str(ROOT / "firmware/include/default"), *map(str, sources), "-nostartfiles"]
    command += ["--specs=nano.specs", "-Wl,--gc-sections", "-T", str(script), "-o", str(elf)]
    subprocess.run(command, check=True, timeout=120)
    qemu = ["qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "stdio"]
    lines: list[str] = []
    # `timeout` ends an emulator that never prints "end".
    command = ["timeout", str(RUN_S), *qemu, "-kernel", str(elf)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip() == "end":
                    return lines
                lines.append(line.strip())
        finally:
            process.terminate()
    raise AssertionError(f"the emulator ended early, after {lines[-5:]}")


@pytest.mark.parametrize("flags", [[], ["-DHIL_RNN_FAST_MATH=1"]], ids=["exact", "fast"])
def test_cortex_m4f_gives_the_bits_of_the_host(tmp_path: Path, flags: list[str]) -> None:
    server = Path(__file__).with_name("engine_server.cpp")
    host = compile_host(tmp_path / "host", [server, *engine_sources()], "-DHIL_RNN_MODEL_POINTER", "-mfma", *flags)
    sweep = compile_host(
        tmp_path / "sweep",
        [Path(__file__).with_name("math_sweep.cpp"), *math_sources()],
        "-DHIL_RNN_MODEL_POINTER",
        "-mfma",
        *flags,
    )
    rng = np.random.default_rng(12)
    wanted: list[str] = []
    declared, listed = [], []
    engine = Engine(host)
    try:
        for index, (blob, arena_bytes, x) in enumerate(_cases(rng)):
            engine.load(blob)
            wanted.append(f"{engine.init(arena_bytes).code:08x}")
            outputs = np.frombuffer(engine.invoke_bytes(x), "<f4")
            wanted += [f"{bits:08x}" for bits in outputs.view(np.uint32)]
            declared.append(f"alignas(16) static const uint8_t model{index}[] = {_c_array(blob)};")
            declared.append(f"alignas(16) static const uint8_t input{index}[] = {_c_array(x)};")
            listed.append(f"{{model{index}, {len(blob)}, {arena_bytes}, input{index}, {outputs.size}}}")
    finally:
        engine.close()
    for function in "ste":
        done = subprocess.run(
            [str(sweep), function, str(SWEEP_STRIDE)], check=True, timeout=60, capture_output=True, text=True
        )
        wanted.append(done.stdout.split()[2])

    fields = "const uint8_t* model; uint32_t model_bytes, arena_bytes; const uint8_t* input; uint32_t outputs;"
    (tmp_path / "cases.h").write_text(
        "\n".join(
            [
                "#include <stdint.h>",
                f"#define SWEEP_STRIDE {SWEEP_STRIDE}u",
                f"struct Case {{ {fields} }};",
                *declared,
                f"static const Case cases[] = {{{', '.join(listed)}}};",
                "",
            ]
        )
    )
    assert _run_on_m4f(tmp_path, flags) == wanted
