"""Reading one layer's settings and weights: each function returns what the rnn engine takes or refuses by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import FloatArray, LayerSpec

# Other names Keras knows them by. gelu: exact unless told otherwise (activations.gelu's own default).
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
ACTIVATIONS: Mapping[str, fmt.Activation] = {
    **{
        activation.name.lower(): activation
        for activation in fmt.Activation
        if activation is not fmt.Activation.GELU_TANH
    },
    **{alias: fmt.Activation[name.upper()] for alias, name in _ALIASES.items()},
}


def gate_activations() -> Mapping[str, fmt.Activation]:
    """Those a gate can have: softmax needs a whole row, which a gate isn't."""
    return {name: value for name, value in ACTIVATIONS.items() if value is not fmt.Activation.SOFTMAX}


def refuse_settings(layer: LayerSpec, *settings: str) -> None:
    """Refuse settings that must be off (absent, None, False or 0)."""
    for setting in settings:
        if layer.config.get(setting):
            raise UsageError(
                f"layer {layer.name!r} ({layer.kind}) has {setting}={layer.config[setting]!r}, "
                "which the rnn engine does not support",
                hint=f"train or rebuild the model without {setting}",
            )


def units_of(layer: LayerSpec, setting: str, limit: int) -> int:
    units = layer.config.get(setting)
    if not isinstance(units, int) or units < 1:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) has {setting}={units!r}")
    check_limit(layer, setting, units, limit)
    return units


def check_limit(layer: LayerSpec, what: str, size: int, limit: int) -> None:
    if size > limit:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) has {size} {what}; the rnn engine takes up to {limit}")


def activation_of(
    layer: LayerSpec, setting: str, default: str, supported: Mapping[str, fmt.Activation]
) -> fmt.Activation:
    name = layer.config.get(setting, default)
    if name is None:
        name = "linear"
    if f"{setting}.kind" in layer.config:
        name = layer.config[f"{setting}.kind"]
    activation = supported.get(name) if isinstance(name, str) else None
    if activation is None:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has {setting}={name!r}, which the rnn engine does not support",
            hint=f"supported here: {', '.join(supported)}",
        )
    return activation


def weight_of(layer: LayerSpec, name: str, shape: tuple[int, ...]) -> FloatArray:
    dtype = layer.config.get("dtype", "float32")
    if dtype != "float32":
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has dtype={dtype!r}; the rnn engine computes in float32",
            hint="save the model with the float32 policy",
        )
    weight = layer.weights.get(name)
    if weight is None or weight.shape != shape:
        found = "no" if weight is None else f"shape {weight.shape}"
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) has {found} {name}; expected shape {shape}")
    if not np.isfinite(weight).all():
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has NaN or Inf in its {name}", hint="train the model again"
        )
    return np.asarray(weight, dtype=np.float32)


def bias_of(layer: LayerSpec, size: int, prefix: str = "") -> FloatArray:
    if not layer.config.get(f"{prefix}use_bias", True):
        return np.zeros(size, dtype=np.float32)
    return weight_of(layer, "bias", (size,))
