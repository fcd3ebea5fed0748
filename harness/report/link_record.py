"""The result of a link benchmark. Its JSON form (`hil bench-link --json`) is this tree, key for key."""

from __future__ import annotations

from dataclasses import dataclass

LINK_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RateTrialRecord:
    """A rate that was tried before the measurement; bit errors are None where they were not measured."""

    baud: int
    outcome: str
    tested_bytes: int
    errors_to_device: int | None
    errors_to_host: int | None


@dataclass(frozen=True, slots=True)
class EchoRecord:
    """Round trips of one PING of `payload_bytes` after the other. `wire_ms`: what the line alone takes for one."""

    payload_bytes: int
    count: int
    wire_ms: float
    min_ms: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A pattern in one direction. `share_of_line`: of baud / 10 bytes per second."""

    bytes: int
    wall_s: float
    bytes_per_s: float
    share_of_line: float
    bit_errors: int


@dataclass(frozen=True, slots=True)
class InferRecord:
    """Vectors as a run sends them.

    Attributes:
        limit_per_s: vectors/s that the line allows, from the bytes a vector takes with its share of framing.
        share_of_line: vectors_per_s / limit_per_s.
        compute_s: sum of the device's own times around invoke, in seconds of the device's clock.
        compute_share: compute_s / wall_s. None where the device's clock is not this computer's (emulated chips).
        latency_us: median compute time of a vector.
    """

    vectors: int
    input_bytes: int
    output_bytes: int
    vectors_per_frame: int
    wall_s: float
    vectors_per_s: float
    limit_per_s: float
    share_of_line: float
    compute_s: float
    compute_share: float | None
    latency_us: float
    host_cpu_share: float


@dataclass(frozen=True, slots=True)
class LinkBenchRecord:
    """Everything `hil bench-link` knows in the end.

    Attributes:
        line: "as it is", or "modelled": a model of a UART's rate before an emulated board's pty, which has none.
        to_device, to_host: None: the firmware has no LINK_TEST, or did not answer it.
        resent_frames, bad_frames: of the whole benchmark.
    """

    schema_version: int
    board: str
    title: str
    port: str
    line: str
    model: str
    engine: str
    baud: int
    trials: list[RateTrialRecord]
    echoes: list[EchoRecord]
    to_device: StreamRecord | None
    to_host: StreamRecord | None
    infer: InferRecord
    frames: int
    resent_frames: int
    bad_frames: int
    device_bad_frames: int | None
    device_rx_overruns: int | None
    lost_to_device_bytes: int | None
