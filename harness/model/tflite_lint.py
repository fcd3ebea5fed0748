"""What TensorFlow Lite for Microcontrollers would get wrong about a model, said before anything is built.

The worst of it runs without an error on the board and answers wrong, so each rule refuses by what is in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.tflite_libraries import DEFAULT_LIBRARY, TflmLibrary, find_library
from harness.model.tflite_read import TfliteModel, TfliteTensor, read_tflite

Severity = Literal["error", "warning"]

_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_WIRE_TYPES = ("FLOAT32", "INT8", "INT16", "INT32", "UINT8")
_MAX_WIRE_DIMS = 4
_SHOWN = 5
_CONVERT = "convert the Keras model with `hil convert MODEL.keras --engine tflm --output MODEL.tflite`"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        rule: id of the rule.
        severity: "error" refuses the model, "warning" does not.
        what: what is in the model.
        why: what happens on the board.
        instead: what to do.
        link: where more is said; may be empty.
    """

    rule: str
    severity: Severity
    what: str
    why: str
    instead: str
    link: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """`find` gives what is wrong, one text each; `why` may name the library as {library} and its fault as {fault}."""

    id: str
    severity: Severity
    find: Callable[[TfliteModel, TflmLibrary], list[str]]
    why: str
    instead: str
    link: str = ""


def _loops(model: TfliteModel, library: TflmLibrary) -> list[str]:
    count = sum(op.name == "WHILE" for graph in model.subgraphs for op in graph.operators)
    return [f"{count} x operator WHILE"] if count else []


def _subgraphs(model: TfliteModel, library: TflmLibrary) -> list[str]:
    return [f"{len(model.subgraphs)} subgraphs"] if len(model.subgraphs) > 1 else []


def _dynamic_shapes(model: TfliteModel, library: TflmLibrary) -> list[str]:
    open_shapes = [
        f"{tensor.name!r} {list(tensor.shape_signature)}"
        for graph in model.subgraphs
        for tensor in graph.tensors
        if any(dim < 0 for dim in tensor.shape_signature)
    ]
    return [f"{len(open_shapes)} tensors with a dimension left open: {_some(open_shapes)}"] if open_shapes else []


def _missing_operators(model: TfliteModel, library: TflmLibrary) -> list[str]:
    missing = [name for name in model.operator_names if name not in library.operators]
    return [f"operator {name}" for name in missing]


def _int8_faults(model: TfliteModel, library: TflmLibrary) -> list[str]:
    quantised = any(tensor.dtype == "INT8" for tensor in model.inputs + model.outputs)
    return ["int8 inputs or outputs"] if library.int8_fault and quantised else []


def _int8_lstm_faults(model: TfliteModel, library: TflmLibrary) -> list[str]:
    return ["int8 LSTM"] if library.int8_lstm_fault and "INT8" in _lstm_types(model, 0) else []


def _hybrid_lstm(model: TfliteModel, library: TflmLibrary) -> list[str]:
    for graph in model.subgraphs:
        for op in graph.operators:
            if op.name == _LSTM and len(op.inputs) > 2 and min(op.inputs[0], op.inputs[2]) >= 0:
                values, weights = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[2]]
                if values.dtype == "FLOAT32" and weights.dtype != "FLOAT32":
                    return [f"float LSTM with {weights.dtype} weights"]
    return []


def _batch(model: TfliteModel, library: TflmLibrary) -> list[str]:
    return [
        f"{tensor.name!r} has shape {list(tensor.shape)}"
        for tensor in model.inputs + model.outputs
        if not tensor.shape or tensor.shape[0] != 1
    ]


def _not_on_the_wire(model: TfliteModel, library: TflmLibrary) -> list[str]:
    def fits(tensor: TfliteTensor) -> bool:
        return tensor.dtype in _WIRE_TYPES and len(tensor.shape) <= _MAX_WIRE_DIMS + 1 and tensor.channels == 1

    bad = [tensor for tensor in model.inputs + model.outputs if not fits(tensor)]
    return [f"{tensor.name!r} is {tensor.dtype} {list(tensor.shape)}" for tensor in bad]


def _kept_state(model: TfliteModel, library: TflmLibrary) -> list[str]:
    stateful = _LSTM in model.operator_names or "VAR_HANDLE" in model.operator_names
    return ["recurrent state that outlives an inference"] if stateful and not library.resets_state else []


def _lstm_types(model: TfliteModel, position: int) -> set[str]:
    return {
        graph.tensors[op.inputs[position]].dtype
        for graph in model.subgraphs
        for op in graph.operators
        if op.name == _LSTM and len(op.inputs) > position and op.inputs[position] >= 0
    }


def _some(items: list[str]) -> str:
    shown = ", ".join(items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown}, ..."


_SLICE_BUG = "https://github.com/tensorflow/tflite-micro/issues/3674"

RULES = (
    _Rule(
        "while-loop",
        "error",
        _loops,
        "as soon as a tensor in the loop changes its shape (stacked layers, return_sequences), {library} runs the loop "
        "that Keras 3 makes of a recurrent layer without an error and answers wrong; full TensorFlow Lite is right, so "
        "a comparison with that shows nothing",
        _CONVERT,
        _SLICE_BUG,
    ),
    _Rule(
        "several-subgraphs",
        "error",
        _subgraphs,
        "control flow is not reliable in {library}: bodies of loops and branches are separate subgraphs",
        _CONVERT,
        _SLICE_BUG,
    ),
    _Rule(
        "dynamic-shape",
        "error",
        _dynamic_shapes,
        "{library} plans its memory once, from the shapes in the file; a tensor that grows comes out wrong",
        f"give the model a fixed batch of 1 (keras.Input(batch_shape=(1, timesteps, features))), or {_CONVERT}",
        _SLICE_BUG,
    ),
    _Rule(
        "missing-operator",
        "error",
        _missing_operators,
        "{library} has no such operator, so its resolver can't register it and the model can't be loaded",
        "use another layer, a library that has it (hil lint --library NAME), or engine rnn",
        "https://github.com/tensorflow/tflite-micro/blob/main/tensorflow/lite/micro/micro_mutable_op_resolver.h",
    ),
    _Rule(
        "int8-io",
        "error",
        _int8_faults,
        "{library}: {fault}",
        "convert to float32 (without --int8), or call the interpreter's tensors yourself",
        "",
    ),
    _Rule(
        "int8-lstm",
        "error",
        _int8_lstm_faults,
        "{library}: {fault}",
        "convert to float32 (without --int8), or use esp-tflite-micro",
        "",
    ),
    _Rule(
        "hybrid-lstm",
        "error",
        _hybrid_lstm,
        "{library} has no LSTM kernel for float values with quantised weights (dynamic-range quantisation)",
        "convert to float32, or fully to int8 with --int8 --calibrate VECTORS",
        "",
    ),
    _Rule(
        "batch",
        "error",
        _batch,
        "the harness and EloquentTinyML send one vector per inference; more would be left unset",
        "convert with a batch of 1",
        "",
    ),
    _Rule(
        "wire-type",
        "error",
        _not_on_the_wire,
        f"vectors go to a board as {', '.join(_WIRE_TYPES)} with one scale and at most {_MAX_WIRE_DIMS} dimensions",
        "convert the model again with float32 or int8 inputs and outputs",
        "",
    ),
    _Rule(
        "kept-state",
        "warning",
        _kept_state,
        "UNIDIRECTIONAL_SEQUENCE_LSTM keeps h and c from one Invoke() to the next, so the second prediction differs "
        "from Keras unless the state is cleared",
        "call interpreter->Reset() before every prediction that starts a new sequence (the harness does)",
        "",
    ),
)


# Those that hold for the harness itself, whatever the library.
WIRE_RULES = frozenset({"batch", "wire-type"})


def lint_tflite(data: bytes, library: str | TflmLibrary = DEFAULT_LIBRARY) -> tuple[Finding, ...]:
    """What is wrong with a model for one library, errors first; empty if nothing is.

    Raises:
        TfliteFormatError: `data` is not a well-formed model.
        UsageError: no library of that name.
    """
    chosen = find_library(library) if isinstance(library, str) else library
    model = read_tflite(data)
    findings = []
    for rule in RULES:
        fault = chosen.int8_lstm_fault if rule.id == "int8-lstm" else chosen.int8_fault
        why = rule.why.replace("{library}", chosen.title).replace("{fault}", fault)
        link = rule.link or (chosen.link if "{library}" in rule.why else "")
        findings += [
            Finding(rule.id, rule.severity, what, why, rule.instead, link) for what in rule.find(model, chosen)
        ]
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))


def errors_of(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that refuse the model."""
    return tuple(finding for finding in findings if finding.severity == "error")
