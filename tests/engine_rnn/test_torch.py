"""Random PyTorch models from export to engine: the program as torch runs it, as the worker runs it, as the engine does.

HIL_TORCH_MODELS=1000 tries that many models in place of a few. A distance is a share of the output's range, as in
`against_keras`. Numbers that hardly vary have a range below what float32 resolves: where the engine is farther than the
limit from torch, its distance from the module in float64 counts, if that is smaller. It is the module that judges, not
the graph made of it, as a wrong graph is what this is to find.
"""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.model.torch_file import read_torch_file
from harness.model.torch_graph import Description, describe
from harness.model.torch_worker import Runner
from tests.engine_rnn.against_keras import LIMIT, engine_rows, share_of_range
from tests.engine_rnn.engine import Engine
from tests.torch_extra import needs_torch, save_program

MODELS = int(os.environ.get("HIL_TORCH_MODELS", "25"))
VECTORS = 4
# The worker's kernels are those of the module, but their operands lie elsewhere in memory.
SAME_KERNELS = 5e-6

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
        table = engine_rows(engine, description.graph, vectors)
        distances.append(share_of_range(table, list(outputs), outputs))
        if distances[-1] > LIMIT:
            exact = _in_float64(torch, module, vectors, description, plan.batch)
            distances[-1] = min(distances[-1], share_of_range(table, exact, outputs))
        assert distances[-1] <= LIMIT
        # A loop over time is one layer again, however it was written.
        kinds = [layer.kind for layer in description.graph.layers]
        assert sum(kind in ("LSTM", "GRU", "SimpleRNN", "Bidirectional") for kind in kinds) == plan.layers

    agree()
    print(f"{len(distances)} PyTorch models: worst {max(distances):.2e} of the output's range")


def _in_float64(torch: Any, module: Any, vectors: list[Any], description: Description, batch: int) -> list[Any]:
    """The module's outputs, (vectors, *shape) each."""
    wide = copy.deepcopy(module).double()
    rows = []
    with torch.inference_mode():
        for vector in zip(*vectors, strict=True):
            arguments = zip(vector, description.input_axes, strict=True)
            tensors = wide(*(_batched(torch, array, axis, batch).double() for array, axis in arguments))
            rows.append([np.take(t.numpy(), 0, axis) for t, axis in zip(tensors, description.output_axes, strict=True)])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _batched(torch: Any, array: np.ndarray, axis: int, batch: int) -> Any:
    return torch.from_numpy(np.ascontiguousarray(np.repeat(np.expand_dims(array, axis), batch, axis)))
