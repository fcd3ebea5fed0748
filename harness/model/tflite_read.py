"""What a .tflite model says about itself: tensors, operators, inputs and outputs, as checked plain records."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from harness.model.tflite_flat import Table, TfliteFormatError
from harness.model.tflite_schema import (
    BUILTIN_OPERATORS,
    CUSTOM_OPERATOR,
    FILE_IDENTIFIER,
    SCHEMA_VERSION,
    TENSOR_TYPES,
)

MAX_MODEL_BYTES = 64 * 1024 * 1024
_MAX_SUBGRAPHS = 32
_MAX_DIMS = 8
_MAX_OPERATOR_TENSORS = 256
_ABSENT_TENSOR = -1  # an operator's optional input that is not given

_ELEMENT_BYTES = {"FLOAT32": 4, "FLOAT16": 2, "INT32": 4, "UINT8": 1, "INT64": 8, "BOOL": 1, "INT16": 2, "INT8": 1}


@dataclass(frozen=True, slots=True)
class TfliteTensor:
    """One tensor.

    `shape` has the batch dimension; `scale` is 0.0 where not quantised; `channels` counts its scales (1: per tensor).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    scale: float
    zero_point: int
    channels: int
    is_variable: bool
    constant_bytes: int


@dataclass(frozen=True, slots=True)
class TfliteOperator:
    """One operator: `name` as in the schema's BuiltinOperator, or "CUSTOM:its name".

    Tensors by index; -1 is an input left out.
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TfliteSubgraph:
    """One subgraph; `operators` in the order of computation."""

    name: str
    tensors: tuple[TfliteTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[TfliteOperator, ...]


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """A model that was read whole and found well-formed; `size_bytes` is the file's length."""

    description: str
    size_bytes: int
    subgraphs: tuple[TfliteSubgraph, ...]

    @property
    def main(self) -> TfliteSubgraph:
        """The subgraph that an interpreter invokes."""
        return self.subgraphs[0]

    @property
    def operator_names(self) -> tuple[str, ...]:
        """Every kind of operator the model uses, sorted, each once."""
        return tuple(sorted({op.name for graph in self.subgraphs for op in graph.operators}))

    @property
    def inputs(self) -> tuple[TfliteTensor, ...]:
        """Input tensors of the main subgraph, in order."""
        return tuple(self.main.tensors[i] for i in self.main.inputs)

    @property
    def outputs(self) -> tuple[TfliteTensor, ...]:
        """Output tensors of the main subgraph, in order."""
        return tuple(self.main.tensors[i] for i in self.main.outputs)


def read_tflite(data: bytes) -> TfliteModel:
    """Reads and checks a model. Weights are not copied, only measured.

    Raises:
        TfliteFormatError: not a well-formed .tflite of schema version 3, or a tensor's data does not fit its shape.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise TfliteFormatError(f"model larger than {MAX_MODEL_BYTES} bytes", MAX_MODEL_BYTES)
    root = Table.root(data, FILE_IDENTIFIER)
    version = root.u32(0)
    if version != SCHEMA_VERSION:
        raise TfliteFormatError(f"schema version {version}, expected {SCHEMA_VERSION}", root.position)
    codes = tuple(_operator_code(table) for table in root.tables(1))
    buffers = tuple(_buffer_bytes(table) for table in root.tables(4))
    subgraphs = tuple(_subgraph(table, codes, buffers) for table in root.tables(2, limit=_MAX_SUBGRAPHS))
    if not subgraphs:
        raise TfliteFormatError("no subgraph", root.position)
    return TfliteModel(root.text(3), len(data), subgraphs)


def _operator_code(table: Table) -> tuple[str, int]:
    # Codes above 127 are in the newer int32 field; converters write the larger of the two meanings.
    code = max(table.i8(0), table.i32(3))
    version = table.i32(2, 1)
    if code == CUSTOM_OPERATOR:
        return f"CUSTOM:{table.text(1)}", version
    if not 0 <= code < len(BUILTIN_OPERATORS):
        raise TfliteFormatError(f"unknown operator code {code}", table.position)
    return BUILTIN_OPERATORS[code], version


def _buffer_bytes(table: Table) -> int:
    vector = table.vector(0, 1, limit=MAX_MODEL_BYTES)
    if vector is None and table.u64(1) > 1:
        raise TfliteFormatError("weights stored outside the flatbuffer are not supported", table.position)
    return 0 if vector is None else vector.length


def _subgraph(table: Table, codes: tuple[tuple[str, int], ...], buffers: tuple[int, ...]) -> TfliteSubgraph:
    tensors = tuple(_tensor(item, buffers) for item in table.tables(0))
    operators = tuple(_operator(item, codes, len(tensors)) for item in table.tables(3))
    inputs, outputs = table.i32s(1), table.i32s(2)
    for index in inputs + outputs:
        if not 0 <= index < len(tensors):
            raise TfliteFormatError(f"tensor {index} of {len(tensors)}", table.position)
    if not inputs or not outputs:
        raise TfliteFormatError("subgraph without inputs or outputs", table.position)
    return TfliteSubgraph(table.text(4), tensors, inputs, outputs, operators)


def _operator(table: Table, codes: tuple[tuple[str, int], ...], tensors: int) -> TfliteOperator:
    index = table.u32(0)
    if index >= len(codes):
        raise TfliteFormatError(f"operator code {index} of {len(codes)}", table.position)
    inputs = table.i32s(1, limit=_MAX_OPERATOR_TENSORS)
    outputs = table.i32s(2, limit=_MAX_OPERATOR_TENSORS)
    for tensor in inputs:
        if tensor != _ABSENT_TENSOR and not 0 <= tensor < tensors:
            raise TfliteFormatError(f"tensor {tensor} of {tensors}", table.position)
    for tensor in outputs:
        if not 0 <= tensor < tensors:
            raise TfliteFormatError(f"tensor {tensor} of {tensors}", table.position)
    name, version = codes[index]
    return TfliteOperator(name, version, inputs, outputs)


def _tensor(table: Table, buffers: tuple[int, ...]) -> TfliteTensor:
    code = table.i8(1)
    if not 0 <= code < len(TENSOR_TYPES):
        raise TfliteFormatError(f"unknown tensor type {code}", table.position)
    dtype = TENSOR_TYPES[code]
    buffer = table.u32(2)
    if buffer >= len(buffers):
        raise TfliteFormatError(f"buffer {buffer} of {len(buffers)}", table.position)
    shape = table.i32s(0, limit=_MAX_DIMS)
    if any(dim < 0 for dim in shape):
        raise TfliteFormatError(f"negative dimension in {shape}", table.position)
    constant = buffers[buffer]
    width = _ELEMENT_BYTES.get(dtype)
    sparse = table.has(6)
    # An interpreter reads as many bytes as the shape says, wherever they lie.
    if constant and width and not sparse and constant < math.prod(shape) * width:
        raise TfliteFormatError(f"tensor of shape {shape} {dtype} has only {constant} bytes", table.position)
    scale, zero_point, channels = _quantisation(table.table(4))
    signature = table.i32s(7, limit=_MAX_DIMS)
    return TfliteTensor(
        table.text(3), dtype, shape, signature, scale, zero_point, channels, bool(table.u8(5)), constant
    )


def _quantisation(table: Table | None) -> tuple[float, int, int]:
    if table is None:
        return 0.0, 0, 1
    scales = table.vector(2, 4)
    zero_points = table.vector(3, 8)
    if scales is None or scales.length == 0:
        return 0.0, 0, 1
    scale = float(struct.unpack_from("<f", table.data, scales.start)[0])
    zero_point = 0
    if zero_points is not None and zero_points.length:
        zero_point = int(struct.unpack_from("<q", table.data, zero_points.start)[0])
    if not math.isfinite(scale) or scale < 0 or not -(2**31) <= zero_point < 2**31:
        raise TfliteFormatError(f"quantisation scale {scale}, zero point {zero_point}", table.position)
    return scale, zero_point, scales.length
