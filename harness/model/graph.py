"""A model as plain arrays, free of the framework that trained it: what the packers and reports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer, in the order of computation.

    Attributes:
        name: the layer's own name, unique within the model; used in messages.
        kind: framework class name ("LSTM", "Dense", ...).
        config: scalar settings of that kind (e.g. units, return_sequences, activation), as the framework spells them.
        weights: arrays by framework name ("kernel", "recurrent_kernel", "bias"), in the framework's own axis and gate
            order.
        inputs: names of the layers (or of the model's inputs) this layer reads.
        output_shape: per output, without the batch dimension.
    """

    name: str
    kind: str
    config: Mapping[str, object]
    weights: Mapping[str, FloatArray]
    inputs: tuple[str, ...]
    output_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """A whole model.

    Attributes:
        source_sha256: SHA-256 of the model file, 32 bytes. This is the model's identity on the wire.
        framework: e.g. "keras 3.15.1".
        inputs: name -> shape without the batch dimension.
        layers: in an order in which each layer's inputs come before it.
        outputs: names of the layers whose output the model returns, in order.
    """

    source_sha256: bytes
    framework: str
    inputs: Mapping[str, tuple[int, ...]]
    layers: tuple[LayerSpec, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(int(w.size) for layer in self.layers for w in layer.weights.values())
