"""Random PyTorch models from export to engine: the program as torch runs it, as the worker runs it, as the engine does.

HIL_TORCH_MODELS=1000 tries that many models in place of a few. How far the engine may be is measured as for Keras
models (`against_keras`).
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.model.golden_file import Golden
from harness.model.torch_file import read_torch_file
from harness.model.torch_graph import describe
from harness.model.torch_worker import Runner
from tests.engine_rnn.against_keras import LIMIT, Case, distance
from tests.engine_rnn.engine import Engine
from tests.torch_extra import needs_torch, save_program

MODELS = int(os.environ.get("HIL_TORCH_MODELS", "25"))
VECTORS = 4
# The worker's kernels are those of the module, but their operands lie elsewhere in memory.
SAME_KERNELS = 2e-6

pytestmark = [needs_torch, pytest.mark.timeout(60 + 2 * MODELS)]


def test_the_engine_computes_what_torch_computes(engine: Engine, tmp_path: Path) -> None:
    import torch

    from tests.engine_rnn.torch_models import Model, Plan, plans

    torch.set_num_threads(1)
    distances = []

    # No shrinking: an export takes a while, and the plan that is printed says enough.
    @settings(
        max_examples=MODELS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plans(), st.integers(0, 2**31))
    def agree(plan: Plan, seed: int) -> None:
        module = Model(plan).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own export
            program = read_torch_file(save_program(module, module.inputs(), tmp_path / "model.pt2"))
        description = describe(program)
        random = np.random.default_rng(seed)
        shapes = description.graph.inputs.values()
        vectors = [random.normal(0, 1, (VECTORS, *shape)).astype(np.float32) for shape in shapes]
        run = Runner(torch, program, description)
        golden = []
        with torch.inference_mode():
            for vector in zip(*vectors, strict=True):
                golden.append(run(list(vector)))
                given_axes = zip(vector, description.input_axes, strict=True)
                own = module(*(_batched(torch, array, axis, plan.batch) for array, axis in given_axes))
                for tensor, array, axis in zip(own, golden[-1], description.output_axes, strict=True):
                    np.testing.assert_allclose(np.take(tensor.numpy(), 0, axis), array, rtol=0, atol=SAME_KERNELS)
        outputs = tuple(np.stack(column) for column in zip(*golden, strict=True))
        distances.append(distance(engine, Case(seed, Golden(outputs, description.graph, bytes(32), False), vectors)))
        assert distances[-1] <= LIMIT
        # A loop over time is one layer again, however it was written.
        kinds = [layer.kind for layer in description.graph.layers]
        assert sum(kind in ("LSTM", "GRU", "SimpleRNN", "Bidirectional") for kind in kinds) == plan.layers

    agree()
    print(f"{len(distances)} PyTorch models: worst {max(distances):.2e} of the output's range")


def _batched(torch: Any, array: np.ndarray, axis: int, batch: int) -> Any:
    return torch.from_numpy(np.ascontiguousarray(np.repeat(np.expand_dims(array, axis), batch, axis)))
