"""A loaded Keras model as plain layers. Runs in the worker process, on Keras objects, so it needs no import of Keras.

A layer of a kind no engine knows is described all the same: the packer is the one to refuse it, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any  # Keras ships no types.

import numpy as np

from harness.model.graph import FloatArray, LayerSpec

# Settings that matter in training only, or that the record holds elsewhere.
_LEFT_OUT = ("_initializer", "_regularizer", "_constraint")
_LEFT_OUT_NAMES = {"name", "trainable", "dtype", "seed", "batch_shape", "build_config"}


class GraphError(Exception):
    """The model's structure can't be told; the text says why, `hint` what to do."""

    def __init__(self, what: str, hint: str = "use a Sequential or functional model") -> None:
        super().__init__(what)
        self.hint = hint


def describe(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[LayerSpec, ...], tuple[str, ...]]:
    """Layers in an order in which inputs come first, and the names of the model's outputs.

    A layer used k times appears k times, the later ones as "name@1", "name@2". Where a layer has several outputs (an
    LSTM with return_state), "name" is the first and "name:1", "name:2" the others. The setting "mask_of" of a layer
    that is given a mask names the tensor whose values make it ("": it can't be told); the mask itself is no input.

    Args:
        model: a built Sequential or functional model.
        shapes: input name -> shape of one vector; its lengths take the place of those the model leaves open.

    Raises:
        GraphError: neither Sequential nor functional; or a name could be taken for one of the forms above.
    """
    config = model.get_config()
    for name in (*shapes, *(layer.name for layer in model.layers)):
        if ":" in name or "@" in name:
            raise GraphError(
                f"{name!r} is no name for a layer here: ':' and '@' have a meaning of their own", "rename it"
            )
    if type(model).__name__ == "Sequential":
        previous = next(iter(shapes))
        layers = []
        for layer in model.layers:
            layers.append(_layer(layer, layer.name, (previous,), layer.output))
            previous = layer.name
        return tuple(layers), (previous,)
    if "input_layers" not in config or "output_layers" not in config:
        raise GraphError(f"{type(model).__name__} is neither a Sequential nor a functional model")

    layers = []
    masks = _masks(config["layers"])
    operations = {operation.name: operation for operation in model.operations}
    for entry in config["layers"]:
        if entry["class_name"] == "InputLayer":
            continue
        layer = operations[entry["name"]]
        for index, node in enumerate(entry["inbound_nodes"]):
            output = layer.get_output_at(index) if hasattr(layer, "get_output_at") else _node_output(layer, index)
            inputs = tuple(_reference(*history) for history in _histories(_without_mask(node)))
            spec = _layer(layer, _reference(entry["name"], index, 0), inputs, output)
            mask = next(_histories(node.get("kwargs", {}).get("mask")), None)
            if mask is not None:
                spec = replace(spec, config={**spec.config, "mask_of": masks.get(_reference(*mask), "")})
            layers.append(spec)
    outputs = tuple(_reference(*history) for history in _flat(config["output_layers"]))
    return _ordered(_needed(layers, outputs), set(shapes)), outputs


def layer_tensors(model: Any) -> dict[str, Any]:
    """First output tensor of every use of every layer, by the names `describe` gives them."""
    if type(model).__name__ == "Sequential":
        return {layer.name: _first(layer.output) for layer in model.layers}
    tensors = {}
    for layer in model.layers:
        if type(layer).__name__ != "InputLayer":
            for index in range(len(layer._inbound_nodes)):
                tensors[_reference(layer.name, index, 0)] = _first(_node_output(layer, index))
    return tensors


def _without_mask(node: Any) -> Any:
    """A call without its mask: Keras hands masks from layer to layer; `mask_of` says where one comes from."""
    kwargs = {key: value for key, value in node.get("kwargs", {}).items() if key != "mask"}
    return {**node, "kwargs": kwargs}


def _masks(entries: Any) -> dict[str, str]:
    """Mask tensor -> the tensor that was compared with a mask value to make it, as Masking.compute_mask does it."""
    compared: dict[str, str] = {}
    masks: dict[str, str] = {}
    for entry in entries:
        for index, node in enumerate(entry["inbound_nodes"]):
            name = _reference(entry["name"], index, 0)
            sources = [_reference(*history) for history in _histories(node)]
            if entry["class_name"] == "NotEqual" and len(sources) == 1:
                compared[name] = sources[0]
            elif entry["class_name"] == "Any" and len(sources) == 1 and sources[0] in compared:
                masks[name] = compared[sources[0]]
    return masks


def _needed(layers: list[LayerSpec], outputs: tuple[str, ...]) -> list[LayerSpec]:
    """Without what only makes masks."""
    readers = {layer.name: layer.inputs for layer in layers}
    wanted: set[str] = set()
    waiting = [name.partition(":")[0] for name in outputs]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [source.partition(":")[0] for source in readers.get(name, ())]
    return [layer for layer in layers if layer.name in wanted]


def _node_output(layer: Any, index: int) -> Any:
    outputs = layer._inbound_nodes[index].output_tensors
    return outputs[0] if len(outputs) == 1 else outputs


def _layer(layer: Any, name: str, inputs: tuple[str, ...], output: Any) -> LayerSpec:
    return LayerSpec(
        name=name,
        kind=type(layer).__name__,
        # An operation (keras.ops.add) is described like a layer, so that it can be refused by name.
        config=dict(_settings(layer.get_config())) if hasattr(layer, "weights") else {},
        weights=_weights(layer) if hasattr(layer, "weights") else {},
        inputs=inputs,
        output_shape=tuple(0 if size is None else int(size) for size in _first(output).shape[1:]),
    )


def _first(output: Any) -> Any:
    while isinstance(output, list | tuple | dict):
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return output


def _settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Numbers, texts, truth values and tuples of them; of a layer within a layer as "cell.kind", "cell.units"."""
    for key, value in config.items():
        if key in _LEFT_OUT_NAMES or key.endswith(_LEFT_OUT):
            continue
        yield from _setting(f"{prefix}{key}", value)
    policy = config.get("dtype")
    if isinstance(policy, dict):
        policy = policy.get("config", {}).get("name")
    if isinstance(policy, str):
        yield f"{prefix}dtype", policy


def _setting(key: str, value: Any) -> Iterator[tuple[str, object]]:
    if value is None or isinstance(value, bool | int | float | str):
        yield key, value
    elif isinstance(value, dict) and isinstance(value.get("config"), dict) and "class_name" in value:
        yield f"{key}.kind", str(value["class_name"])
        yield from _settings(value["config"], f"{key}.")
    elif isinstance(value, list | tuple):
        if all(item is None or isinstance(item, bool | int | float | str) for item in value):
            yield key, tuple(value)
        else:
            for index, item in enumerate(value):
                yield from _setting(f"{key}.{index}", item)


def _weights(layer: Any) -> dict[str, FloatArray]:
    """Weights by variable name. Parts of a wrapper are told apart: "forward/kernel", "backward/kernel", "0/kernel"."""
    cells = getattr(getattr(layer, "cell", None), "cells", None)
    if hasattr(layer, "forward_layer") and hasattr(layer, "backward_layer"):
        parts = {"forward/": layer.forward_layer, "backward/": layer.backward_layer}
    elif cells is not None:
        parts = {f"{index}/": cell for index, cell in enumerate(cells)}
    else:
        parts = {"": layer}
    if type(layer).__name__ == "Normalization":
        # Given to the constructor or adapted: only these have it both ways. One number for each feature, or one.
        return {name: np.asarray(getattr(layer, name), np.float32).reshape(-1) for name in ("mean", "variance")}
    result: dict[str, FloatArray] = {}
    for prefix, part in parts.items():
        variables = list(part.weights)
        names = [variable.name for variable in variables]
        for variable, name in zip(variables, names, strict=True):
            unique = prefix + (name if names.count(name) == 1 else variable.path)
            result[unique] = np.asarray(variable.numpy(), np.float32)
    return result


def _histories(node: Any) -> Iterator[tuple[str, int, int]]:
    """(layer, node, tensor) of each tensor among the arguments of a call, in order."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            name, index, tensor = node["config"]["keras_history"]
            yield str(name), int(index), int(tensor)
            return
        for value in node.values():
            yield from _histories(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _histories(value)


def _flat(node: Any) -> Iterator[tuple[str, int, int]]:
    """[["a", 0, 0], ...], ["a", 0, 0] or a dict of them."""
    if isinstance(node, dict):
        for key in sorted(node):
            yield from _flat(node[key])
    elif node and isinstance(node[0], str):
        yield str(node[0]), int(node[1]), int(node[2])
    else:
        for item in node:
            yield from _flat(item)


def _reference(name: str, node: int, tensor: int) -> str:
    return name + (f"@{node}" if node else "") + (f":{tensor}" if tensor else "")


def _ordered(layers: list[LayerSpec], known: set[str]) -> tuple[LayerSpec, ...]:
    """Layers so that each comes after those it reads; as Keras lists them where that is so already."""
    result: list[LayerSpec] = []
    waiting = layers
    while waiting:
        ready = [layer for layer in waiting if all(name.partition(":")[0] in known for name in layer.inputs)]
        if not ready:
            raise GraphError(f"layers that wait for each other: {', '.join(layer.name for layer in waiting)}")
        result.append(ready[0])
        known.add(ready[0].name)
        waiting = [layer for layer in waiting if layer is not ready[0]]
    return tuple(result)
