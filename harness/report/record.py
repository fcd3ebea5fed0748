"""The result of a run. Its JSON form (`--json`) is this tree, key for key.

`SCHEMA_VERSION` changes when a key changes its meaning or goes; new keys may come without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.compare.metrics import Metrics

SCHEMA_VERSION = 1

Verdict = Literal["pass", "fail"]
AtFault = Literal["none", "conversion", "board", "both"]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model: hex digest, bundle name or file, parameters, MACs per inference."""

    name: str
    sha256: str
    parameters: int
    macs: int
    framework: str


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """The attached instance: `flashed` is False where the device already ran the build."""

    kind: Literal["emulated", "real"]
    title: str
    port: str
    mcu: str
    device_uid: str
    cpu_hz: int
    tick_hz: int
    reset_reason: str
    boot_count: int
    flashed: bool


@dataclass(frozen=True, slots=True)
class AccuracyRecord:
    """Rows of the comparison; a label row is None where the bundle has no labels.

    The rows with "converted", the converted model in TFLM on this computer, are None where the engine converts nothing.
    For a model that came converted, full TensorFlow Lite is in the place of Keras (`ModelRecord.framework` says it).
    """

    board_vs_keras: Metrics
    keras_vs_labels: Metrics | None
    board_vs_labels: Metrics | None
    converted_vs_keras: Metrics | None = None
    board_vs_converted: Metrics | None = None


@dataclass(frozen=True, slots=True)
class ConversionRecord:
    """Keras <-> converted model <-> board, of engines that run a converted model.

    Attributes:
        runtime: what ran the converted model on this computer.
        way, why: how a Keras model was converted ("fused", "unrolled"), and what has no fused form; empty elsewhere.
        tflite_sha256: of the converted model; `ModelRecord.sha256` is of the model it was made from.
        quantised: an output of it holds integers.
        tolerances_max_abs: largest allowed |converted - Keras|, one an output, in its units.
        converted_passed: every output of the converted model is within that.
        board_passed: the board's outputs are the converted model's: integers within one LSB, floats within the
            tolerance of the bundle.
        lsb_histogram: of board - converted, difference in LSB -> number of values; None where no output is integers.
        lsb_histogram_keras: the same of converted - Keras, whose outputs are rounded to those integers for it.
        at_fault: who the numbers accuse.
    """

    runtime: str
    tflite_sha256: str
    tflite_bytes: int
    quantised: bool
    tolerances_max_abs: list[float]
    converted_passed: bool
    board_passed: bool
    lsb_histogram: dict[str, int] | None
    at_fault: AtFault
    lsb_histogram_keras: dict[str, int] | None = None
    way: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output of the model against its own golden values.

    `tolerance_max_abs` is the largest allowed |e|, in units of the output; `max_abs` is None where a side is not
    finite.
    """

    index: int
    shape: list[int]
    max_abs: float | None
    max_abs_vector: int | None
    tolerance_max_abs: float
    passed: bool


@dataclass(frozen=True, slots=True)
class WorstVector:
    """One of the vectors with the largest error, in falling order of `error`."""

    index: int
    input: list[float]
    board: list[float]
    keras: list[float]
    error: float


@dataclass(frozen=True, slots=True)
class LeakageRecord:
    """State-leakage test: the probe vector sent first, after others, and last must give identical bits."""

    identical: bool
    probes: int
    first_difference: str | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of per-inference times. Percentiles by linear interpolation."""

    min: float
    median: float
    p95: float
    p99: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """Device time around invoke alone, warm-up excluded.

    `cycles` is None where the tick is not a CPU cycle or instruction.
    """

    us: Distribution
    cycles: Distribution | None
    warmup: int


@dataclass(frozen=True, slots=True)
class ArenaRecord:
    """Bytes: firmware's largest, the setting in use, the engine's own report, the packer's plan (None: unknown).

    `guard_intact`: nothing was written outside the bytes in use; None where the device can't tell.
    """

    capacity_bytes: int
    size_bytes: int
    used_bytes: int
    planned_bytes: int | None
    guard_intact: bool | None


@dataclass(frozen=True, slots=True)
class SectionRecord:
    """One ELF section."""

    name: str
    bytes: int
    in_flash: bool
    in_ram: bool


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """Image sizes from the ELF against the board's limits (0: no meaningful limit), and the device's own water marks.

    A water mark is None where the device can't tell; `arena_memory` ("sram", "psram") where the board has no choice.
    """

    arena: ArenaRecord
    flash_bytes: int
    flash_limit_bytes: int
    ram_bytes: int
    ram_limit_bytes: int
    sections: list[SectionRecord]
    stack_bytes: int | None
    stack_free_min_bytes: int | None
    heap_free_min_bytes: int | None
    arena_memory: str | None = None


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """Streaming of the vectors: wall time, bytes both ways with framing, and what was repaired."""

    baud: int
    wall_s: float
    vectors_per_s: float
    bytes_on_wire: int
    frames: int
    resent_frames: int
    bad_frames: int
    device_bad_frames: int | None
    device_rx_overruns: int | None


@dataclass(frozen=True, slots=True)
class InterruptionRecord:
    """The board restarted, its port went away, or another program took bytes; the run went on with the results it had.

    `reason` is the device's reset reason, the system's word for the lost port, or the other program; `after_vectors`
    the results by then, `port` the one the run went on with.
    """

    kind: Literal["restart", "lost port", "another program reads this port"]
    reason: str
    after_vectors: int
    port: str


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One layer for one vector, on the board beside Keras.

    Attributes:
        max_abs: largest |board - Keras| of its output; None where Keras shows no such layer. `range`: Keras' max - min.
        differs: max_abs is beyond the tolerance, the bundle's share of `range`.
        cycles: ticks where a tick is a cycle of the CPU; else None.
    """

    name: str
    kind: str
    shape: list[int]
    max_abs: float | None
    range: float | None
    differs: bool
    ticks: int
    cycles: int | None
    macs: int
    cycles_per_mac: float | None


@dataclass(frozen=True, slots=True)
class IntervalRecord:
    """An estimate and the ends of its 95 % confidence interval, all within 0..1; None: not known."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ClassDifference:
    """A vector for which the board says another class than Keras; `board` is None where its scores are not finite."""

    vector: int
    board: int | None
    keras: int
    label: int | None


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """One class: `labels` vectors carry it. Shares within 0..1, None where they would be 0 / 0."""

    labels: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    """The board's classes against the labels.

    Attributes:
        right, keras_right: vectors of which the board, or Keras, says the label.
        accuracy: `right` as a share, with Wilson's interval.
        auc: area under the ROC curve of the board's scores; of more than two classes the mean, without an interval.
            None where a class has no vector, or a score is not finite.
        confusion: row: the label, column: what the board says. A vector without a class is in no column.
        classes: in order.
    """

    right: int
    keras_right: int
    accuracy: IntervalRecord
    auc: IntervalRecord | None
    confusion: list[list[int]]
    classes: list[ClassRecord]


@dataclass(frozen=True, slots=True)
class ClassesRecord:
    """Of a classifier. None of it decides the verdict.

    Attributes:
        count: number of classes; one score tells two apart.
        no_class: vectors with NaN or Inf among the board's scores.
        same_as_keras: vectors for which board and Keras say the same class.
        differences: the first of the others.
        labelled: None where there are no labels.
    """

    count: int
    no_class: int
    same_as_keras: int
    differences: list[ClassDifference]
    labelled: LabelledRecord | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything `hil run` knows in the end.

    `reasons` names each check that failed; empty when the verdict is "pass".
    `interruptions` beyond `allowed_interruptions` fail the run, however right its results are.
    `notes`: what a reader should know besides, whatever the verdict.
    `outputs_sha256` is over all outputs, in vector order, as they came from the wire.
    """

    schema_version: int
    verdict: Verdict
    reasons: list[str]
    harness_version: str
    started_utc: str
    wall_s: float
    board: str
    engine: str
    engine_version: str
    build_id: str
    toolchain: str
    model: ModelRecord
    target: TargetRecord
    vectors: int
    accuracy: AccuracyRecord
    outputs: list[OutputRecord]
    worst: list[WorstVector]
    leakage: LeakageRecord
    latency: LatencyRecord
    memory: MemoryRecord
    link: LinkRecord
    outputs_sha256: str
    console: list[str]
    conversion: ConversionRecord | None = None
    interruptions: list[InterruptionRecord] = field(default_factory=list)
    allowed_interruptions: int = 0
    layers: list[LayerRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    classes: ClassesRecord | None = None
