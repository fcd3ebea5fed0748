"""Cells that Keras does not have, for models to be trained with and tested: peephole LSTM and coupled-gate LSTM (CIFG).

    from harness.model.keras_cells import CoupledLSTMCell, PeepholeLSTMCell
    model = keras.Sequential([keras.Input((20, 6)), keras.layers.RNN(PeepholeLSTMCell(16)), keras.layers.Dense(1)])

They are registered with Keras under the package "hil", so that a saved model loads in safe mode wherever this module
has been imported; the worker that computes golden outputs imports it. This module imports Keras: import it only where
a model is made or loaded.
"""

from __future__ import annotations

from typing import Any  # Keras ships no types.

import keras
from keras import ops


class _GatedCell(keras.layers.Layer):  # type: ignore[misc,unused-ignore]
    """What both cells share: weights, states and settings. States: h and c, each (batch, units)."""

    gates = 0

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units <= 0:
            raise ValueError(f"units must be positive, got {units}")
        self.units = units
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]
        self.output_size = units

    def forget_gate(self) -> int:
        """Position of the forget gate among the gates."""
        raise NotImplementedError

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = self.gates * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = None
        if self.use_bias:
            forget = self.forget_gate()

            def initial(shape: tuple[int, ...], dtype: Any = None) -> Any:
                gates = [(ops.ones if k == forget else ops.zeros)((self.units,), dtype) for k in range(self.gates)]
                return ops.concatenate(gates)

            self.bias = self.add_weight(
                shape=(width,), initializer=initial if self.unit_forget_bias else "zeros", name="bias"
            )
        super().build(input_shape)

    def pre_activations(self, inputs: Any, h: Any) -> Any:
        """W x + U h + b of every gate, in order."""
        z = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            z = z + self.bias
        return ops.split(z, self.gates, axis=-1)

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        config = {
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "unit_forget_bias": self.unit_forget_bias,
        }
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="hil")
class PeepholeLSTMCell(_GatedCell):
    """LSTM cell whose gates see the cell state (Gers, Schraudolph and Schmidhuber 2002).

        i = gate(W_i x + U_i h + p_i * c + b_i)
        f = gate(W_f x + U_f h + p_f * c + b_f)
        c' = f * c + i * act(W_c x + U_c h + b_c)
        o = gate(W_o x + U_o h + p_o * c' + b_o)
        h' = o * act(c')

    Weights: kernel (inputs, 4 units) and recurrent_kernel (units, 4 units) with the gates in the order i, f, c, o, as
    in Keras' LSTMCell; peephole_kernel (3, units), rows p_i, p_f, p_o; bias (4 units,).
    """

    gates = 4

    def forget_gate(self) -> int:
        return 1

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.peephole_kernel = self.add_weight(
            shape=(3, self.units), initializer=keras.initializers.RandomUniform(-0.1, 0.1), name="peephole_kernel"
        )
        super().build(input_shape)

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        h, c = states
        i, f, new, o = self.pre_activations(inputs, h)
        i = self.recurrent_activation(i + self.peephole_kernel[0] * c)
        f = self.recurrent_activation(f + self.peephole_kernel[1] * c)
        c = f * c + i * self.activation(new)
        o = self.recurrent_activation(o + self.peephole_kernel[2] * c)
        h = o * self.activation(c)
        return h, [h, c]


@keras.saving.register_keras_serializable(package="hil")
class CoupledLSTMCell(_GatedCell):
    """LSTM cell whose input gate is what the forget gate leaves: CIFG (Greff et al. 2017).

        f = gate(W_f x + U_f h + b_f)
        c' = f * c + (1 - f) * act(W_c x + U_c h + b_c)
        o = gate(W_o x + U_o h + b_o)
        h' = o * act(c')

    Weights: kernel (inputs, 3 units), recurrent_kernel (units, 3 units), bias (3 units,), gates in the order f, c, o.
    """

    gates = 3

    def forget_gate(self) -> int:
        return 0

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        h, c = states
        f, new, o = self.pre_activations(inputs, h)
        f = self.recurrent_activation(f)
        c = f * c + (1.0 - f) * self.activation(new)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]
