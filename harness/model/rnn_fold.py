"""Batch normalisation folded into the Dense layer before or after it, where nothing else sees what lies between.

Folding is done in float64; the result differs from Keras's in the last bits of float32 only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_scale import batch_norm_of
from harness.model.rnn_settings import ACTIVATIONS, activation_of, bias_of, weight_of

_Wide = NDArray[np.float64]


def fold(graph: ModelGraph) -> ModelGraph:
    """The graph with each BatchNormalization that can be folded, folded: one of the two layers is then an Identity.

    Raises:
        UsageError: as the packer does, for settings of the layers looked at.
    """
    layers = {layer.name: layer for layer in graph.layers}
    readers: dict[str, list[str]] = {}
    for layer in graph.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer.name)
    bases = [layer.name.partition("@")[0] for layer in graph.layers]

    def private(name: str) -> bool:
        """Its output is read once, and its weights are nobody else's."""
        return len(readers.get(name, [])) == 1 and name not in graph.outputs and bases.count(name) == 1

    for original in graph.layers:
        norm = layers[original.name]
        if norm.kind != "BatchNormalization" or len(norm.inputs) != 1:
            continue
        before = layers.get(norm.inputs[0])
        after = layers[readers[norm.name][0]] if private(norm.name) else None
        if before is not None and _is_plain_dense(before, linear=True) and private(before.name):
            scale, shift = batch_norm_of(norm, _width(before), _ndim(norm))
            kernel, bias = _parameters(before)
            folded = _with(before, kernel * scale, bias * scale.astype(np.float64) + shift)
            # What the Dense gives now is what the norm gave: it takes the norm's place.
            layers[norm.name] = replace(folded, name=norm.name, inputs=norm.inputs)
            layers[before.name] = _nothing(before)
        elif after is not None and _is_plain_dense(after, linear=False) and bases.count(after.name) == 1:
            kernel, bias = _parameters(after)
            scale, shift = batch_norm_of(norm, len(kernel), _ndim(norm))
            layers[after.name] = _with(after, kernel * scale[:, np.newaxis], bias + shift.astype(np.float64) @ kernel)
            layers[norm.name] = _nothing(norm)
    return replace(graph, layers=tuple(layers[layer.name] for layer in graph.layers))


def _nothing(layer: LayerSpec) -> LayerSpec:
    return replace(layer, kind="Identity", config={}, weights={})


def _is_plain_dense(layer: LayerSpec, *, linear: bool) -> bool:
    if layer.kind != "Dense" or len(layer.inputs) != 1:
        return False
    return not linear or activation_of(layer, "activation", "linear", ACTIVATIONS) == ACTIVATIONS["linear"]


def _width(dense: LayerSpec) -> int:
    return int(dense.weights["kernel"].shape[1]) if "kernel" in dense.weights else 0


def _ndim(layer: LayerSpec) -> int:
    return len(layer.output_shape)


def _parameters(dense: LayerSpec) -> tuple[_Wide, _Wide]:
    shape = dense.weights["kernel"].shape if "kernel" in dense.weights else (0, 0)
    return weight_of(dense, "kernel", shape).astype(np.float64), bias_of(dense, _width(dense)).astype(np.float64)


def _with(dense: LayerSpec, kernel: _Wide, bias: _Wide) -> LayerSpec:
    weights = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
    return replace(dense, config={**dense.config, "use_bias": True}, weights=weights)
