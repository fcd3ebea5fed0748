"""The link's speed on lines of a UART's rate, beside two other dialects on the same line, and what it costs the host.

    python -m benchmarks.link.run [--seconds S] [--vectors N] [--json]

Every figure that matters is a ratio of two measured in the same run: another load on this computer moves both. The
devices are programs of this computer; they compute nothing (or for a fixed time, where that is the point), and the line
between is harness/boards/line_rate_model.py. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.link.devices import build_firmware, build_rival, running
from benchmarks.link.rivals import MlperfHost, TextHost
from harness.boards.line_rate import LineRate
from harness.link.port import Port
from harness.link.serial_port import open_port
from harness.link.session import Session

RATES = (115200, 921600)
USB_LATENCY_MS = 1.0  # each way: the shortest a full-speed USB bridge can have
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's vectors: `in_bytes` down, `outputs` float32 up. `floats`: the inputs are float32."""

    name: str
    in_bytes: int
    outputs: int
    floats: bool

    def vectors(self, count: int) -> list[bytes]:
        source = random.Random(1)  # noqa: S311 - the same vectors each time
        if self.floats:
            return [struct.pack("<3f", *(source.uniform(0, 400) for _ in range(3))) for _ in range(count)]
        return [source.randbytes(self.in_bytes) for _ in range(count)]


SHAPES = (Shape("490 int8", 490, 3, False), Shape("3 float32", 12, 1, True))


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One line, three dialects.

    Attributes:
        limit: vectors/s if the line carried inputs and nothing else.
        mlperf_bound: what MLPerf's dialect could reach at best, from the bytes that went over the line, both ways
            added, as it takes turns. This computer's load does not touch it.
        text_bound: the same of the text lines.
    """

    inputs: str
    baud: int
    latency_ms: float
    limit: float
    session: float
    mlperf: float
    mlperf_bound: float
    text: float
    text_bound: float
    host_cpu: float

    @property
    def share(self) -> float:
        return self.session / self.limit

    @property
    def over_mlperf(self) -> float:
        return self.session / self.mlperf

    @property
    def over_mlperf_bound(self) -> float:
        return self.session / self.mlperf_bound

    @property
    def over_text(self) -> float:
        return self.session / self.text


@dataclass(frozen=True, slots=True)
class ComputeRow:
    """A device that is slower than the line. `link_share`: wall time over compute time, minus 1."""

    inputs: str
    baud: int
    compute_ms: float
    vectors: int
    link_share: float


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """Resident memory of the host over many vectors."""

    vectors: int
    vectors_per_s: float
    after_a_tenth_bytes: int
    at_end_bytes: int


def _per_second(infer: Callable[[Sequence[bytes]], object], vectors: Sequence[bytes]) -> float:
    start_s = time.monotonic()
    infer(vectors)
    return len(vectors) / (time.monotonic() - start_s)


def _stream(session: Session, vectors: Sequence[bytes]) -> None:
    wrong = 0
    outputs = session.info.output_bytes // 4

    def check(index: int, output: bytes) -> None:
        nonlocal wrong
        wrong += struct.unpack(f"<{outputs}f", output) != (float(sum(vectors[index])),) * outputs

    session.infer(vectors, on_result=lambda result: check(result.index, result.output), collect=False)
    assert wrong == 0, f"{wrong} wrong results"


def _on_line(program: Path, baud: int, latency_ms: float, use: Callable[[Port], float]) -> tuple[float, float]:
    """What `use` returns, and the seconds for which the line carried bytes, both ways added."""
    with ExitStack() as stack:
        device = stack.enter_context(running(program))
        line = stack.enter_context(LineRate(device, board_id="host", device_follows=True, latency_ms=latency_ms))
        port = open_port(line.port_name, baud)
        stack.callback(port.close)
        rate = use(port)
        stack.close()
        counters = line.counters
        assert counters is not None and counters.to_device.lost_bytes == 0
        return rate, counters.to_device.busy_s + counters.to_host.busy_s


def speed(shape: Shape, baud: int, latency_ms: float, seconds: float, folder: Path) -> SpeedRow:
    """The three dialects one after the other, each on the same kind of line, each for about `seconds`."""
    limit = baud / 10 / shape.in_bytes
    vectors = shape.vectors(max(20, int(limit * seconds)))
    few = vectors[: max(10, int(len(vectors) / 20))]
    cpu_share = 0.0

    def ours(port: Port) -> float:
        nonlocal cpu_share
        with Session.open(port) as session:
            _stream(session, vectors[:3])
            cpu_s, wall_s = time.process_time(), time.monotonic()
            rate = _per_second(lambda these: _stream(session, these), vectors)
            cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - wall_s)
            assert session.link_stats.resent_frames == 0
            return rate

    firmware = build_firmware(folder / "ours", in_bytes=shape.in_bytes, out_floats=shape.outputs)
    mlperf = build_rival(folder / "mlperf", "mlperf", in_bytes=shape.in_bytes, outputs=shape.outputs)
    text = build_rival(folder / "text", "text", in_bytes=shape.in_bytes, outputs=shape.outputs)
    session_rate, _ = _on_line(firmware, baud, latency_ms, ours)
    mlperf_rate, mlperf_s = _on_line(mlperf, baud, latency_ms, lambda port: _per_second(MlperfHost(port).infer, few))
    text_rate, text_s = _on_line(
        text, baud, latency_ms, lambda port: _per_second(TextHost(port, floats=shape.floats).infer, few)
    )
    return SpeedRow(
        inputs=shape.name,
        baud=baud,
        latency_ms=latency_ms,
        limit=limit,
        session=session_rate,
        mlperf=mlperf_rate,
        mlperf_bound=len(few) / mlperf_s,
        text=text_rate,
        text_bound=len(few) / text_s,
        host_cpu=cpu_share,
    )


def device_bound(shape: Shape, baud: int, compute_ms: float, seconds: float, folder: Path) -> ComputeRow:
    """A device that computes `compute_ms` a vector: how much longer the whole takes than the computing."""
    count = max(50, int(1000 * seconds / compute_ms))
    vectors = shape.vectors(count)
    program = build_firmware(
        folder / "slow", in_bytes=shape.in_bytes, out_floats=shape.outputs, compute_us=int(1000 * compute_ms)
    )

    def share(port: Port) -> float:
        with Session.open(port) as session:
            session.infer(vectors[:3])
            start_s = time.monotonic()
            ticks = sum(result.ticks for result in session.infer(vectors))
            return (time.monotonic() - start_s) / (ticks / session.info.tick_hz) - 1

    return ComputeRow(shape.name, baud, compute_ms, count, _on_line(program, baud, 0.0, share)[0])


def memory(count: int, folder: Path) -> MemoryRow:
    """`count` vectors from a generator over a pty at its full speed, the host's memory watched."""
    program = build_firmware(folder / "many", in_bytes=12, out_floats=1)
    early = 0
    done = 0

    def note(_: object) -> None:
        nonlocal done, early
        done += 1
        if done == count // 10:
            early = _resident_bytes()

    with running(program) as device, Session.open(open_port(device, 115200)) as session:
        start_s = time.monotonic()
        session.infer((struct.pack("<3f", i, 1, 2) for i in range(count)), on_result=note, collect=False)
        assert done == count
        return MemoryRow(count, count / (time.monotonic() - start_s), early, _resident_bytes())


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def speed_table(rows: Sequence[SpeedRow]) -> str:
    heads = ["inputs", "baud", "bridge", "line limit", "this harness", "of the limit", "MLPerf dialect", "times"]
    heads += ["at its best", "times", "text lines", "times", "host CPU"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [
        f"| {row.inputs} | {row.baud} | {row.latency_ms:g} ms | {row.limit:.1f} /s | {row.session:.1f} /s | "
        f"**{100 * row.share:.1f} %** | {row.mlperf:.1f} /s | **{row.over_mlperf:.1f}** | "
        f"{row.mlperf_bound:.1f} /s | {row.over_mlperf_bound:.1f} | {row.text:.1f} /s | "
        f"{row.over_text:.1f} | {100 * row.host_cpu:.1f} % |"
        for row in rows
    ]
    return "\n".join(lines)


def compute_table(rows: Sequence[ComputeRow]) -> str:
    lines = ["| inputs | baud | compute | vectors | added by the link |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.inputs} | {row.baud} | {row.compute_ms:g} ms | {row.vectors} | **{100 * row.link_share:.2f} %** |"
        for row in rows
    ]
    return "\n".join(lines)


def memory_line(row: MemoryRow) -> str:
    grown = row.at_end_bytes - row.after_a_tenth_bytes
    return (
        f"Host memory over {row.vectors:,} vectors: {row.after_a_tenth_bytes / 1e6:.1f} MB after a tenth, "
        f"{row.at_end_bytes / 1e6:.1f} MB at the end ({grown / 1024:+.0f} KiB), at {row.vectors_per_s:,.0f} vectors/s."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="per measurement (default 10)")
    parser.add_argument("--vectors", type=int, default=1_000_000, help="for host memory (default a million)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load_before = Path("/proc/loadavg").read_text().split()[0]
    with tempfile.TemporaryDirectory(prefix="hil-bench-link-") as place:
        folder = Path(place)
        rows = [
            speed(shape, baud, latency_ms, options.seconds, folder / shape.name.replace(" ", "_"))
            for latency_ms in (0.0, USB_LATENCY_MS)
            for shape in SHAPES
            for baud in RATES
        ]
        compute = [
            device_bound(SHAPES[0], 921600, 10.0, options.seconds, folder),
            device_bound(SHAPES[1], 115200, 2.0, options.seconds, folder),
            device_bound(SHAPES[1], 115200, 50.0, options.seconds, folder),
        ]
        host = memory(options.vectors, folder)
    load = f"load average {load_before} before, {Path('/proc/loadavg').read_text().split()[0]} after"
    if options.json:
        found = {"speed": rows, "device_bound": compute}
        values = {name: [asdict(row) for row in table] for name, table in found.items()}  # type: ignore[attr-defined]
        print(json.dumps({**values, "memory": asdict(host), "load": load}))
    else:
        print(speed_table(rows), compute_table(compute), memory_line(host), f"({load})", sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
