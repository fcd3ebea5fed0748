"""What a model will cost, before anything is built: layers, parameters, multiply-adds, flash and arena per board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from harness.boards.catalogue import Board
from harness.errors import UsageError
from harness.link.pipeline import largest_frame_bytes, vector_frame_bytes
from harness.model.bundle import load_bundle
from harness.model.golden import golden_for
from harness.model.graph import ModelGraph
from harness.model.model_file import read_model_file
from harness.model.packed import PackedModel
from harness.model.rnn_pack import pack_rnn
from harness.model.tflite_source import is_tflite_source
from harness.report.explain_record import BoardCost, Explanation, LayerCost
from harness.workflow.conversion import ConversionOptions, pack_for_rnn

ENGINE = "rnn"
# avr-gcc addresses constants with 16 bits and sizes objects with a signed one; the model's header checks the same.
AVR_MODEL_MAX_BYTES = 32767


def explain(
    model: str, boards: Iterable[Board], *, on_note: Callable[[str], None] | None = None, vectors: Path | None = None
) -> Explanation:
    """Plan `model` for the rnn engine and hold it against each board. Nothing is built.

    Args:
        model: a bundle's name, a bundle's folder or a `.keras` file.
        vectors: for a model file that leaves lengths open: vectors of the length meant.
        on_note: told when something slow begins (Keras reads a model file once; a bundle needs none).

    Raises:
        UsageError: no such model, or a layer the engine does not support (named).
    """
    graph, packed = _computed(model, vectors, on_note)
    macs = {point.layer: point.macs for point in packed.trace}
    layers = tuple(
        LayerCost(
            layer.name,
            layer.kind,
            layer.output_shape,
            sum(int(weight.size) for weight in layer.weights.values()),
            macs.get(layer.name),
        )
        for layer in graph.layers
    )
    arena_bytes = packed.arena_bytes or 0
    frame_bytes = vector_frame_bytes(packed.input_bytes or 0, packed.output_bytes or 0)
    return Explanation(
        model=model,
        sha256=graph.source_sha256,
        framework=graph.framework,
        engine=ENGINE,
        quantised=packed.quantised,
        inputs=tuple(graph.inputs.items()),
        outputs=graph.outputs,
        layers=layers,
        parameters=graph.parameters,
        macs=packed.macs,
        model_bytes=packed.model_bytes,
        arena_bytes=arena_bytes,
        boards=tuple(
            board_cost(board, packed.model_bytes, arena_bytes, frame_bytes)
            for board in boards
            if ENGINE in board.engines
        ),
    )


def board_cost(board: Board, model_bytes: int, arena_bytes: int, frame_bytes: int = 0) -> BoardCost:
    """Holds the model's bytes, and the frame one of its vectors takes, against one board."""
    reasons = []
    if board.flash_bytes and model_bytes > board.flash_bytes:
        reasons.append(f"the model takes {model_bytes:,} bytes of flash, the board has {board.flash_bytes:,}")
    elif board.mcu.startswith("ATMEGA") and model_bytes > AVR_MODEL_MAX_BYTES:
        reasons.append(f"the model takes {model_bytes:,} bytes, an 8-bit AVR takes models of {AVR_MODEL_MAX_BYTES:,}")
    if board.ram_bytes and arena_bytes > board.ram_bytes:
        reasons.append(f"the arena takes {arena_bytes:,} bytes of RAM, the board has {board.ram_bytes:,}")
    elif arena_bytes > board.arena_max_bytes:
        # More can be asked for, but the linker has the last word on what else needs RAM.
        reasons.append(f"the arena takes {arena_bytes:,} bytes, the firmware reserves {board.arena_max_bytes:,}")
    largest = largest_frame_bytes(board.rx_buffer_bytes)
    if frame_bytes > largest:
        reasons.append(f"one vector takes a frame of {frame_bytes:,} bytes, the firmware takes up to {largest:,}")
    return BoardCost(
        board.id, board.flash_bytes, board.ram_bytes, board.arena_max_bytes, not reasons, "; ".join(reasons)
    )


def _computed(
    model: str, vectors: Path | None, on_note: Callable[[str], None] | None
) -> tuple[ModelGraph, PackedModel]:
    """The model as arrays, and packed as a run would pack it."""
    path = Path(model)
    if is_tflite_source(path):
        raise UsageError(
            f"{model} is converted for TFLM, which plans its memory on the board itself",
            hint="hil lint says what TFLM makes of it, hil sweep-arena what arena it needs; or give the .keras file",
        )
    if vectors is not None or not path.is_file():
        bundle = load_bundle(model, vectors=vectors, on_note=on_note)
        return bundle.graph, pack_for_rnn(bundle, ConversionOptions())
    file = read_model_file(path)
    if any(size is None for shape in file.inputs.values() for size in shape):
        raise UsageError(
            f"{model} leaves the length of its input open", hint="--vectors FILE with vectors of the length"
        )
    zeros = {name: np.zeros((1, *(size or 1 for size in shape)), np.float32) for name, shape in file.inputs.items()}
    golden = golden_for(path, file.sha256, zeros, on_note=on_note)
    return golden.graph, pack_rnn(golden.graph)
