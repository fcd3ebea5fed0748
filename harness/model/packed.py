"""A model in the form one engine takes: sources that go into the firmware, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TracePoint:
    """Where one layer's output can be seen on the device.

    Attributes:
        layer: name of the layer in the model graph.
        first_op, end_op: its ops, `end_op` excluded; the output is complete, and still there, before op `end_op` runs.
        offset: bytes from the start of the arena.
        shape: without the batch dimension.
        macs: multiply-accumulate operations of the layer.
        scale, zero_point: float32 where `scale` is 0, else int8: real = scale * (stored - zero_point).
    """

    layer: str
    first_op: int
    end_op: int
    offset: int
    shape: tuple[int, ...]
    macs: int
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The product of an engine's packer; reproducible byte for byte from the same model.

    Attributes:
        engine: engine name ("rnn", "tflm").
        model_sha256: identity of the model, 32 bytes (see `ModelGraph.source_sha256`).
        sources: file name -> text of generated headers ("hil_model.h"), put on the firmware's include path.
        arena_bytes: arena the engine needs on the board, where the packer can tell; None where it can't.
        model_bytes: bytes of weights and structure that go to flash.
        macs: multiply-accumulate operations per inference.
        input_bytes, output_bytes: of one vector and of its result on the wire; None where the packer can't tell.
        quantised: "" float32; "int8-weights": int8 weights, computed with in float32; "int8": integers throughout.
        way: how it was converted, where there are several ways ("fused", "unrolled"); empty elsewhere.
        why: why not in the first of them.
        trace: where the layers' outputs can be seen, in order; empty where the engine can't show them.
    """

    engine: str
    model_sha256: bytes
    sources: Mapping[str, str]
    arena_bytes: int | None
    model_bytes: int
    macs: int
    trace: tuple[TracePoint, ...] = ()
    quantised: str = ""
    input_bytes: int | None = None
    output_bytes: int | None = None
    way: str = ""
    why: str = ""
