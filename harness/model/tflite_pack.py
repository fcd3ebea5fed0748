"""Packer of engine `tflm`: the model as the header that goes into the firmware."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.model.graph import FloatArray, ModelGraph
from harness.model.packed import PackedModel
from harness.model.tflite_header import parse_header, write_header
from harness.model.tflite_libraries import DEFAULT_LIBRARY
from harness.model.tflite_source import TfliteSource, require_runnable
from harness.model.tflite_ways import convert_graph

ENGINE = "tflm"
HEADER_NAME = "hil_model.h"


def pack_tflm(
    graph: ModelGraph,
    *,
    model: Path | None = None,
    calibration: Sequence[FloatArray] | None = None,
    stateful: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> PackedModel:
    """Converts and packs a Keras model; arguments and errors as `convert_graph`."""
    made = convert_graph(graph, model=model, calibration=calibration, stateful=stateful, on_note=on_note)
    return replace(_pack(made.tflite, graph.source_sha256, made.macs), way=made.way, why=made.why)


def pack_tflite(source: TfliteSource, *, library: str = DEFAULT_LIBRARY, lint: bool = True) -> PackedModel:
    """Packs a model that came converted. `macs` is 0: unknown.

    Args:
        source: the model.
        library: TFLM library to check for.
        lint: refuse what lint finds errors in.

    Raises:
        UsageError: the library would not run the model, or would run it wrong; without lint, only where an operator is
            in no library at all.
    """
    if lint:
        require_runnable(source, library)
    return _pack(source.data, source.sha256, 0)


def _pack(data: bytes, model_sha256: bytes, macs: int) -> PackedModel:
    # The arena is None: what TFLM needs depends on its vintage and the board's word size, so it is found by sweeping.
    return PackedModel(ENGINE, model_sha256, {HEADER_NAME: write_header(data)}, None, len(data), macs)


def tflite_of(packed: PackedModel) -> bytes:
    """The .tflite in a packed model.

    Raises:
        UsageError: packed for another engine.
    """
    if packed.engine != ENGINE:
        raise UsageError(f"the model is packed for engine {packed.engine!r}, not {ENGINE!r}")
    return parse_header(packed.sources[HEADER_NAME]).data
