"""A plausible finished run, and the same with things gone wrong."""

from __future__ import annotations

from dataclasses import replace

from harness.compare.metrics import Metrics
from harness.report.record import (
    SCHEMA_VERSION,
    AccuracyRecord,
    ArenaRecord,
    Distribution,
    LatencyRecord,
    LeakageRecord,
    LinkRecord,
    MemoryRecord,
    ModelRecord,
    OutputRecord,
    RunRecord,
    SectionRecord,
    TargetRecord,
    WorstVector,
)

HOSTILE = "\x1b[2J\x1b]0;owned\x07[/dram] ::error::x ##[error]y \u202e<script>|`'"
HOSTILE_LINES = [HOSTILE, "::error file=a::b", "  ::stop-commands::x", "\x9b31m", "a\r\nb", "\udc80\ufffe\x00"]

CROSS = Metrics(
    n=120,
    finite=True,
    max_abs=9.54e-7,
    max_abs_vector=17,
    rmse=2.61e-7,
    mae=1.98e-7,
    mean=-1.2e-8,
    std=2.6e-7,
    l2r=1.1e-8,
    nse=1 - 1.2e-15,
    cos=1.0,
    r2=1 - 1e-15,
    acc=None,
    max_ulp=2,
)
LABELS = replace(
    CROSS, max_abs=11.6, rmse=3.12, mae=2.4, mean=0.3, std=3.1, l2r=0.13, nse=0.841, cos=0.9914, r2=0.84, max_ulp=None
)


def sample() -> RunRecord:
    """A run that passed."""
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        verdict="pass",
        reasons=[],
        harness_version="0.1.0",
        started_utc="2025-01-02T03:04:05Z",
        wall_s=4.2,
        board="netduino2plus",
        engine="rnn",
        engine_version="1.0.0",
        build_id="00112233445566778899aabbccddeeff",
        toolchain="arm-none-eabi-g++ (15:12.2.rel1-1) 12.2.1 20221205",
        model=ModelRecord(name="fuel_lstm", sha256="ab" * 32, parameters=1345, macs=7680, framework="keras 3.15.1"),
        target=TargetRecord(
            kind="emulated",
            title="Netduino Plus 2 (STM32F405RG, Cortex-M4F) in QEMU",
            port="/dev/pts/7",
            mcu="STM32F405RG",
            device_uid="",
            cpu_hz=168_000_000,
            tick_hz=168_000_000,
            reset_reason="POWER_ON",
            boot_count=1,
            flashed=True,
        ),
        vectors=120,
        accuracy=AccuracyRecord(board_vs_keras=CROSS, keras_vs_labels=LABELS, board_vs_labels=LABELS),
        outputs=[
            OutputRecord(
                index=0,
                shape=[1],
                max_abs=CROSS.max_abs,
                max_abs_vector=CROSS.max_abs_vector,
                tolerance_max_abs=3.9e-3,
                passed=True,
            )
        ],
        worst=[
            WorstVector(index=17, input=[8.0, 307.0, 130.0], board=[17.38041], keras=[17.380411], error=9.54e-7),
            WorstVector(index=3, input=[4.0, 97.0, 46.0], board=[26.113], keras=[26.113001], error=7.2e-7),
        ],
        leakage=LeakageRecord(identical=True, probes=3, first_difference=None),
        latency=LatencyRecord(
            us=Distribution(min=811.9, median=812.0, p95=812.3, p99=812.4, max=813.1, mean=812.04),
            cycles=Distribution(min=136_399, median=136_416, p95=136_466, p99=136_483, max=136_600, mean=136_422.7),
            warmup=3,
        ),
        memory=MemoryRecord(
            arena=ArenaRecord(
                capacity_bytes=65_536, size_bytes=16_384, used_bytes=1_232, planned_bytes=1_232, guard_intact=True
            ),
            flash_bytes=38_912,
            flash_limit_bytes=1_048_576,
            ram_bytes=75_120,
            ram_limit_bytes=131_072,
            sections=[
                SectionRecord(name=".isr_vector", bytes=392, in_flash=True, in_ram=False),
                SectionRecord(name=".text", bytes=31_004, in_flash=True, in_ram=False),
                SectionRecord(name=".rodata", bytes=7_132, in_flash=True, in_ram=False),
                SectionRecord(name=".data", bytes=384, in_flash=True, in_ram=True),
                SectionRecord(name=".bss", bytes=74_736, in_flash=False, in_ram=True),
            ],
            stack_bytes=32_768,
            stack_free_min_bytes=30_112,
            heap_free_min_bytes=None,
        ),
        link=LinkRecord(
            baud=115_200,
            wall_s=0.31,
            vectors_per_s=387.2,
            bytes_on_wire=11_204,
            frames=9,
            resent_frames=0,
            bad_frames=0,
            device_bad_frames=0,
            device_rx_overruns=None,
        ),
        outputs_sha256="cd" * 32,
        console=["hil 1.0 ready", "arena 1232 of 16384"],
    )


def failed() -> RunRecord:
    """A run that failed, on a device that says hostile things."""
    good = sample()
    return replace(
        good,
        verdict="fail",
        reasons=["accuracy: max|e| 0.52 at vector 17 is above 0.0039", f"leakage: {HOSTILE}"],
        accuracy=replace(
            good.accuracy, board_vs_keras=replace(CROSS, max_abs=0.52, rmse=0.21, nse=0.7, max_ulp=812_331)
        ),
        leakage=LeakageRecord(identical=False, probes=3, first_difference="probe 2, element 0"),
        link=replace(good.link, resent_frames=4, bad_frames=2),
        console=HOSTILE_LINES,
    )


def not_a_number() -> RunRecord:
    """A run whose board gave NaN: no figure of the comparison is defined."""
    good = sample()
    none = Metrics(120, False, None, None, None, None, None, None, None, None, None, None, None, None)
    nan = float("nan")
    worst = [WorstVector(index=5, input=[nan], board=[nan], keras=[1.0], error=nan)]
    return replace(
        good,
        verdict="fail",
        reasons=["finite: NaN"],
        accuracy=AccuracyRecord(none, LABELS, None),
        worst=worst,
        console=[],
    )
