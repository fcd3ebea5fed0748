"""Make this bundle: an LSTM cell written out in PyTorch, 784 -> 4, no bias, its gates in an order of its own.

    python models/torch_cell/make.py

Seeded weights, not trained: the bundle is about the order of gates and the arithmetic. Needs PyTorch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import seed_torch_weights, write_torch_bundle

SEED = 784
VECTORS = 16


def build() -> Any:
    """The module, with weights from SEED."""
    import torch
    from torch import nn

    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear1 = nn.Linear(784, 16, bias=False)
            self.linear2 = nn.Linear(4, 16, bias=False)

        def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            # Not PyTorch's own order, which is i, f, g, o.
            f, i, new, o = (self.linear1(x) + self.linear2(h)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(new)
            return torch.sigmoid(o) * torch.tanh(c), c

    cell = Cell()
    seed_torch_weights(cell, SEED)
    return cell


def draw_vectors() -> dict[str, np.ndarray]:
    """x (VECTORS, 784): images, a bright patch on black; h, c (VECTORS, 4) float32: states, the first ones zero."""
    random = np.random.default_rng(SEED)
    images = np.zeros((VECTORS, 28, 28), np.float32)
    for image in images:
        top, left = random.integers(2, 16, 2)
        image[top : top + 10, left : left + 10] = random.random((10, 10))
    h = np.tanh(random.normal(0, 1, (VECTORS, 4))).astype(np.float32)
    c = random.normal(0, 1, (VECTORS, 4)).astype(np.float32)
    h[:2] = c[:2] = 0
    return {"x": images.reshape(VECTORS, 784), "h": h, "c": c}


if __name__ == "__main__":
    print(write_torch_bundle(Path(__file__).resolve().parent, build(), draw_vectors()).hex())
    sys.exit(0)
