"""The real TensorFlow Lite for Microcontrollers of the tflite-micro package, with its log read and its errors named.

Only for a process of its own: a small arena or an unlucky model makes TFLM crash rather than fail, and its log goes to
file descriptor 2, which is taken over here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.model.tflite_read import TfliteModel, TfliteTensor, read_tflite
from harness.protocol.ids import DType
from harness.protocol.messages import TensorSpec

LoadFault = Literal["arena-too-small", "model-invalid"]

_LOG_BYTES = 16 * 1024
_MISSING = re.compile(r"missing: (\d{1,10})")
_USED = re.compile(r"Arena allocation total (\d{1,10}) bytes")
_MODEL_FAULTS = (
    "Didn't find op",
    "Does not support",
    "Failed to get registration",
    "is not supported",
    "not supported.",
    "schema version",
)
_ALLOCATION_FAULTS = ("Failed to allocate", "Failed to resize", "Too many buffers")
_DTYPES = {
    "FLOAT32": DType.FLOAT32,
    "INT8": DType.INT8,
    "INT16": DType.INT16,
    "INT32": DType.INT32,
    "UINT8": DType.UINT8,
}

# What tflite_micro.runtime.Interpreter has; the package ships no types.
Array = NDArray[np.generic]


class _Interpreter(Protocol):
    def reset(self) -> int: ...
    def invoke(self) -> int: ...
    def set_input(self, input_data: Array, index: int) -> None: ...
    def get_output(self, index: int) -> Array: ...
    def print_allocations(self) -> None: ...


class TflmLoadError(Exception):
    """TFLM refused to load the model.

    Attributes:
        fault: why, as far as its log tells.
        missing_bytes: of the arena, as it says; 0 where it does not.
        text: its log, one line for each.
    """

    def __init__(self, fault: LoadFault, missing_bytes: int, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.missing_bytes = missing_bytes
        self.text = text


class TflmInvokeError(Exception):
    """An inference failed; the text is TFLM's log."""


class TflmLog:
    """File descriptor 2 of this process as a file in memory, so that what TFLM prints there can be read.

    Args:
        descriptor: the file to use, opened by a parent process that wants to read it after a crash; None: a new one.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        own = os.memfd_create("tflm-log") if descriptor is None else descriptor
        append_only(own)
        os.dup2(own, 2)

    def take(self) -> str:
        """What came since the last call, without empty lines; the last 16 KiB of it."""
        text = read_log(2)
        os.ftruncate(2, 0)
        return text


def append_only(descriptor: int) -> None:
    """Makes writes go to the end of a file in memory, so that it can be cut to nothing between them."""
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)


def read_log(descriptor: int) -> str:
    """The text in a log file, without empty lines; the last 16 KiB of it."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, _LOG_BYTES, max(0, size - _LOG_BYTES))
    lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
    return "\n".join(line for line in lines if line)


def engine_version() -> str:
    """Version of the tflite-micro package.

    Raises:
        UsageError: it is not installed.
    """
    from importlib import metadata

    try:
        return metadata.version("tflite-micro")
    except metadata.PackageNotFoundError as error:
        raise _not_installed(error) from error


def preload() -> None:
    """Imports the runtime, which takes 0.2 s, so that a process forked later has it.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from tflite_micro import runtime  # noqa: F401
    except ImportError as error:
        raise _not_installed(error) from error


def tensor_spec(tensor: TfliteTensor) -> TensorSpec:
    """A model's input or output as the wire describes it: without the batch dimension.

    Raises:
        UsageError: its type does not go over the wire.
    """
    if tensor.dtype not in _DTYPES:
        raise UsageError(f"tensor {tensor.name!r} is {tensor.dtype}", hint="convert to float32 or int8")
    return TensorSpec(_DTYPES[tensor.dtype], tensor.shape[1:], tensor.scale, tensor.zero_point)


class TflmRuntime:
    """A model loaded into an arena.

    Args:
        data: the .tflite.
        arena_bytes: size of the arena, which this process allocates.
        log: of this process.

    Raises:
        TfliteFormatError: `data` is no well-formed model; it never reaches TFLM.
        TflmLoadError: TFLM refuses it.
    """

    def __init__(self, data: bytes, arena_bytes: int, log: TflmLog) -> None:
        from tflite_micro import runtime

        model = read_tflite(data)
        self._log = log
        log.take()
        try:
            self._interpreter: _Interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena_bytes)
        except (RuntimeError, MemoryError) as error:
            raise _load_error(log.take(), str(error)) from error
        self._inputs = [_layout(tensor) for tensor in model.inputs]
        self.used_bytes = self._allocations()

    def reset_state(self) -> None:
        """Clears recurrent state to zeros."""
        self._interpreter.reset()

    def set_input(self, index: int, data: bytes) -> None:
        """Copies a whole input tensor, as the wire carries it."""
        dtype, shape = self._inputs[index]
        self._interpreter.set_input(np.frombuffer(data, dtype).reshape(shape), index)

    def invoke(self) -> int:
        """Runs one inference; gives the nanoseconds it took.

        Raises:
            TflmInvokeError: TFLM failed.
        """
        start = time.monotonic_ns()
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise TflmInvokeError(self._log.take() or str(error)) from error
        return time.monotonic_ns() - start

    def output(self, index: int) -> bytes:
        """A whole output tensor of the last inference, as the wire carries it."""
        return np.ascontiguousarray(self._interpreter.get_output(index)).tobytes()

    def _allocations(self) -> int:
        """Bytes of the arena in use, as TFLM reports them; 0 where it does not."""
        self._log.take()
        self._interpreter.print_allocations()
        found = _USED.search(self._log.take())
        return int(found[1]) if found else 0


def vectors_of(data: bytes, model: TfliteModel) -> list[bytes]:
    """One vector's bytes cut into its input tensors."""
    parts, start = [], 0
    for tensor in model.inputs:
        size = tensor_spec(tensor).nbytes
        parts.append(data[start : start + size])
        start += size
    return parts


def _layout(tensor: TfliteTensor) -> tuple[np.dtype[np.generic], Sequence[int]]:
    dtype: np.dtype[np.generic] = np.dtype(tensor_spec(tensor).numpy_dtype)
    return dtype, tensor.shape


def _load_error(log: str, error: str) -> TflmLoadError:
    text = log or error
    missing = _MISSING.findall(text)
    allocation = any(words in text for words in _ALLOCATION_FAULTS)
    invalid = not allocation and ("failed to prepare" in text or any(words in text for words in _MODEL_FAULTS))
    # Below about 2 KB it says nothing at all, and nothing but the arena can be the matter then.
    fault: LoadFault = "model-invalid" if invalid else "arena-too-small"
    return TflmLoadError(fault, int(missing[-1]) if missing else 0, text)


def _not_installed(error: Exception) -> UsageError:
    return UsageError(
        f"engine tflm needs the Python package tflite-micro ({error})",
        hint="pip install 'hil-harness[tflm]' (x86-64 Linux only)",
    )
