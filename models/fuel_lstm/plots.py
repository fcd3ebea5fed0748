"""Plots of the training: what the table looks like, and how far the model is off. PNG files, no display needed."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

BLUE, ORANGE, GREY = "#2a6f97", "#e07a1f", "#8a8a8a"


def exploration(table: pd.DataFrame, folder: Path) -> None:
    """pairs.png: every column against every other; spearman.png: rank correlations."""
    names = [str(name) for name in table.columns]
    values = table.to_numpy(float)
    count = len(names)
    figure, axes = plt.subplots(count, count, figsize=(2.4 * count, 2.4 * count), layout="constrained")
    for row in range(count):
        for column in range(count):
            axis = axes[row, column]
            if row == column:
                axis.hist(values[:, row], bins=25, color=BLUE)
            else:
                axis.plot(values[:, column], values[:, row], ".", ms=3, color=BLUE, alpha=0.4)
            if row == count - 1:
                axis.set_xlabel(names[column].strip().capitalize())
            if column == 0:
                axis.set_ylabel(names[row].strip().capitalize())
    _save(figure, folder / "pairs.png")

    correlation = table.corr(method="spearman").to_numpy()
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    image = axis.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu")
    for row in range(count):
        for column in range(count):
            value = correlation[row, column]
            axis.text(
                column, row, f"{value:.2f}", ha="center", va="center", color="white" if abs(value) > 0.6 else "black"
            )
    labels = [name.strip().capitalize() for name in names]
    axis.set_xticks(range(count), labels, rotation=30, ha="right")
    axis.set_yticks(range(count), labels)
    axis.set_title("Spearman correlation")
    figure.colorbar(image)
    _save(figure, folder / "spearman.png")


def losses(history: dict[str, list[float]], folder: Path) -> None:
    """losses.png: training and validation MAE by epoch."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    axis.plot(history["loss"], color=BLUE, label="training")
    axis.plot(history["val_loss"], color=ORANGE, label="validation")
    axis.set(xlabel="epoch", ylabel="MAE, L/100 km", yscale="log", title="Loss")
    axis.legend()
    _save(figure, folder / "losses.png")


def evaluation(part: str, predicted: np.ndarray, target: np.ndarray, folder: Path) -> None:
    """residuals_, histogram_ and series_<part>.png for predictions and targets of shape (rows,)."""
    residual = target - predicted
    mean, deviation = float(residual.mean()), float(residual.std(ddof=1))

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    axis.plot(predicted, residual, ".", color=BLUE, alpha=0.6)
    axis.axhline(mean, color=ORANGE, label=f"mean {mean:.2f}")
    for sign in (-2, 2):
        label = f"mean ± 2 sd ({deviation:.2f})" if sign == 2 else None
        axis.axhline(mean + sign * deviation, color=GREY, ls="--", label=label)
    axis.set(xlabel="predicted, L/100 km", ylabel="target - predicted, L/100 km", title=f"Residuals, {part} set")
    axis.legend()
    _save(figure, folder / f"residuals_{part}.png")

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    axis.hist(residual, bins=30, color=BLUE)
    axis.set(xlabel="target - predicted, L/100 km", ylabel="rows", title=f"Residuals, {part} set")
    _save(figure, folder / f"histogram_{part}.png")

    figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
    axis.plot(target, color=GREY, lw=1.2, label="original")
    axis.plot(predicted, color=ORANGE, lw=1, label="predicted")
    axis.set(xlabel="row", ylabel="L/100 km", title=f"Fuel consumption, {part} set")
    axis.legend()
    _save(figure, folder / f"series_{part}.png")


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
