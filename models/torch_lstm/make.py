"""Make this bundle: PyTorch's nn.LSTM of two layers that is given h0 and c0 and returns h and c.

    python models/torch_lstm/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs PyTorch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import seed_torch_weights, write_torch_bundle

SEED = 1020
VECTORS = 24


def build() -> Any:
    """The module, with weights from SEED."""
    import torch
    from torch import nn

    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(10, 20, num_layers=2, batch_first=True)

        def forward(self, x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor) -> tuple[torch.Tensor, ...]:
            output, (h, c) = self.lstm(x, (h0, c0))
            return output, h, c

    module = Lstm()
    seed_torch_weights(module, SEED)
    return module


def draw_vectors() -> dict[str, np.ndarray]:
    """x (VECTORS, 5, 10), h0 and c0 (VECTORS, 2, 20) float32."""
    random = np.random.default_rng(SEED)
    shapes = {"x": (5, 10), "h0": (2, 20), "c0": (2, 20)}
    return {name: random.normal(0, 1, (VECTORS, *shape)).astype(np.float32) for name, shape in shapes.items()}


if __name__ == "__main__":
    print(write_torch_bundle(Path(__file__).resolve().parent, build(), draw_vectors()).hex())
    sys.exit(0)
