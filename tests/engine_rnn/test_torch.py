"""Random PyTorch models from export to engine: the program as torch runs it, as the worker runs it, as the engine does.

HIL_TORCH_MODELS=1000 tries that many models in place of a few.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.model.rnn_pack import pack
from harness.model.torch_file import read_torch_file
from harness.model.torch_graph import describe
from harness.model.torch_worker import Runner
from tests.engine_rnn.engine import Engine, Init
from tests.torch_extra import needs_torch, save_program

MODELS = int(os.environ.get("HIL_TORCH_MODELS", "25"))
VECTORS = 4
LIMIT = 1e-5  # of the range of each output
SMALLEST_RANGE = 0.01
# The worker's kernels are those of the module, but their operands lie elsewhere in memory.
SAME_KERNELS = 2e-6

pytestmark = [needs_torch, pytest.mark.timeout(60 + 2 * MODELS)]


def test_the_engine_computes_what_torch_computes(engine: Engine, tmp_path: Path) -> None:
    import torch

    from tests.engine_rnn.torch_models import Model, Plan, plans

    torch.set_num_threads(1)
    worst = 0.0

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
        nonlocal worst
        module = Model(plan).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own export
            program = read_torch_file(save_program(module, module.inputs(), tmp_path / "model.pt2"))
        description = describe(program)
        run = Runner(torch, program, description)
        packed = pack(description.graph)
        engine.load(packed.blob)
        assert engine.init(packed.arena_bytes) == Init(0, 0, packed.arena_bytes)
        random = np.random.default_rng(seed)
        pairs = []
        for _ in range(VECTORS):
            vector = [random.normal(0, 1, s).astype(np.float32) for s in description.graph.inputs.values()]
            with torch.inference_mode():
                golden = run(vector)
                own = module(
                    *(_batched(torch, *each, plan.batch) for each in zip(vector, description.input_axes, strict=True))
                )
            for tensor, array, axis in zip(own, golden, description.output_axes, strict=True):
                np.testing.assert_allclose(np.take(tensor.numpy(), 0, axis), array, rtol=0, atol=SAME_KERNELS)
            engine.reset()
            pairs.append((np.concatenate([array.ravel() for array in golden]), engine.invoke(*vector)))
        wanted, got = (np.stack(side) for side in zip(*pairs, strict=True))
        for part in _parts([array.size for array in golden]):
            spread = max(float(np.ptp(wanted[:, part])), SMALLEST_RANGE)
            worst = max(worst, float(np.abs(wanted[:, part] - got[:, part]).max()) / spread)
        assert worst <= LIMIT
        # A loop over time is one layer again, however it was written.
        kinds = [layer.kind for layer in description.graph.layers]
        assert sum(kind in ("LSTM", "GRU", "SimpleRNN", "Bidirectional") for kind in kinds) == plan.layers

    agree()
    print(f"{MODELS} PyTorch models: worst {worst:.2e} of the output's range")


def _batched(torch, array, axis, batch):  # type: ignore[no-untyped-def]
    return torch.from_numpy(np.ascontiguousarray(np.repeat(np.expand_dims(array, axis), batch, axis)))


def _parts(sizes: list[int]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]
