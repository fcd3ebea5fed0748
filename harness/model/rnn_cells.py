"""Recurrent cells: from a framework's settings and weights to what the rnn engine's kernels read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import FloatArray, LayerSpec
from harness.model.rnn_settings import activation_of, gate_activations, units_of, weight_of
from harness.model.rnn_weights import affine_block, float_block, lstm_weights


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One cell, packed.

    Attributes:
        weights: in the kernel's order, stored as `layout` says.
        z_floats: scratch for one step.
        has_c: it has a cell state beside h.
        flags: RESET_AFTER for the GRU that has it.
        macs: of one step.
    """

    kind: fmt.OpKind
    units: int
    activation: fmt.Activation
    recurrent_activation: fmt.Activation
    weights: bytes
    layout: fmt.Layout
    z_floats: int
    has_c: bool
    flags: fmt.RecurrentFlag
    macs: int


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a cell's settings and weights stand: prefixes in front of their names within the layer."""

    layer: LayerSpec
    settings: str
    weights: str
    int8: bool

    @property
    def layout(self) -> fmt.Layout:
        return fmt.Layout.INT8_WEIGHTS if self.int8 else fmt.Layout.FLOAT32

    def affine(self, kernel: FloatArray, recurrent: FloatArray, bias: FloatArray) -> bytes:
        """Rows over the input and the state; either may have no rows."""
        return affine_block(np.concatenate([kernel, recurrent]), bias, first=len(kernel), int8=self.int8)

    def get(self, setting: str, default: object) -> object:
        return self.layer.config.get(self.settings + setting, default)

    def activation(self, setting: str, default: str) -> fmt.Activation:
        return activation_of(self.layer, self.settings + setting, default, gate_activations())

    def weight(self, name: str, *shape: int) -> FloatArray:
        return weight_of(self.layer, self.weights + name, shape)

    def bias(self, *shape: int) -> FloatArray:
        return self.weight("bias", *shape) if self.get("use_bias", True) else np.zeros(shape, np.float32)


def read_cell(
    layer: LayerSpec, kind: str, inputs: int, *, settings: str = "", weights: str = "", int8: bool = False
) -> CellSpec:
    """Read a cell.

    Args:
        kind: framework class of the cell, or of the layer made of one ("LSTM", "LSTMCell", "GRU", ...).
        inputs: features it reads in each step.
        settings, weights: what stands in front of the names of its settings ("cell.cells.0.") and weights ("0/").
        int8: store weights in int8, with a scale for each row.

    Raises:
        UsageError: no such cell is supported, or one of its settings.
    """
    read = _CELLS.get(kind.removesuffix("Cell"))
    if read is None:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has a cell {kind}, which the rnn engine does not support",
            hint=f"supported cells: {', '.join(sorted(f'{name}Cell' for name in _CELLS))}",
        )
    units = units_of(layer, f"{settings}units", fmt.MAX_UNITS)
    return read(_Source(layer, settings, weights, int8), inputs, units)


def _stacked(source: _Source, inputs: int, units: int, gates: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Kernel, recurrent kernel and bias of `gates` gates."""
    return (
        source.weight("kernel", inputs, gates * units),
        source.weight("recurrent_kernel", units, gates * units),
        source.bias(gates * units),
    )


def _lstm(source: _Source, inputs: int, units: int) -> CellSpec:
    kernel, recurrent, bias = _stacked(source, inputs, units, 4)
    if source.int8:  # row by row, in the kernel's order of gates
        order = np.arange(4 * units).reshape(4, units)[[0, 1, 3, 2]].reshape(-1)
        weights = source.affine(kernel[:, order], recurrent[:, order], bias[order])
    else:
        weights = float_block(lstm_weights(kernel, recurrent, bias))
    return CellSpec(
        kind=fmt.OpKind.LSTM,
        units=units,
        activation=source.activation("activation", "tanh"),
        recurrent_activation=source.activation("recurrent_activation", "sigmoid"),
        weights=weights,
        layout=source.layout,
        z_floats=4 * (units if source.int8 else units + units % 2),
        has_c=True,
        flags=fmt.RecurrentFlag.NONE,
        macs=4 * units * (inputs + units),
    )


def _gru(source: _Source, inputs: int, units: int) -> CellSpec:
    kernel = source.weight("kernel", inputs, 3 * units)
    recurrent = source.weight("recurrent_kernel", units, 3 * units)
    after = bool(source.get("reset_after", True))
    bias = source.bias(2, 3 * units) if after else np.stack([source.bias(3 * units), np.zeros(3 * units, np.float32)])
    gates, candidate = slice(0, 2 * units), slice(2 * units, 3 * units)
    parts = [
        source.affine(kernel[:, gates], recurrent[:, gates], bias.sum(axis=0)[gates]),
        source.affine(kernel[:, candidate], kernel[:0, candidate], bias[0, candidate]),
        source.affine(recurrent[:, candidate], recurrent[:0, candidate], bias[1, candidate]),
    ]
    return CellSpec(
        kind=fmt.OpKind.GRU,
        units=units,
        activation=source.activation("activation", "tanh"),
        recurrent_activation=source.activation("recurrent_activation", "sigmoid"),
        weights=b"".join(parts),
        layout=source.layout,
        z_floats=4 * units,
        has_c=False,
        flags=fmt.RecurrentFlag.RESET_AFTER if after else fmt.RecurrentFlag.NONE,
        macs=3 * units * (inputs + units),
    )


def _simple(source: _Source, inputs: int, units: int) -> CellSpec:
    kernel, recurrent, bias = _stacked(source, inputs, units, 1)
    return CellSpec(
        kind=fmt.OpKind.SIMPLE_RNN,
        units=units,
        activation=source.activation("activation", "tanh"),
        recurrent_activation=fmt.Activation.LINEAR,
        weights=source.affine(kernel, recurrent, bias),
        layout=source.layout,
        z_floats=units,
        has_c=False,
        flags=fmt.RecurrentFlag.NONE,
        macs=units * (inputs + units),
    )


def _peephole(source: _Source, inputs: int, units: int) -> CellSpec:
    kernel, recurrent, bias = _stacked(source, inputs, units, 4)
    peepholes = source.weight("peephole_kernel", 3, units)
    return CellSpec(
        kind=fmt.OpKind.PEEPHOLE,
        units=units,
        activation=source.activation("activation", "tanh"),
        recurrent_activation=source.activation("recurrent_activation", "sigmoid"),
        weights=source.affine(kernel, recurrent, bias) + float_block(peepholes),
        layout=source.layout,
        z_floats=4 * units,
        has_c=True,
        flags=fmt.RecurrentFlag.NONE,
        macs=4 * units * (inputs + units) + 3 * units,
    )


def _coupled(source: _Source, inputs: int, units: int) -> CellSpec:
    kernel, recurrent, bias = _stacked(source, inputs, units, 3)
    return CellSpec(
        kind=fmt.OpKind.COUPLED,
        units=units,
        activation=source.activation("activation", "tanh"),
        recurrent_activation=source.activation("recurrent_activation", "sigmoid"),
        weights=source.affine(kernel, recurrent, bias),
        layout=source.layout,
        z_floats=3 * units,
        has_c=True,
        flags=fmt.RecurrentFlag.NONE,
        macs=3 * units * (inputs + units),
    )


_Read = Callable[[_Source, int, int], CellSpec]
_CELLS: Mapping[str, _Read] = {
    "CoupledLSTM": _coupled,
    "GRU": _gru,
    "LSTM": _lstm,
    "PeepholeLSTM": _peephole,
    "SimpleRNN": _simple,
}
