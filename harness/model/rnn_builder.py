"""Values, buffers and ops of one model while it is packed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.packed import TracePoint
from harness.model.rnn_encode import encode_blob
from harness.model.rnn_plan import FOREVER, Buffer, plan


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in the making.

    Attributes:
        shape: without the batch dimension.
        buffer: index into the builder's buffers; None for recurrent state.
        offset: bytes from the start of the buffer, or of the arena for recurrent state.
    """

    shape: tuple[int, ...]
    buffer: int | None
    offset: int = 0

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def steps(self) -> int:
        return math.prod(self.shape[:-1])

    @property
    def width(self) -> int:
        return self.shape[-1]

    def shaped(self, shape: tuple[int, ...], *, skip_floats: int = 0) -> Value:
        """The same memory with another shape, or a part of it."""
        return replace(self, shape=shape, offset=self.offset + 4 * skip_floats)


@dataclass(frozen=True, slots=True)
class Integers:
    """How the integers of a value stand for real numbers: real = scale * (stored - zero_point); 8 or 16 `bits`.

    With a scale of 0 they are whole numbers as they stand.
    """

    scale: float
    zero_point: int
    bits: int = 8


_FLOAT = Integers(0.0, 0, bits=32)  # stands for a value that is no integers


class Unknown:
    """A mask this packer doesn't follow: fine until a layer needs it."""


Mask = Value | Unknown | None
Place = Callable[[Value], int]


@dataclass(slots=True)
class Builder:
    """Collects values, masks, buffers and ops of one graph; offsets are known only in `finish`."""

    graph: ModelGraph
    int8_weights: bool = False
    integers: dict[str, Integers] = field(default_factory=dict)  # of the values kept so; all others are float32
    values: dict[str, Value] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    used_masks: set[Value] = field(default_factory=set)  # by recurrent layers
    mask_sources: dict[Value | None, str] = field(default_factory=dict)  # mask -> name of the tensor it was made from
    state_bytes: int = 0
    macs: int = 0
    _buffers: list[Buffer] = field(default_factory=list)
    _states: dict[str, Value] = field(default_factory=dict)
    _ops: list[Callable[[Place], fmt.Op]] = field(default_factory=list)
    _points: list[tuple[str, int, int, int, Value]] = field(default_factory=list)

    def __post_init__(self) -> None:
        graph = self.graph
        if not graph.inputs or not graph.outputs:
            raise UsageError("the model has no inputs or no outputs")
        if len(graph.inputs) + len(graph.outputs) > 255:
            raise UsageError("the rnn engine takes up to 255 inputs and outputs in all")
        for name, shape in graph.inputs.items():
            self.values[name] = self.result(f"input {name!r}", shape, bits=self.integers.get(name, _FLOAT).bits)
            self._touch(self.values[name], -1)
            self._touch(self.values[name], FOREVER)

    def source(self, layer: LayerSpec) -> Value:
        """The one value a layer reads."""
        if len(layer.inputs) != 1:
            raise UsageError(
                f"layer {layer.name!r} ({layer.kind}) reads {len(layer.inputs)} tensors; the rnn engine takes one here"
            )
        return self.sources(layer)[0]

    def sources(self, layer: LayerSpec) -> list[Value]:
        """All values a layer reads."""
        for name in layer.inputs:
            if name not in self.values:
                raise UsageError(f"layer {layer.name!r} reads {name!r}, which the rnn engine does not make")
        return [self.values[name] for name in layer.inputs]

    def result(self, what: str, shape: tuple[int, ...], *, bits: int = 32) -> Value:
        """A new buffer, alive from the first to the last op that is told of it."""
        if not 1 <= len(shape) <= fmt.MAX_DIMS or any(size < 1 for size in shape):
            raise UsageError(
                f"{what} has shape {shape}; the rnn engine takes 1 to {fmt.MAX_DIMS} dimensions of known length",
                hint="give the model a fixed number of time steps: Input(shape=(steps, features))",
            )
        return self.scratch(-(-math.prod(shape) * bits // 32)).shaped(shape)

    def output(self, layer: LayerSpec, shape: tuple[int, ...]) -> Value:
        """As `result`, for what a layer gives."""
        return self.result(f"the output of layer {layer.name!r}", shape)

    def scratch(self, floats: int) -> Value:
        self._buffers.append(Buffer(4 * floats, FOREVER, -1))
        return Value((floats,), len(self._buffers) - 1)

    def state(self, key: str, floats: int) -> Value:
        """Recurrent state: never shared, cleared by reset. The same key gives the same state."""
        if key not in self._states:
            self._states[key] = Value((floats,), None, self.state_bytes)
            self.state_bytes += 4 * floats
        return self._states[key]

    def emit(self, op: Callable[[Place], fmt.Op], uses: Sequence[Value]) -> None:
        """Add an op. `uses`: every value it reads, writes or scribbles on."""
        for value in uses:
            self._touch(value, len(self._ops))
        self._ops.append(op)

    def copy(self, index: int, source: Value, target: Value) -> None:
        """Add an op that copies all of `source`."""
        count = source.count
        rows, width = (1, count) if count <= fmt.MAX_WIDTH else (source.steps, source.width)
        self.emit(
            lambda place: fmt.ActivationOp(
                layer=index,
                steps=rows,
                width=width,
                activation=fmt.Activation.LINEAR,
                src=place(source),
                dst=place(target),
                src_stride=width,
                dst_stride=width,
            ),
            [source, target],
        )

    def name(self, index: int, layer: LayerSpec, value: Value, mask: Mask) -> None:
        """That is what the layer gives: later layers find it by the layer's name."""
        self.values[layer.name] = value
        self.masks[layer.name] = mask
        self.outlive(index, layer.name)

    def mask_of(self, layer: LayerSpec) -> Mask:
        """The mask of what the layer reads first."""
        return self.masks.get(layer.inputs[0])

    def outlive(self, index: int, name: str) -> None:
        """Where the model returns recurrent state, copy it: an output must outlive a reset of the state."""
        value = self.values.get(name)
        if value is not None and value.buffer is None and name in self.graph.outputs:
            kept = self.result(f"output {name!r}", value.shape)
            self.copy(index, value, kept)
            self.values[name] = kept

    @property
    def op_count(self) -> int:
        return len(self._ops)

    def layer_done(self, index: int, first_op: int, macs: int) -> None:
        """Remember where a layer's output can be seen right after its last op."""
        name = self.graph.layers[index].name
        if self.op_count > first_op and name in self.values:
            self._points.append((name, first_op, self.op_count, macs, self.values[name]))

    def bytes_of(self, name: str) -> int:
        """Bytes of an input or output of the model."""
        return self.values[name].count * self.integers.get(name, _FLOAT).bits // 8

    def _io(self, name: str, at: int) -> fmt.Tensor:
        how = self.integers.get(name, _FLOAT)
        return fmt.Tensor(self.values[name].shape, at, how.scale, how.zero_point, how.bits)

    def _touch(self, value: Value, now: int) -> None:
        if value.buffer is not None:
            old = self._buffers[value.buffer]
            self._buffers[value.buffer] = Buffer(old.bytes, min(old.first, now), max(old.last, now))

    def finish(self) -> tuple[list[fmt.Op], bytes, int, tuple[TracePoint, ...]]:
        """Ops, blob, arena bytes, and where each layer's output can be seen."""
        outputs = []
        for name in self.graph.outputs:
            value = self.values.get(name)
            if value is None:
                raise UsageError(f"the model returns {name!r}, which the rnn engine does not make")
            if max(value.shape) > 65535:
                raise UsageError(
                    f"output {name!r} has shape {value.shape}; the rnn engine takes up to 65535 per dimension"
                )
            self._touch(value, FOREVER)
            outputs.append(value)
        offsets, arena_bytes = plan(self._buffers, base=self.state_bytes)
        if arena_bytes > fmt.MAX_ARENA_BYTES:
            raise UsageError(
                f"the model needs an arena of {arena_bytes} bytes; the rnn engine takes {fmt.MAX_ARENA_BYTES}"
            )

        def place(value: Value) -> int:
            return value.offset + (0 if value.buffer is None else offsets[value.buffer])

        ops = [op(place) for op in self._ops]
        blob = encode_blob(
            [self._io(name, place(self.values[name])) for name in self.graph.inputs],
            [self._io(name, place(value)) for name, value in zip(self.graph.outputs, outputs, strict=True)],
            ops,
            arena_bytes=arena_bytes,
            state_bytes=self.state_bytes,
        )
        points = tuple(
            TracePoint(name, first, last, place(value), value.shape, macs, how.scale, how.zero_point)
            for name, first, last, macs, value in self._points
            for how in [self.integers.get(name, _FLOAT)]
        )
        return ops, blob, arena_bytes, points
