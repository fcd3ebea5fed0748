"""Random Keras models through packer and engine: how far apart engine and Keras are.

    python -m tests.engine_rnn.against_keras [--models 5000] [--seed 0]

The distance of a model is its largest |engine - Keras| over all vectors, each output's as a share of that output's
range (max - min of what Keras gives for the vectors; at least 0.01, and at least a fortieth of its largest magnitude,
of which two units in the last place of a float32 are 1e-5). Where the engine is farther than the limit from Keras, its
distance from the same Keras model in float64 counts, if it is the smaller one. It is Keras that judges, not the graph
made of the model, as a wrong graph is what this is to find.
"""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.model import golden_file
from harness.model.golden_file import Golden
from harness.model.graph import ModelGraph
from harness.model.rnn_pack import pack
from tests.engine_rnn.engine import ROOT, Engine, Init, compile_host, engine_sources

Array = NDArray[np.floating]

LIMIT = 1e-5
SMALLEST_RANGE = 0.01
SMALLEST_SHARE = 1 / 40  # of the largest magnitude


@dataclass(frozen=True, slots=True)
class Case:
    """One model as Keras has it: graph and outputs, and the vectors they belong to, one array an input."""

    seed: int
    golden: Golden
    vectors: list[Array]


def keras_cases(seed: int, count: int) -> Iterator[Case]:
    """Models `seed`, `seed` + 1, ..., each made by Keras in one process of its own.

    Raises:
        RuntimeError: that process ended early, with its last words.
    """
    blocks = _blocks(str(seed), str(count))
    for number, (golden, vectors) in enumerate(zip(blocks, blocks, strict=True), seed):
        yield Case(number, golden_file.decode(golden), _arrays(vectors))


def exact_outputs(seed: int) -> list[Array]:
    """What Keras gives for that model in float64. Raises RuntimeError as `keras_cases`."""
    (outputs,) = _blocks(str(seed), "1", "float64")
    return _arrays(outputs)


def _blocks(*arguments: str) -> Iterator[bytes]:
    """What `keras_models` writes, block by block."""
    command = [sys.executable, "-m", "tests.engine_rnn.keras_models", *arguments]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        try:
            while len(head := process.stdout.read(8)) == 8:
                yield process.stdout.read(struct.unpack("<Q", head)[0])
            if process.wait(60):
                errors.seek(0)
                words = errors.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {words}")
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _arrays(npz: bytes) -> list[Array]:
    with np.load(io.BytesIO(npz), allow_pickle=False) as held:
        return [held[str(k)] for k in range(len(held.files))]


def distance(engine: Engine, case: Case) -> float:
    """How far the engine is from Keras, as a share of the output's range."""
    table = engine_rows(engine, case.golden.graph, case.vectors)
    worst = share_of_range(table, list(case.golden.outputs), case.golden.outputs)
    if worst <= LIMIT:
        return worst
    return min(worst, share_of_range(table, exact_outputs(case.seed), case.golden.outputs))


def engine_rows(engine: Engine, graph: ModelGraph, vectors: list[Array]) -> Array:
    """(vectors, values of all outputs), each vector by itself."""
    packed = pack(graph)
    engine.load(packed.blob)
    assert engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
    rows = []
    for vector in zip(*vectors, strict=True):
        engine.reset()
        rows.append(engine.invoke(*vector))
    return np.stack(rows)


def share_of_range(table: Array, outputs: list[Array], ranges: tuple[Array, ...]) -> float:
    """Largest difference of the engine's rows from these outputs, as a share of the ranges of those."""
    worst, at = 0.0, 0
    for wanted, keras in zip(outputs, ranges, strict=True):
        flat = wanted.reshape(len(wanted), -1)
        got = table[:, at : at + flat.shape[1]]
        at += flat.shape[1]
        span = max(float(np.ptp(keras)), SMALLEST_RANGE, SMALLEST_SHARE * float(np.abs(keras).max()))
        worst = max(worst, float(np.abs(got - flat).max()) / span)
    assert at == table.shape[1]
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    distances = []
    with tempfile.TemporaryDirectory() as folder:
        server = Path(__file__).with_name("engine_server.cpp")
        program = compile_host(Path(folder) / "engine", [server, *engine_sources()], "-DHIL_RNN_MODEL_POINTER")
        engine = Engine(program)
        for case in keras_cases(options.seed, options.models):
            distances.append(distance(engine, case))
            kinds.update(layer.kind for layer in case.golden.graph.layers)
            if distances[-1] > LIMIT:
                print(f"model {case.seed}: {distances[-1]:.2e} of its range")
        engine.close()
    values = np.array(distances)
    print(
        f"{len(values)} models: worst {values.max():.2e} of the output's range, median {np.median(values):.1e}, ",
        end="",
    )
    print(f"{int((values > LIMIT).sum())} beyond {LIMIT:g}")
    print("layers: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    return int((values > LIMIT).any())


if __name__ == "__main__":
    sys.exit(main())
