"""Recurrent layers: LSTM, GRU, SimpleRNN, RNN over cells, Bidirectional.

Masks follow Keras 3: at a masked step the state stays and the output is that of the step before (zeros before the first
step that counts), or zeros with zero_output_for_mask. Stacked cells are a chain of layers: each sees the outputs of the
one below in the same step, and a mask holds for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.model import rnn_format as fmt
from harness.model.graph import LayerSpec
from harness.model.rnn_builder import Builder, Unknown, Value
from harness.model.rnn_cells import CellSpec, read_cell
from harness.model.rnn_settings import check_limit, refuse_settings

_Flag = fmt.RecurrentFlag


@dataclass(frozen=True, slots=True)
class _Direction:
    """One pass over a sequence: a stack of cells, and how it is read and written."""

    cells: tuple[CellSpec, ...]
    sequences: bool
    backwards: bool
    zero_masked: bool
    flip: bool = False


def add_recurrent(builder: Builder, index: int, layer: LayerSpec) -> None:
    """LSTM, GRU, SimpleRNN and RNN."""
    source, initial = _inputs(builder, layer)
    cells = _cells(builder, layer, source.width, settings="", weights="")
    direction = _direction(layer, cells, "")
    units = cells[-1].units
    shape = (source.shape[0], units) if direction.sequences else (units,)
    mask = _mask(builder, layer)
    result = _result(builder, layer, shape, direction, mask)
    _check_initial(layer, initial, cells)
    states = _run(builder, index, direction, source, mask, initial, result, units, "")
    result = result or states[-2 if cells[-1].has_c else -1]
    _publish(builder, index, layer, [result], states, sequences=direction.sequences)


def add_bidirectional(builder: Builder, index: int, layer: LayerSpec) -> None:
    """A layer and its mirror image, merged."""
    source, initial = _inputs(builder, layer)
    mode = layer.config.get("merge_mode", "concat")
    if mode not in ("concat", "sum", "mul", "ave", None):
        raise UsageError(f"layer {layer.name!r} (Bidirectional) has merge_mode={mode!r}")
    forward_cells = _cells(builder, layer, source.width, settings="layer.", weights="forward/")
    backward_cells = _cells(builder, layer, source.width, settings="backward_layer.", weights="backward/")
    forward = _direction(layer, forward_cells, "layer.")
    backward = _direction(layer, backward_cells, "backward_layer.", flip=True)
    half = sum(1 + cell.has_c for cell in forward_cells)
    _check_initial(layer, initial[:half] if initial else [], forward_cells)
    _check_initial(layer, initial[half:], backward_cells)
    mask = _mask(builder, layer)

    units = (forward_cells[-1].units, backward_cells[-1].units)
    if mode in ("sum", "mul", "ave") and units[0] != units[1]:
        raise UsageError(f"layer {layer.name!r} (Bidirectional) adds layers of {units[0]} and {units[1]} units")
    rows = (source.shape[0],) if forward.sequences else ()
    if mode == "concat":
        whole = builder.output(layer, (*rows, sum(units)))
        halves = [whole.shaped((*rows, units[0])), whole.shaped((*rows, units[1]), skip_floats=units[0])]
        stride = sum(units)
    else:
        halves = [builder.output(layer, (*rows, size)) for size in units]
        stride = units[0]
    states = _run(builder, index, forward, source, mask, initial[:half], halves[0], stride, "forward/")
    stride = stride if mode == "concat" else units[1]
    states += _run(builder, index, backward, source, mask, initial[half:], halves[1], stride, "backward/")
    results = [whole] if mode == "concat" else halves
    if mode in ("sum", "mul", "ave"):
        results = [builder.output(layer, halves[0].shape)]
        merge = fmt.MergeMode.MULTIPLY if mode == "mul" else fmt.MergeMode.ADD
        builder.emit(
            lambda place: fmt.MergeOp(
                layer=index,
                count=halves[0].count,
                mode=merge,
                divisor=2.0 if mode == "ave" else 1.0,
                a=place(halves[0]),
                b=place(halves[1]),
                dst=place(results[0]),
            ),
            [*halves, results[0]],
        )
    _publish(builder, index, layer, results, states, sequences=forward.sequences)


def _inputs(builder: Builder, layer: LayerSpec) -> tuple[Value, list[Value]]:
    """The sequence a layer reads, and the initial states it is given."""
    source, *initial = builder.sources(layer)
    if len(source.shape) != 2:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) reads shape {source.shape}, not (steps, features)")
    check_limit(layer, "time steps", source.shape[0], fmt.MAX_STEPS)
    check_limit(layer, "features", source.shape[1], fmt.MAX_UNITS)
    return source, initial


def _cells(builder: Builder, layer: LayerSpec, inputs: int, *, settings: str, weights: str) -> tuple[CellSpec, ...]:
    """The cells of a layer, lowest first; a wrapped layer's settings and weights have prefixes."""
    kind = str(layer.config[f"{settings}kind"]) if settings else layer.kind
    if kind != "RNN":
        return (read_cell(layer, kind, inputs, settings=settings, weights=weights, int8=builder.int8_weights),)
    cell = f"{settings}cell."
    kind = str(layer.config.get(f"{cell}kind"))
    if kind != "StackedRNNCells":
        return (read_cell(layer, kind, inputs, settings=cell, weights=weights, int8=builder.int8_weights),)
    if settings:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) wraps stacked cells, which the rnn engine does not support",
            hint="use several Bidirectional layers of one cell each",
        )
    cells: list[CellSpec] = []
    while (each := f"{cell}cells.{len(cells)}.") + "kind" in layer.config:
        below = cells[-1].units if cells else inputs
        name = str(layer.config[f"{each}kind"])
        where = f"{weights}{len(cells)}/"
        cells.append(read_cell(layer, name, below, settings=each, weights=where, int8=builder.int8_weights))
    if not cells:
        raise UsageError(f"layer {layer.name!r} ({layer.kind}) has no cells")
    return tuple(cells)


def _direction(layer: LayerSpec, cells: tuple[CellSpec, ...], prefix: str, *, flip: bool = False) -> _Direction:
    refuse_settings(layer, f"{prefix}time_major")
    config = layer.config
    sequences = bool(config.get(f"{prefix}return_sequences", False))
    # Bidirectional sets it for both of its layers, whatever they say.
    zero = sequences if prefix else bool(config.get("zero_output_for_mask", False))
    backwards = bool(config.get(f"{prefix}go_backwards", False))
    return _Direction(cells, sequences, backwards, zero, flip and sequences)


def _mask(builder: Builder, layer: LayerSpec) -> Value | None:
    """The mask a layer works under: its sequence's. Keras hands none on to a layer that is given initial states."""
    if len(layer.inputs) > 1 and "mask_of" not in layer.config:
        return None
    mask = builder.masks.get(layer.inputs[0])
    if isinstance(mask, Unknown):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) reads masked tensors that were merged, "
            "which the rnn engine does not support",
            hint="put the Masking layer after the merge",
        )
    config = layer.config
    if "mask_of" in config and config["mask_of"] != builder.mask_sources.get(mask):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) has a mask that does not come from a Masking layer before it, "
            "which the rnn engine does not support"
        )
    if mask is not None and config.get("unroll") and config.get("go_backwards") and config.get("zero_output_for_mask"):
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) unrolls a masked sequence backwards with zero_output_for_mask; "
            "Keras then takes the mask in the wrong order",
            hint="set unroll=False",
        )
    if mask is not None:
        builder.used_masks.add(mask)
    return mask


def _check_initial(layer: LayerSpec, initial: list[Value], cells: tuple[CellSpec, ...]) -> None:
    sizes = [(cell.units,) for cell in cells for _ in range(1 + cell.has_c)]
    if initial and [value.shape for value in initial] != sizes:
        raise UsageError(
            f"layer {layer.name!r} ({layer.kind}) gets initial states of shapes {[value.shape for value in initial]}, "
            f"expected {sizes}"
        )


def _result(
    builder: Builder, layer: LayerSpec, shape: tuple[int, ...], direction: _Direction, mask: Value | None
) -> Value | None:
    """Where the output goes; None: it is the state h itself."""
    if not direction.sequences and mask is None:
        return None
    return builder.output(layer, shape)


def _run(
    builder: Builder,
    index: int,
    direction: _Direction,
    source: Value,
    mask: Value | None,
    initial: list[Value],
    result: Value | None,
    stride: int,
    key: str,
) -> list[Value]:
    """Add the ops of one direction; returns the states after it, in Keras's order."""
    layer = builder.graph.layers[index]
    graph_is_stateful = any(_is_stateful(other) for other in builder.graph.layers)
    fresh = graph_is_stateful and not _is_stateful(layer)
    if _is_stateful(layer) and "@" in layer.name:
        raise UsageError(
            f"layer {layer.name.partition('@')[0]!r} ({layer.kind}) is stateful and used more than once, "
            "which the rnn engine does not support"
        )
    waiting = list(initial)
    states: list[Value] = []
    for level, cell in enumerate(direction.cells):
        top = level == len(direction.cells) - 1
        h = builder.state(f"{layer.name}/{key}{level}/h", cell.units)
        c = builder.state(f"{layer.name}/{key}{level}/c", cell.units) if cell.has_c else None
        mine = [h] if c is None else [h, c]
        for state in mine[: len(waiting)]:
            builder.copy(index, waiting.pop(0), state)
        flags = cell.flags
        if direction.sequences or not top:
            flags |= _Flag.RETURN_SEQUENCES
        if direction.backwards:
            flags |= _Flag.GO_BACKWARDS
        # Below the top, rows stay where their steps are: the next level goes backwards itself, under the same mask.
        if direction.flip if top else direction.backwards:
            flags |= _Flag.FLIP_OUTPUT
        if mask is not None:
            flags |= _Flag.MASKED | (_Flag.ZERO_MASKED if direction.zero_masked else _Flag.NONE)
        if fresh and not initial:
            flags |= _Flag.FRESH_STATE
        if not top:
            target = builder.scratch(source.steps * cell.units).shaped((source.steps, cell.units))
        else:
            target = result if result is not None else h
        step = stride if top else cell.units
        _emit(builder, index, cell, flags, source, target, mine, mask, step)
        source = target
        states += mine
    return states


def _emit(
    builder: Builder,
    index: int,
    cell: CellSpec,
    flags: fmt.RecurrentFlag,
    source: Value,
    target: Value,
    states: list[Value],
    mask: Value | None,
    stride: int,
) -> None:
    z = builder.scratch(cell.z_floats)
    builder.macs += source.steps * cell.macs
    builder.emit(
        lambda place: fmt.RecurrentOp(
            kind=cell.kind,
            layer=index,
            flags=flags,
            steps=source.steps,
            inputs=source.width,
            units=cell.units,
            activation=cell.activation,
            recurrent_activation=cell.recurrent_activation,
            dst_stride=stride,
            src=place(source),
            dst=place(target),
            h=place(states[0]),
            c=place(states[1]) if cell.has_c else 0,
            z=place(z),
            mask=0 if mask is None else place(mask),
            weights=cell.weights,
            layout=cell.layout,
        ),
        [source, target, z, *states, *([] if mask is None else [mask])],
    )


def _is_stateful(layer: LayerSpec) -> bool:
    return bool(layer.config.get("stateful") or layer.config.get("layer.stateful"))


def _publish(
    builder: Builder, index: int, layer: LayerSpec, results: list[Value], states: list[Value], *, sequences: bool
) -> None:
    """Name what a layer gives: its outputs, then its states if it returns them."""
    given = list(results)
    if layer.config.get("return_state") or layer.config.get("layer.return_state"):
        given += states
    for number, value in enumerate(given):
        name = layer.name if number == 0 else f"{layer.name}:{number}"
        builder.values[name] = value
        masked = sequences and number < len(results)
        builder.masks[name] = builder.masks.get(layer.inputs[0]) if masked else None
        builder.outlive(index, name)
