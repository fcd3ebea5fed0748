"""What TFLM needs of its arena at the very least, from the model's structure alone."""

from __future__ import annotations

from harness.model.tflite_read import TfliteModel

# On a 32-bit processor, built with TF_LITE_STATIC_MEMORY, which gives the smallest structures.
# Kept for the whole run:
_EVAL_TENSOR_BYTES = 12  # TfLiteEvalTensor: data, dims, type
_NODE_BYTES = 32  # NodeAndRegistration: TfLiteNode of seven words, and a pointer to its kernel
# While memory is planned, in micro_allocation_info.h and greedy_memory_planner.h:
_ALLOCATION_INFO_BYTES = 24  # of each tensor
_PLANNED_BUFFER_BYTES = 40  # of each tensor without a constant value


def arena_floor_bytes(model: TfliteModel) -> int:
    """Bytes below which no build of TFLM for a 32-bit board starts with that model; what it really needs is more.

    Left out: the tensors' values (planning's memory is theirs later) and the kernels' own data.
    """
    kept = sum(
        _EVAL_TENSOR_BYTES * len(graph.tensors) + _NODE_BYTES * len(graph.operators) for graph in model.subgraphs
    )
    planned = sum(tensor.constant_bytes == 0 for tensor in model.main.tensors)
    return kept + _ALLOCATION_INFO_BYTES * len(model.main.tensors) + _PLANNED_BUFFER_BYTES * planned
