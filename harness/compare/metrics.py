"""How far one set of outputs is from another, in the figures of ST Edge AI's validation report.

p is the evaluated output (usually the board's), r the reference (usually Keras'), e = p - r. docs/metrics.md has the
formulae and how to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["regression", "classification"]

Array = NDArray[np.generic]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metrics:
    """p = evaluated output, r = reference, e = p - r, over all n elements of all vectors.

    A figure is None where it has no value; it is never NaN or infinite.

    Attributes:
        n: elements compared.
        finite: False if either side holds a NaN or Inf; every figure below is then None, and no verdict can be a pass.
        max_abs: max|e|, in units of the output.
        max_abs_vector: index of the (first) vector with that error.
        rmse: sqrt(mean e^2).
        mae: mean |e|.
        mean: mean e; the bias.
        std: standard deviation of e (ddof=1; 0.0 for n < 2).
        l2r: ||e|| / ||p||. ST divides by the evaluated output, not by the reference. None where ||p|| is 0.
        nse: Nash-Sutcliffe efficiency, 1 - mean(e^2) / var(r, ddof=1). None where var(r) is 0 or n < 2.
        cos: <r,p> / (||r|| ||p||). None where a norm is 0.
        r2: coefficient of determination, 1 - sum(e^2) / sum((r - mean r)^2). None where nse is.
        acc: vectors (for sequences: time steps) whose argmax agrees, percent. None unless the task is classification.
        max_ulp: largest distance in float32 units in the last place. None unless both sides are float32.
    """

    n: int
    finite: bool
    max_abs: float | None
    max_abs_vector: int | None
    rmse: float | None
    mae: float | None
    mean: float | None
    std: float | None
    l2r: float | None
    nse: float | None
    cos: float | None
    r2: float | None
    acc: float | None
    max_ulp: int | None


def compute_metrics(p: Array, r: Array, *, task: Task) -> Metrics:
    """Metrics of `p` against `r`.

    Args:
        p, r: the same shape (vectors, ...), real numbers; sums are kept in float64. For a model with several outputs
            see `stack_outputs`; for class labels as the reference see `harness.compare.classification.one_hot`.
        task: "classification" adds `acc`.

    Raises:
        ValueError: shapes differ, or there is nothing to compare.
    """
    _check_shapes(p, r)
    p64, r64 = p.astype(np.float64), r.astype(np.float64)
    n = int(p64.size)
    if not (np.isfinite(p64).all() and np.isfinite(r64).all()):
        return Metrics(n, False, *([None] * 12))

    e = p64 - r64
    abs_e = np.abs(e)
    # Squares of anything float32 holds fit float64.
    square_sum, p_norm, r_norm = (
        float(np.sum(e * e)),
        float(np.sqrt(np.sum(p64 * p64))),
        float(np.sqrt(np.sum(r64 * r64))),
    )
    mse = square_sum / n
    r_squares = float(np.sum((r64 - r64.mean()) ** 2)) if np.ptp(r64) > 0 else 0.0
    varies = n > 1 and r_squares > 0
    return Metrics(
        n=n,
        finite=True,
        max_abs=float(abs_e.max()),
        max_abs_vector=int(np.argmax(_per_vector(abs_e))),
        rmse=float(np.sqrt(mse)),
        mae=float(abs_e.mean()),
        mean=float(e.mean()),
        std=float(e.std(ddof=1)) if n > 1 else 0.0,
        l2r=float(np.sqrt(square_sum)) / p_norm if p_norm > 0 else None,
        nse=1 - mse / (r_squares / (n - 1)) if varies else None,
        # Rounding can put the quotient a hair beyond 1.
        cos=float(np.clip(np.sum(p64 * r64) / p_norm / r_norm, -1, 1)) if p_norm > 0 and r_norm > 0 else None,
        r2=1 - square_sum / r_squares if varies else None,
        acc=100 * float(np.mean(predicted_classes(p64) == predicted_classes(r64)))
        if task == "classification"
        else None,
        max_ulp=_max_ulp(p, r) if p.dtype == np.float32 and r.dtype == np.float32 else None,
    )


def predicted_classes(scores: Array) -> NDArray[np.intp]:
    """Class of each vector (or time step): argmax over the last axis; for a single score, whether it is above 0.5."""
    if scores.ndim < 2 or scores.shape[-1] == 1:
        single = scores if scores.ndim < 2 else scores[..., 0]
        return (single.astype(np.float64) > 0.5).astype(np.intp)
    return np.asarray(np.argmax(scores, axis=-1), np.intp)


def stack_outputs(outputs: Sequence[Array]) -> Array:
    """One array (vectors, elements) of all outputs of a model, side by side; a single output stays as it is."""
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate([output.reshape(len(output), -1) for output in outputs], axis=1)


def vector_errors(p: Array, r: Array) -> Float64Array:
    """max|p - r| of each vector, shape (vectors,); inf where either side is not finite.

    Raises:
        ValueError: shapes differ, or there is nothing to compare.
    """
    _check_shapes(p, r)
    with np.errstate(invalid="ignore"):  # Inf - Inf
        e = np.abs(p.astype(np.float64) - r.astype(np.float64))
    return _per_vector(np.where(np.isfinite(e), e, np.inf))


def worst_vectors(p: Array, r: Array, count: int = 5) -> list[int]:
    """Indices of the vectors with the largest error, worst first; equal ones in vector order."""
    return [int(index) for index in np.argsort(-vector_errors(p, r), kind="stable")[:count]]


def lsb_histogram(p: Array, r: Array) -> dict[int, int]:
    """Of quantised outputs: difference in LSB -> how many elements have it, in rising order.

    Raises:
        ValueError: shapes differ, there is nothing to compare, or either side is not of an integer type.
    """
    _check_shapes(p, r)
    if not (np.issubdtype(p.dtype, np.integer) and np.issubdtype(r.dtype, np.integer)):
        raise ValueError(f"LSB are of integers, not of {p.dtype} and {r.dtype}")
    values, counts = np.unique(p.astype(np.int64) - r.astype(np.int64), return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def _check_shapes(p: Array, r: Array) -> None:
    if p.shape != r.shape:
        raise ValueError(f"outputs of shape {p.shape} can't be compared with a reference of shape {r.shape}")
    if p.size == 0 or p.ndim == 0:
        raise ValueError(f"nothing to compare: shape {p.shape}")


def _per_vector(errors: Float64Array) -> Float64Array:
    return np.asarray(errors.reshape(len(errors), -1).max(axis=1), np.float64)


def _max_ulp(p: Array, r: Array) -> int:
    return int(np.max(np.abs(_float32_rank(p) - _float32_rank(r))))


def _float32_rank(values: Array) -> NDArray[np.int64]:
    """Position of each float32 among all float32, with both zeros at 0: neighbours differ by 1."""
    bits = np.ascontiguousarray(values).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
