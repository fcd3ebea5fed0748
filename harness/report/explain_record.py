"""What a model costs: the record behind `hil explain`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer. `macs`: multiply-accumulates an inference; None where the packer computes no op for the layer."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int | None


@dataclass(frozen=True, slots=True)
class BoardCost:
    """Whether a board holds the model and takes its vectors.

    Attributes:
        flash_bytes, ram_bytes: what the board has; 0: no meaningful limit.
        arena_max_bytes: the largest arena the firmware reserves without being asked for more.
        fits: the model alone does; what the firmware around it takes is known after a build.
        reason: why it does not, in bytes; empty where it does.
    """

    board: str
    flash_bytes: int
    ram_bytes: int
    arena_max_bytes: int
    fits: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it.

    Attributes:
        quantised: "" float32; "int8-weights", "int8": what the bundle asks the engine to keep its numbers in.
        model_bytes: of weights and structure in flash; the firmware with its engine comes on top.
        arena_bytes: exactly what the engine needs: states, inputs, outputs and what lies between the layers.
        macs: multiply-accumulates an inference.
    """

    model: str
    sha256: bytes
    framework: str
    engine: str
    quantised: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]
    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    model_bytes: int
    arena_bytes: int
    boards: tuple[BoardCost, ...]
