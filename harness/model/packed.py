"""A model in the form one engine takes: sources that go into the firmware, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
    """

    engine: str
    model_sha256: bytes
    sources: Mapping[str, str]
    arena_bytes: int | None
    model_bytes: int
    macs: int
