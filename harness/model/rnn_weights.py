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


def affine_block(kernel: FloatArray, bias: FloatArray, *, first: int, int8: bool) -> bytes:
    """`affine_weights` as bytes, or the same rows in int8.

    Args:
        kernel: (inputs, outputs); the first `first` inputs are those of the first vector, which has a scale of its own.
        bias: (outputs,).

    Returns:
        int8: per row its bias and the scales of both vectors' weights (max|w| / 127 each, float32), then per row the
        weights over their scale, rounded to nearest; a multiple of 4 bytes.
    """
    if not int8:
        return affine_weights(kernel, bias).astype("<f4").tobytes()
    scales, rows = [], []
    for part in (kernel[:first], kernel[first:]):
        top = np.abs(part).max(axis=0) if len(part) else np.zeros(kernel.shape[1])
        scale = np.where(top > 0, top / 127.0, 1.0).astype(np.float32)
        scales.append(scale)
        rows.append(np.clip(np.rint(part.astype(np.float64) / scale), -127, 127).astype(np.int8))
    head = np.stack([bias, *scales], axis=1).astype("<f4").tobytes()
    body = np.ascontiguousarray(np.concatenate(rows).T).tobytes()
    return head + body.ljust(-(-len(body) // 4) * 4, b"\0")


def float_block(weights: FloatArray) -> bytes:
    """Floats as they stand."""
    return np.ascontiguousarray(weights, "<f4").tobytes()
