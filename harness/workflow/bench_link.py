"""What a line carries: echo, each direction alone, and vectors as a run sends them."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from harness.boards.catalogue import Board, find_board
from harness.boards.line_rate import LineRate
from harness.boards.target import open_target
from harness.errors import DeviceError, UsageError
from harness.link.pipeline import FRAME_OVERHEAD_BYTES, vectors_per_frame, wire_bytes
from harness.link.serial_port import open_port
from harness.link.session import Session, Trial, VectorResult
from harness.model.bundle import Bundle, load_bundle
from harness.protocol.ids import ErrorCode
from harness.protocol.messages import TICKS_BYTES
from harness.report.link_record import (
    LINK_SCHEMA_VERSION,
    EchoRecord,
    InferRecord,
    LinkBenchRecord,
    RateTrialRecord,
    StreamRecord,
)
from harness.workflow.connect import FlashMode, check_engine_ready, connect
from harness.workflow.line_speed import settle_rate
from harness.workflow.prepare import prepare
from harness.workflow.progress import Progress, Silent
from harness.workflow.stream import check_shapes, encode_vectors

ECHOES = 200
SMALL_ECHO_BYTES = 1
PING_OVERHEAD_BYTES = 11  # header and CRC
MOST_PATTERN_BYTES = 0xFFFF
OWN_CLOCK = ("posix", "tflm")  # emulators that are programs of this computer, not chips of another clock
# An emulated chip may be slower than the line, on a busy computer; what its pty holds is not lost.
MOST_EMULATED_PATTERN_BYTES = 4096
BITS_PER_BYTE = 10
WARMUP = 3


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the user asked for.

    Attributes:
        baud: the rate to measure at; None: the one a run would take.
        seconds: about how long each direction, and the vectors, are measured.
        model_line: put a line of a UART's rate before an emulated board.
    """

    model: str
    board: str
    engine: str | None = None
    port: str | None = None
    serial_number: str | None = None
    flash: FlashMode = "auto"
    baud: int | None = None
    seconds: float = 3.0
    model_line: bool = True
    timeout_per_vector_s: float = 10.0

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise UsageError(f"{self.seconds} seconds are no time to measure in")


def bench_link(options: BenchOptions, progress: Progress | None = None) -> LinkBenchRecord:
    """Builds and flashes as a run does, then measures the line.

    Raises:
        UsageError, BuildError: as a run.
        BoardError: the board or link failed, or does not run at the rate asked for.
    """
    watch = progress or Silent()
    board = find_board(options.board)
    bundle = load_bundle(options.model, on_note=watch.line)
    prepared = prepare(bundle, board, engine=options.engine, arena_bytes=None, progress=watch)
    with (
        open_target(board, port=options.port, serial_number=options.serial_number) as target,
        ExitStack() as stack,
    ):
        session = connect(target, prepared.image, options.flash, watch).session
        line: LineRate | None = None
        if board.kind == "emulated" and options.model_line:
            session.close()
            # Only the host firmware sets a rate on its pty: for the others the model takes the host's.
            follows = board.emulator != "posix"
            line = stack.enter_context(LineRate(target.port_name, board_id=board.id, device_follows=follows))
            session = Session.open(open_port(line.port_name, board.baud_safe, board=board.id), board=board.id)
        stack.callback(session.close)
        check_engine_ready(session, board=board.id, port=target.port_name)
        check_shapes(session, bundle, board=board.id, port=target.port_name)
        watch.phase("rate", None)
        trials = settle_rate(session, board=board, target=target.name, baud=options.baud)
        baud = session.baud
        echoes = _echoes(session, watch)
        real_time = board.kind == "real" or board.emulator in OWN_CLOCK
        most = MOST_PATTERN_BYTES if real_time else MOST_EMULATED_PATTERN_BYTES
        nbytes = max(256, min(most, int(options.seconds * baud / BITS_PER_BYTE)))
        to_device, to_host = _streams(session, nbytes, watch)
        infer = _infer(session, board, bundle, options, watch)
        stats, link = session.stats(), session.link_stats
        stack.close()
        lost = line.counters.to_device.lost_bytes if line is not None and line.counters is not None else None
        return LinkBenchRecord(
            schema_version=LINK_SCHEMA_VERSION,
            board=board.id,
            title=board.title,
            port=target.port_name,
            line="as it is" if line is None else "modelled",
            model=bundle.name,
            engine=prepared.image.engine,
            baud=baud,
            trials=[_trial(trial) for trial in trials],
            echoes=echoes,
            to_device=to_device,
            to_host=to_host,
            infer=infer,
            frames=link.frames,
            resent_frames=link.resent_frames,
            bad_frames=link.bad_frames,
            device_bad_frames=stats.rx_bad_frames,
            device_rx_overruns=stats.rx_overruns,
            lost_to_device_bytes=lost,
        )


def _echoes(session: Session, progress: Progress) -> list[EchoRecord]:
    largest = session.info.max_frame_bytes - PING_OVERHEAD_BYTES
    sizes = sorted({SMALL_ECHO_BYTES, min(64, largest), largest})
    progress.phase("echo", len(sizes) * ECHOES)
    records = []
    for payload_bytes in sizes:
        body = bytes(index & 0xFF for index in range(payload_bytes))
        wire_ms = 2e3 * wire_bytes(payload_bytes + PING_OVERHEAD_BYTES) * BITS_PER_BYTE / session.baud
        # At 4 kB and 115200 baud a round trip takes most of a second.
        count = max(5, min(ECHOES, int(4000 / max(wire_ms, 1))))
        trips_ms = []
        for _ in range(count):
            trips_ms.append(1e3 * session.ping(body))
            progress.advance()
        progress.advance(ECHOES - count)
        p50, p95, p99 = (float(value) for value in np.percentile(trips_ms, [50, 95, 99]))
        records.append(EchoRecord(payload_bytes, count, wire_ms, min(trips_ms), p50, p95, p99, max(trips_ms)))
    return records


def _streams(session: Session, nbytes: int, progress: Progress) -> tuple[StreamRecord | None, StreamRecord | None]:
    progress.phase("pattern", 2)
    try:
        session.test_line(0, 0)  # a firmware that doesn't know the request would take the pattern for damaged frames
    except DeviceError as error:
        if error.code != ErrorCode.UNKNOWN_TYPE:
            raise
        return None, None
    found: list[StreamRecord | None] = []
    for down, up in ((nbytes, 0), (0, nbytes)):
        tested = session.test_line(down, up)
        progress.advance()
        if tested is None:
            found.append(None)
            continue
        rate = nbytes / tested.wall_s
        errors = tested.errors_to_device + tested.errors_to_host
        found.append(StreamRecord(nbytes, tested.wall_s, rate, rate * BITS_PER_BYTE / session.baud, errors))
    return found[0], found[1]


def _infer(session: Session, board: Board, bundle: Bundle, options: BenchOptions, progress: Progress) -> InferRecord:
    info = session.info
    vectors = encode_vectors(bundle, info.inputs)
    timeout_s = options.timeout_per_vector_s
    progress.phase("infer", None)
    session.infer(itertools.islice(itertools.cycle(vectors), WARMUP), timeout_per_vector_s=timeout_s)
    ticks: list[int] = []

    def keep(result: VectorResult) -> None:
        ticks.append(result.ticks)
        progress.advance()

    start_s, cpu_s = time.monotonic(), time.process_time()

    def while_there_is_time() -> itertools.takewhile[bytes]:
        return itertools.takewhile(lambda _: time.monotonic() - start_s < options.seconds, itertools.cycle(vectors))

    session.infer(while_there_is_time(), on_result=keep, collect=False, timeout_per_vector_s=timeout_s)
    wall_s, cpu_s = time.monotonic() - start_s, time.process_time() - cpu_s
    n = vectors_per_frame(info)
    request = wire_bytes(FRAME_OVERHEAD_BYTES + n * info.input_bytes) / n
    reply = wire_bytes(FRAME_OVERHEAD_BYTES + n * (TICKS_BYTES + info.output_bytes)) / n
    limit = session.baud / BITS_PER_BYTE / max(request, reply)
    compute_s = sum(ticks) / info.tick_hz
    same_clock = board.kind == "real" or board.emulator in OWN_CLOCK
    return InferRecord(
        vectors=len(ticks),
        input_bytes=info.input_bytes,
        output_bytes=info.output_bytes,
        vectors_per_frame=n,
        wall_s=wall_s,
        vectors_per_s=len(ticks) / wall_s,
        limit_per_s=limit,
        share_of_line=len(ticks) / wall_s / limit,
        compute_s=compute_s,
        compute_share=compute_s / wall_s if same_clock else None,
        latency_us=float(np.median(ticks)) / info.tick_hz * 1e6,
        host_cpu_share=cpu_s / wall_s,
    )


def _trial(trial: Trial) -> RateTrialRecord:
    return RateTrialRecord(trial.baud, trial.outcome, trial.tested_bytes, trial.errors_to_device, trial.errors_to_host)
