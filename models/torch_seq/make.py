"""Make this bundle: PyTorch's nn.LSTM of two layers with a Linear layer at every step.

    python models/torch_seq/make.py

Seeded weights, not trained: the bundle is about the shapes and the arithmetic. Needs PyTorch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.bundle_make import seed_torch_weights, write_torch_bundle

SEED = 1032
VECTORS = 24


def build() -> Any:
    """The module, with weights from SEED."""
    import torch
    from torch import nn

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(10, 32, num_layers=2, batch_first=True)
            self.linear = nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.lstm(x)[0])

    module = Sequence()
    seed_torch_weights(module, SEED)
    return module


def draw_vectors() -> dict[str, np.ndarray]:
    """x (VECTORS, 15, 10) float32."""
    return {"x": np.random.default_rng(SEED).normal(0, 1, (VECTORS, 15, 10)).astype(np.float32)}


if __name__ == "__main__":
    print(write_torch_bundle(Path(__file__).resolve().parent, build(), draw_vectors()).hex())
    sys.exit(0)
