"""Which dimension of each input of a PyTorch program is the batch: found from what the program does with it.

nn.LSTM and its like say it (batch_first; states have it second); where nothing says otherwise it is the first.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.torch_program import Node, Program, Ref

SEQUENCE_TARGETS = ("aten.lstm.input", "aten.gru.input", "aten.rnn_tanh.input", "aten.rnn_relu.input")
_ROWS_FIRST = ("_cell.default", "aten.linear.default", "aten.matmul.default", "aten.mm.default", "aten.addmm.default")
_LESS_ONE = ("aten.select.int", "aten.squeeze.dim", "aten.unbind.int")
_UNKNOWN = -1
_LONGEST_WAY = 12


def batch_axes(program: Program, readers: Mapping[str, list[Node]], name: str) -> tuple[int | None, ...]:
    """What may be the batch dimension of an input, the likeliest first; None: none, as one sequence for nn.LSTM."""
    axis = _demanded(program, readers, name, 0)
    if axis != _UNKNOWN:
        return (axis,)
    return (0, 1) if len(program.shapes[name]) > 2 else (0,)


def _demanded(program: Program, readers: Mapping[str, list[Node]], name: str, depth: int) -> int | None:
    rank = len(program.shapes[name])
    for node in readers.get(name, []) if depth < _LONGEST_WAY else []:
        if node.target in SEQUENCE_TARGETS:
            sequence = node.get("input") == Ref(name)
            return 0 if sequence and node.get("batch_first") else 1
        if rank == 2 and node.target.endswith(_ROWS_FIRST):
            return 0
        if len(node.outputs) == 0:
            continue
        axis = _demanded(program, readers, node.outputs[0], depth + 1)
        found = _before(node, rank, axis, len(program.shapes[node.outputs[0]]))
        if found != _UNKNOWN:
            return found
    return _UNKNOWN


def _before(node: Node, rank: int, axis: int | None, rank_after: int) -> int | None:
    """The dimension of a node's input that becomes dimension `axis` of its output."""
    if axis is None or axis == _UNKNOWN:
        return axis
    dim = node.get("dim", 0)
    if node.target == "aten.unsqueeze.default":
        place = int(str(dim)) % (rank + 1)
        return None if axis == place else axis - (axis > place)
    if node.target in _LESS_ONE:
        return axis + (axis >= int(str(dim)) % rank)
    if node.target == "aten.transpose.int":
        one, other = (int(str(node.get(key))) % rank for key in ("dim0", "dim1"))
        return {one: other, other: one}.get(axis, axis)
    if node.target == "aten.permute.default":
        dims = node.get("dims")
        return int(dims[axis]) % rank if isinstance(dims, tuple) else _UNKNOWN
    return axis if rank_after == rank else _UNKNOWN
