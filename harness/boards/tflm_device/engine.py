"""The engine behind the session: TFLM with a model and an arena that the host may change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.boards.tflm_device.shared import NoInitMemory
from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_read import read_tflite
from harness.model.tflm_runtime import TflmInvokeError, TflmLoadError, TflmLog, TflmRuntime, tensor_spec, vectors_of
from harness.protocol.ids import ErrorCode
from harness.protocol.messages import EngineStatusInfo

READY = EngineStatusInfo(0, 0, "")
# For the test that shows that the harness notices state leaking from one vector to the next.
NO_RESET_VARIABLE = "HIL_TEST_TFLM_NO_RESET"


class InvokeFailedError(Exception):
    """An inference failed; the text is TFLM's."""


class Engine:
    """TFLM with one model. Not ready until `start` succeeds.

    Attributes:
        inputs, outputs: tensors as the wire describes them.
        status: READY, or why not.
        arena_bytes: size of the arena in use or last tried.
        used_bytes: of the arena, as TFLM reports; 0 while not ready.
    """

    def __init__(self, tflite: bytes, memory: NoInitMemory, log: TflmLog) -> None:
        self._tflite = tflite
        self._memory = memory
        self._log = log
        self._runtime: TflmRuntime | None = None
        self._model = read_tflite(tflite)
        self._resets = os.environ.get(NO_RESET_VARIABLE) != "1"
        self.inputs = tuple(tensor_spec(tensor) for tensor in self._model.inputs)
        self.outputs = tuple(tensor_spec(tensor) for tensor in self._model.outputs)
        self.status = EngineStatusInfo(ErrorCode.ENGINE_NOT_READY, 0, "not started")
        self.arena_bytes = 0

    @property
    def used_bytes(self) -> int:
        return 0 if self._runtime is None else self._runtime.used_bytes

    @property
    def input_bytes(self) -> int:
        """Of one vector."""
        return sum(spec.nbytes for spec in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Of one result."""
        return sum(spec.nbytes for spec in self.outputs)

    def start(self, arena_bytes: int, *, booting: bool = False) -> None:
        """Loads the model into a new arena of that size; `status` says how it went. May crash the process."""
        self._runtime = None
        self.arena_bytes = arena_bytes
        with self._watched(arena_bytes if booting else 0):
            try:
                self._runtime = TflmRuntime(self._tflite, arena_bytes, self._log)
                self.status = READY
            except TflmLoadError as error:
                small = error.fault == "arena-too-small"
                code = ErrorCode.ARENA_TOO_SMALL if small else ErrorCode.MODEL_INVALID
                self.status = EngineStatusInfo(code, error.missing_bytes, error.text)
            except TfliteFormatError as error:
                self.status = EngineStatusInfo(ErrorCode.MODEL_INVALID, error.offset, str(error))

    def stay_down(self, arena_bytes: int, text: str) -> None:
        """Not ready, because starting with that arena crashed the boot before."""
        self.arena_bytes = arena_bytes
        self.status = EngineStatusInfo(ErrorCode.ARENA_TOO_SMALL, 0, text)

    def reset_state(self) -> None:
        """Clears recurrent state to zeros."""
        if self._runtime is not None and self._resets:
            self._runtime.reset_state()

    def run(self, vector: bytes, *, keep_state: bool) -> tuple[int, bytes]:
        """(nanoseconds of the invoke, output tensors' bytes) of one vector.

        Raises:
            InvokeFailedError: TFLM failed.
        """
        assert self._runtime is not None
        runtime = self._runtime
        failure = None
        with self._watched():
            if not keep_state:
                self.reset_state()
            for index, part in enumerate(vectors_of(vector, self._model)):
                runtime.set_input(index, part)
            try:
                took_ns = runtime.invoke()
            except TflmInvokeError as error:
                failure = error
        if failure is not None:
            raise InvokeFailedError(str(failure)) from failure
        return took_ns, b"".join(runtime.output(index) for index in range(len(self.outputs)))

    @contextmanager
    def _watched(self, arena_bytes: int = 0) -> Iterator[None]:
        # No `finally`: what escapes ends this boot, and the next one must know what it was busy with.
        self._memory.engine_begins(arena_bytes)
        yield
        self._memory.engine_ended()
