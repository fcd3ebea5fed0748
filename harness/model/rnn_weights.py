"""Weights in the order in which the rnn engine's kernels read them (rnn_format.h)."""

from __future__ import annotations

import numpy as np

from harness.model.graph import FloatArray


def lstm_weights(kernel: FloatArray, recurrent_kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Put LSTM weights into the kernel's reading order.

    Args:
        kernel: (inputs, 4 units), gates i, f, c, o as Keras has them.
        recurrent_kernel: (units, 4 units).
        bias: (4 units,).

    Returns:
        Flat array. Per pair of units (a, b): biases {ia ib fa fb oa ob ca cb}, then the same eight per input, then per
        recurrent unit. An odd last unit is paired with zeros.
    """
    units = recurrent_kernel.shape[0]
    rows = np.concatenate([bias[np.newaxis], kernel, recurrent_kernel]).astype(np.float32, copy=False)
    gates = rows.reshape(len(rows), 4, units)[:, [0, 1, 3, 2], :]
    padded = np.zeros((len(rows), 4, units + units % 2), dtype=np.float32)
    padded[:, :, :units] = gates
    pairs = padded.reshape(len(rows), 4, -1, 2)
    return np.ascontiguousarray(pairs.transpose(2, 0, 1, 3)).reshape(-1)


def affine_weights(kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Put rows of weights into the reading order of everything but the LSTM.

    Args:
        kernel: (inputs, outputs); where two vectors are read, the first one's inputs come first.
        bias: (outputs,).

    Returns:
        Flat array. Per whole group of 8 outputs: 8 biases, then 8 weights per input; per remaining output: its bias,
        then its inputs.
    """
    rows = np.concatenate([bias[np.newaxis], kernel]).astype(np.float32, copy=False)
    whole = rows.shape[1] // 8 * 8
    groups = rows[:, :whole].reshape(len(rows), -1, 8).transpose(1, 0, 2)
    return np.concatenate([groups.reshape(-1), rows[:, whole:].T.reshape(-1)])
