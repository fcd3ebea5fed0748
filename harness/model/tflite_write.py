"""Writes a .tflite flatbuffer from tensors and operators, the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.tflite_schema import FILE_IDENTIFIER, OPERATOR_CODE, SCHEMA_VERSION, TENSOR_TYPE_CODE

# schema.fbs asks for it (force_align: 16), and kernels on a Cortex-M load weights with instructions that fault on
# unaligned addresses. The generated Python writers leave it out.
BUFFER_ALIGNMENT = 16

ConstantArray = NDArray[np.float32] | NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Quantisation:
    """real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int = 0


class OptionsTable(Protocol):
    """A builtin options object of the generated schema (its object API)."""

    def Pack(self, builder: object) -> int:  # noqa: N802 - the generated name
        """Writes the table and gives its offset."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    buffer: int
    quantisation: Quantisation | None
    is_variable: bool


@dataclass(frozen=True, slots=True)
class _Operator:
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: OptionsTable | None
    intermediates: tuple[int, ...]


def schema_module() -> ModuleType:
    """The generated schema classes in the tflite-micro package.

    Raises:
        UsageError: the extra `tflm` is not installed.
    """
    try:
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated
    except ImportError as error:
        raise UsageError(
            f"engine tflm needs the Python package tflite-micro ({error})",
            hint="pip install 'hil-harness[tflm]' (x86-64 Linux only)",
        ) from error
    module: ModuleType = schema_py_generated
    return module


class TfliteWriter:
    """Collects tensors and operators of one subgraph; `finish` gives the file."""

    def __init__(self) -> None:
        self.schema = schema_module()
        self._tensors: list[_Tensor] = []
        self._operators: list[_Operator] = []
        self._codes: list[tuple[str, int]] = []
        self._buffers: list[bytes] = [b""]  # buffer 0 means "no data" by convention
        self._constants: dict[tuple[str, tuple[int, ...], bytes, Quantisation | None], int] = {}

    def tensor(
        self,
        name: str,
        dtype: str,
        shape: Sequence[int],
        quantisation: Quantisation | None = None,
        *,
        is_variable: bool = False,
    ) -> int:
        """Adds a tensor the interpreter allocates; gives its index. `dtype` as in the schema ("FLOAT32")."""
        self._tensors.append(_Tensor(name, dtype, tuple(shape), 0, quantisation, is_variable))
        return len(self._tensors) - 1

    def constant(self, name: str, values: ConstantArray, quantisation: Quantisation | None = None) -> int:
        """Adds a tensor with data; the same data is stored once. Gives its index."""
        dtype = values.dtype.name.upper()
        data = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        key = (dtype, values.shape, data, quantisation)
        if key not in self._constants:
            self._buffers.append(data)
            buffer = len(self._buffers) - 1
            self._tensors.append(_Tensor(name, dtype, values.shape, buffer, quantisation, False))
            self._constants[key] = len(self._tensors) - 1
        return self._constants[key]

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: OptionsTable | None,
        kind: str,
        intermediates: Sequence[int] = (),
    ) -> None:
        """Adds an operator.

        `kind` is the name of its options table in the schema's union ("NONE" without). -1 is an input left out.
        `intermediates` are tensors that only tell how the operator's inner values are quantised.
        """
        code = (name, version)
        if code not in self._codes:
            self._codes.append(code)
        options_type = int(getattr(self.schema.BuiltinOptions, kind))
        self._operators.append(
            _Operator(
                self._codes.index(code), tuple(inputs), tuple(outputs), options_type, options, tuple(intermediates)
            )
        )

    def finish(self, inputs: Sequence[int], outputs: Sequence[int], *, description: str, name: str = "main") -> bytes:
        """The whole file."""
        import flatbuffers

        schema = self.schema
        builder = flatbuffers.Builder(1 << 14)

        def ints(values: Sequence[int]) -> int:
            return int(builder.CreateNumpyVector(np.asarray(values, np.int32)))

        def vector(offsets: Sequence[int]) -> int:
            builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                builder.PrependUOffsetTRelative(offset)
            return int(builder.EndVector())

        buffers = [self._buffer(builder, data) for data in self._buffers]
        tensors = [self._tensor_table(builder, tensor, ints(tensor.shape)) for tensor in self._tensors]
        operators = []
        for op in self._operators:
            options = 0 if op.options is None else op.options.Pack(builder)
            reads, writes = ints(op.inputs), ints(op.outputs)
            between = ints(op.intermediates) if op.intermediates else 0
            schema.OperatorStart(builder)
            schema.OperatorAddOpcodeIndex(builder, op.code)
            schema.OperatorAddInputs(builder, reads)
            schema.OperatorAddOutputs(builder, writes)
            if op.intermediates:
                schema.OperatorAddIntermediates(builder, between)
            if op.options is not None:
                schema.OperatorAddBuiltinOptionsType(builder, op.options_type)
                schema.OperatorAddBuiltinOptions(builder, options)
            operators.append(int(schema.OperatorEnd(builder)))
        fields = (vector(tensors), ints(inputs), ints(outputs), vector(operators), int(builder.CreateString(name)))
        schema.SubGraphStart(builder)
        schema.SubGraphAddTensors(builder, fields[0])
        schema.SubGraphAddInputs(builder, fields[1])
        schema.SubGraphAddOutputs(builder, fields[2])
        schema.SubGraphAddOperators(builder, fields[3])
        schema.SubGraphAddName(builder, fields[4])
        subgraph = int(schema.SubGraphEnd(builder))
        codes = []
        for operator, version in self._codes:
            number = OPERATOR_CODE[operator]
            schema.OperatorCodeStart(builder)
            schema.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, 127))
            schema.OperatorCodeAddVersion(builder, version)
            schema.OperatorCodeAddBuiltinCode(builder, number)
            codes.append(int(schema.OperatorCodeEnd(builder)))
        parts = (vector(codes), vector([subgraph]), int(builder.CreateString(description)), vector(buffers))
        schema.ModelStart(builder)
        schema.ModelAddVersion(builder, SCHEMA_VERSION)
        schema.ModelAddOperatorCodes(builder, parts[0])
        schema.ModelAddSubgraphs(builder, parts[1])
        schema.ModelAddDescription(builder, parts[2])
        schema.ModelAddBuffers(builder, parts[3])
        builder.Finish(schema.ModelEnd(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _buffer(self, builder: object, data: bytes) -> int:
        offset = _aligned_bytes(builder, data) if data else 0
        self.schema.BufferStart(builder)
        if data:
            self.schema.BufferAddData(builder, offset)
        return int(self.schema.BufferEnd(builder))

    def _tensor_table(self, builder: object, tensor: _Tensor, shape: int) -> int:
        import flatbuffers

        assert isinstance(builder, flatbuffers.Builder)
        schema = self.schema
        name = builder.CreateString(tensor.name)
        quantisation = 0
        if tensor.quantisation is not None:
            scale = builder.CreateNumpyVector(np.asarray([tensor.quantisation.scale], np.float32))
            zero_point = builder.CreateNumpyVector(np.asarray([tensor.quantisation.zero_point], np.int64))
            schema.QuantizationParametersStart(builder)
            schema.QuantizationParametersAddScale(builder, scale)
            schema.QuantizationParametersAddZeroPoint(builder, zero_point)
            quantisation = int(schema.QuantizationParametersEnd(builder))
        schema.TensorStart(builder)
        schema.TensorAddShape(builder, shape)
        schema.TensorAddType(builder, TENSOR_TYPE_CODE[tensor.dtype])
        schema.TensorAddBuffer(builder, tensor.buffer)
        schema.TensorAddName(builder, name)
        if tensor.quantisation is not None:
            schema.TensorAddQuantization(builder, quantisation)
        schema.TensorAddIsVariable(builder, tensor.is_variable)
        return int(schema.TensorEnd(builder))


def _aligned_bytes(builder: object, data: bytes) -> int:
    """A byte vector whose first element lies on BUFFER_ALIGNMENT in the finished file (builders write from the end)."""
    import flatbuffers

    assert isinstance(builder, flatbuffers.Builder)
    builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())
