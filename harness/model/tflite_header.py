"""A model as a C header: what `eloquent_tensorflow` writes for EloquentTinyML sketches, written and read.

The header written here drops into such a sketch: the same names (`tfModel`, `TF_NUM_INPUTS`, `TF_NUM_OUTPUTS`,
`TF_NUM_OPS`, `registerNetworkOps`), with only the operators that the model has.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from harness.errors import UsageError
from harness.model.tflite_read import TfliteModel, read_tflite
from harness.model.tflite_schema import FILE_IDENTIFIER, OPERATOR_OF_METHOD, RESOLVER_OPERATORS, resolver_method

ARRAY_NAME = "tfModel"
MAX_HEADER_BYTES = 256 * 1024 * 1024
_BYTES_PER_LINE = 20

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ARRAY = re.compile(r"\b(?:unsigned\s+char|uint8_t|char)\s+(\w+)\s*\[\s*(\w*)\s*\][^;={}]{0,200}=\s*\{([^{}]*)\}")
_METHOD = re.compile(r"\.\s*resolver\s*\.\s*(Add\w+)\s*\(")
_COUNT = re.compile(r"^[ \t]*#[ \t]*define[ \t]+TF_NUM_OPS[ \t]+(\d{1,6})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What a header holds.

    Attributes:
        array_name: name of the C array.
        data: the .tflite.
        methods: resolver methods it calls ("AddFullyConnected"), in its order; empty if it registers none.
        operators: the same as operator names, where known.
        num_ops: TF_NUM_OPS, None if not defined.
    """

    array_name: str
    data: bytes
    methods: tuple[str, ...]
    operators: tuple[str, ...]
    num_ops: int | None


def write_header(data: bytes) -> str:
    """The header of a model.

    Raises:
        TfliteFormatError: `data` is not a model.
        UsageError: the model has an operator that no resolver can register.
    """
    model = read_tflite(data)
    return _PREAMBLE.format(
        inputs=_elements(model, "inputs"),
        outputs=_elements(model, "outputs"),
        ops=len(model.operator_names),
        lines="".join(f"    nn.resolver.{_method(name)}();\n" for name in sorted(model.operator_names, key=_method)),
        array=ARRAY_NAME,
        size=len(data),
        values=_values(data),
    )


_PREAMBLE = """\
#pragma once

#ifdef __has_attribute
#define HAVE_ATTRIBUTE(x) __has_attribute(x)
#else
#define HAVE_ATTRIBUTE(x) 0
#endif
#if HAVE_ATTRIBUTE(aligned) || (defined(__GNUC__) && !defined(__clang__))
#define DATA_ALIGN_ATTRIBUTE __attribute__((aligned(16)))
#else
#define DATA_ALIGN_ATTRIBUTE
#endif

#define TF_NUM_INPUTS {inputs}
#define TF_NUM_OUTPUTS {outputs}
#define TF_NUM_OPS {ops}

// Registers the operators that the model has, and no others.
template <class TF>
void registerNetworkOps(TF& nn) {{
{lines}}}

const unsigned char {array}[{size}] DATA_ALIGN_ATTRIBUTE = {{
{values}}};
"""


def _method(operator: str) -> str:
    if operator not in RESOLVER_OPERATORS:
        raise UsageError(
            f"no resolver of TensorFlow Lite for Microcontrollers has operator {operator}",
            hint="hil lint says what to do instead",
        )
    return resolver_method(operator)


def _elements(model: TfliteModel, side: str) -> int:
    tensors = model.inputs if side == "inputs" else model.outputs
    return sum(math.prod(tensor.shape) for tensor in tensors)


def _values(data: bytes) -> str:
    lines = (data[start : start + _BYTES_PER_LINE] for start in range(0, len(data), _BYTES_PER_LINE))
    return "".join("    " + " ".join(f"0x{byte:02x}," for byte in line) + "\n" for line in lines)


def parse_header(text: str) -> ModelHeader:
    """Finds the model in a header written by `write_header`, eloquent_tensorflow, xxd or the like.

    The array is not yet checked to be a well-formed model.

    Raises:
        UsageError: no array of bytes that begins as a .tflite, more than one, a value that is no byte, or fewer or more
            values than the array declares.
    """
    if len(text) > MAX_HEADER_BYTES:
        raise UsageError(f"the header is larger than {MAX_HEADER_BYTES} bytes")
    code = _COMMENT.sub(" ", text)
    models = [(name, declared, data) for name, declared, data in _arrays(code) if data[4:8] == FILE_IDENTIFIER]
    if len(models) != 1:
        found = "no array that holds" if not models else f"{len(models)} arrays that hold"
        raise UsageError(
            f"the header has {found} a .tflite model",
            hint="it must define one array of unsigned char with the model's bytes (byte 4 to 7: TFL3)",
        )
    name, declared, data = models[0]
    if declared.isdecimal() and int(declared) != len(data):
        raise UsageError(f"array {name} declares {declared} bytes and has {len(data)}", hint="make the header again")
    methods = tuple(dict.fromkeys(_METHOD.findall(code)))
    count = _COUNT.search(code)
    operators = tuple(OPERATOR_OF_METHOD[method] for method in methods if method in OPERATOR_OF_METHOD)
    return ModelHeader(name, data, methods, operators, int(count[1]) if count else None)


def _arrays(code: str) -> list[tuple[str, str, bytes]]:
    arrays = []
    for match in _ARRAY.finditer(code):
        name, declared, body = match.groups()
        try:
            data = bytes(int(item.rstrip("uU"), 0) for item in body.replace(",", " ").split())
        except ValueError as error:
            raise UsageError(f"array {name} has a value that is no byte", hint="make the header again") from error
        arrays.append((name, declared, data))
    return arrays
