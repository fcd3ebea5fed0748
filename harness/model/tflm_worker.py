"""The process that runs a model in TFLM: `python -m harness.model.tflm_worker OPTIONS`, started by `tflm_host`.

stdin: the .tflite, then every vector's bytes. stdout: every result's bytes, and exit code 0; or a JSON object with
"fault", "missing_bytes" and "text", and exit code 3. Another exit code or a signal: TFLM crashed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass

EXIT_REFUSED = 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Request:
    """Options of one run. `reset_each`: clear recurrent state before each vector."""

    model_bytes: int
    vector_bytes: int
    arena_bytes: int
    reset_each: bool
    parent: int


def main(arguments: list[str]) -> int:
    """Answers one request."""
    request = Request(**json.loads(arguments[0]))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != request.parent:
        return EXIT_REFUSED
    data = sys.stdin.buffer.read(request.model_bytes)
    vectors = sys.stdin.buffer.read()

    from harness.model.tflite_read import read_tflite
    from harness.model.tflm_runtime import TflmInvokeError, TflmLoadError, TflmLog, TflmRuntime, vectors_of

    model = read_tflite(data)
    outputs = []
    try:
        # Descriptor 2 is a file the parent made; it reads TFLM's last words there after a crash.
        runtime = TflmRuntime(data, request.arena_bytes, TflmLog(2))
        for start in range(0, len(vectors), request.vector_bytes):
            if request.reset_each:
                runtime.reset_state()
            for index, part in enumerate(vectors_of(vectors[start : start + request.vector_bytes], model)):
                runtime.set_input(index, part)
            runtime.invoke()
            outputs += [runtime.output(index) for index in range(len(model.outputs))]
    except TflmLoadError as error:
        return _refuse(error.fault, error.missing_bytes, error.text)
    except TflmInvokeError as error:
        return _refuse("invoke-failed", 0, str(error))
    sys.stdout.buffer.write(b"".join(outputs))
    return 0


def _refuse(fault: str, missing_bytes: int, text: str) -> int:
    print(json.dumps({"fault": fault, "missing_bytes": missing_bytes, "text": text}))
    return EXIT_REFUSED


def options(request: Request) -> str:
    """The one argument of this program."""
    return json.dumps(asdict(request))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
