"""TensorFlow Lite for Microcontrollers as packaged for boards: which operators each library has, what it gets wrong.

Operator sets are those of each library's own micro_mutable_op_resolver.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from harness.errors import UsageError
from harness.model.tflite_schema import RESOLVER_OPERATORS

_SINCE_2024 = frozenset({"DYNAMIC_UPDATE_SLICE", "REDUCE_ALL", "REDUCE_MIN", "REVERSE_V2"})
_SINCE_2022 = frozenset(
    {"BATCH_MATMUL", "DIV", "EMBEDDING_LOOKUP", "LOG_SOFTMAX", "SELECT_V2", "SQUARED_DIFFERENCE", "SUM"}
)


@dataclass(frozen=True, slots=True)
class TflmLibrary:
    """One packaging of TFLM.

    Attributes:
        id: name used on the command line.
        title: with version and vintage.
        operators: what its resolver can register.
        int8_fault: what it gets wrong about any int8 model; empty where nothing is known.
        int8_lstm_fault: what it gets wrong about an int8 LSTM; empty where nothing is known.
        resets_state: whether its usual call of a model clears recurrent state first.
        link: where it is.
    """

    id: str
    title: str
    operators: frozenset[str]
    int8_fault: str
    int8_lstm_fault: str
    resets_state: bool
    link: str


DEFAULT_LIBRARY = "tflite-micro"

LIBRARIES = {
    library.id: library
    for library in (
        TflmLibrary(
            "tflite-micro",
            "tflite-micro (upstream, August 2026)",
            RESOLVER_OPERATORS,
            "",
            "",
            False,
            "https://github.com/tensorflow/tflite-micro",
        ),
        TflmLibrary(
            "esp-tflite-micro",
            "esp-tflite-micro (August 2026)",
            RESOLVER_OPERATORS,
            "",
            "",
            False,
            "https://github.com/espressif/esp-tflite-micro",
        ),
        TflmLibrary(
            "eloquent",
            "EloquentTinyML 3.0.1 with tflm_esp32 2.0.0 (July 2024)",
            RESOLVER_OPERATORS - _SINCE_2024,
            "it scales int8 inputs and outputs the wrong way round (x * scale + zero_point) and so returns 0",
            "",
            False,
            "https://github.com/eloquentarduino/EloquentTinyML",
        ),
        TflmLibrary(
            "chirale",
            "Chirale_TensorFlowLite 2.0.0 (2024)",
            RESOLVER_OPERATORS - _SINCE_2024,
            "",
            "",
            False,
            "https://github.com/spaziochirale/Chirale_TensorFLowLite",
        ),
        TflmLibrary(
            "tensorflowlite-esp32",
            "TensorFlowLite_ESP32 1.0.0 (May 2022)",
            RESOLVER_OPERATORS - _SINCE_2024 - _SINCE_2022,
            "",
            "its int8 LSTM kernel gives wrong numbers (measured: 12.45 where 13.59 is right)",
            False,
            "https://github.com/tanakamasayuki/Arduino_TensorFlowLite_ESP32",
        ),
    )
}


def find_library(name: str) -> TflmLibrary:
    """The library of that id.

    Raises:
        UsageError: there is none; suggests the nearest.
    """
    if name in LIBRARIES:
        return LIBRARIES[name]
    near = get_close_matches(name, LIBRARIES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"libraries: {', '.join(LIBRARIES)}"
    raise UsageError(f"no TFLM library {name!r}", hint=hint)
