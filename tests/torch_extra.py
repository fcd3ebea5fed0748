"""What tests of PyTorch models share: they are skipped, and say so, where the extra `torch` is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="not proved: PyTorch models; the extra torch is not installed (HIL_SETUP_EXTRAS=torch make setup)",
)


def save_program(module: Any, arguments: tuple[Any, ...], path: Path, **options: Any) -> Path:
    """Export a module, in the mode it is in, and save the program."""
    import torch

    torch.export.save(torch.export.export(module, arguments, **options), path)
    return path
