"""Values, buffers and ops of one model while it is packed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_plan import FOREVER, Buffer, plan


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in the making.

    Attributes:
        shape: without the batch dimension.
        buffer: index into the builder's buffers; None for recurrent state.
        state: arena offset in bytes of recurrent state; None for buffers.
    """

    shape: tuple[int, ...]
    buffer: int | None = None
    state: int | None = None

    @property
    def steps(self) -> int:
        return math.prod(self.shape[:-1])

    @property
    def width(self) -> int:
        return self.shape[-1]


@dataclass(slots=True)
class Builder:
    """Collects values, buffers and ops of one graph; offsets are known only in `finish`."""

    graph: ModelGraph
    values: dict[str, Value] = field(default_factory=dict)
    buffers: list[Buffer] = field(default_factory=list)
    state_bytes: int = 0
    ops: list[Callable[[Callable[[Value], int]], fmt.Op]] = field(default_factory=list)
    macs: int = 0

    def __post_init__(self) -> None:
        graph = self.graph
        if not graph.inputs or not graph.outputs:
            raise UsageError("the model has no inputs or no outputs")
        if len(graph.inputs) + len(graph.outputs) > 255:
            raise UsageError("the rnn engine takes up to 255 inputs and outputs in all")
        for name, shape in graph.inputs.items():
            self.values[name] = self._tensor(f"input {name!r}", shape, -1, FOREVER)

    def _tensor(self, what: str, shape: tuple[int, ...], first: int, last: int) -> Value:
        if not 1 <= len(shape) <= fmt.MAX_DIMS or any(size < 1 for size in shape):
            raise UsageError(
                f"{what} has shape {shape}; the rnn engine takes 1 to {fmt.MAX_DIMS} dimensions of known length",
                hint="give the model a fixed number of time steps: Input(shape=(steps, features))",
            )
        return Value(shape, buffer=self._buffer(4 * math.prod(shape), first, last))

    def _buffer(self, size: int, first: int, last: int) -> int:
        self.buffers.append(Buffer(size, first, last))
        return len(self.buffers) - 1

    def source(self, layer: LayerSpec) -> Value:
        """The one value a layer reads; it stays alive until the op that is added next."""
        if len(layer.inputs) != 1:
            raise UsageError(
                f"layer {layer.name!r} ({layer.kind}) reads {len(layer.inputs)} tensors; "
                "the rnn engine takes layers that read one",
                hint="initial states given as inputs and merging layers are not supported",
            )
        value = self.values.get(layer.inputs[0])
        if value is None:
            raise UsageError(f"layer {layer.name!r} reads {layer.inputs[0]!r}, which the rnn engine does not make")
        self._use(value)
        return value

    def _use(self, value: Value, until: int | None = None) -> None:
        if value.buffer is not None:
            old = self.buffers[value.buffer]
            last = max(old.last, len(self.ops) if until is None else until)
            self.buffers[value.buffer] = Buffer(old.bytes, old.first, last)

    def result(self, layer: LayerSpec, shape: tuple[int, ...]) -> Value:
        """A new buffer for what the op that is added next writes."""
        now = len(self.ops)
        return self._tensor(f"the output of layer {layer.name!r}", shape, now, now)

    def scratch(self, floats: int) -> Value:
        """A buffer for the op that is added next alone."""
        now = len(self.ops)
        return Value((floats,), buffer=self._buffer(4 * floats, now, now))

    def state(self, floats: int) -> Value:
        """Recurrent state: never shared, cleared by reset."""
        at = self.state_bytes
        self.state_bytes += 4 * floats
        return Value((floats,), state=at)

    def finish(self) -> tuple[bytes, int, int]:
        outputs = []
        for name in self.graph.outputs:
            value = self.values.get(name)
            if value is None:
                raise UsageError(f"the model returns {name!r}, which the rnn engine does not make")
            if max(value.shape) > 65535:
                raise UsageError(
                    f"output {name!r} has shape {value.shape}; the rnn engine takes up to 65535 per dimension"
                )
            self._use(value, FOREVER)
            outputs.append(value)
        offsets, arena_bytes = plan(self.buffers, base=self.state_bytes)
        if arena_bytes > fmt.MAX_ARENA_BYTES:
            raise UsageError(
                f"the model needs an arena of {arena_bytes} bytes; the rnn engine takes {fmt.MAX_ARENA_BYTES}"
            )

        def place(value: Value) -> int:
            if value.buffer is not None:
                return offsets[value.buffer]
            assert value.state is not None
            return value.state

        blob = fmt.encode_blob(
            [fmt.Tensor(self.values[name].shape, place(self.values[name])) for name in self.graph.inputs],
            [fmt.Tensor(value.shape, place(value)) for value in outputs],
            [op(place) for op in self.ops],
            arena_bytes=arena_bytes,
            state_bytes=self.state_bytes,
        )
        return blob, arena_bytes, self.macs
