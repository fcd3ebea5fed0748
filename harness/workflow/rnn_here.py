"""A quantised model in the rnn engine on this computer: the middle of Keras <-> converted model <-> board.

The engine is the one the board runs, built for this computer, from the same packed model.
"""

from __future__ import annotations

import hashlib

from harness.boards.catalogue import find_board
from harness.boards.target import open_target
from harness.model.bundle import Bundle
from harness.model.graph import FloatArray
from harness.model.packed import PackedModel
from harness.protocol.messages import TensorSpec
from harness.workflow.connect import check_engine_ready, connect
from harness.workflow.prepare import build_image
from harness.workflow.progress import Progress
from harness.workflow.stream import decode_outputs, encode_vectors

BOARD = "host"


def run_rnn_here(
    bundle: Bundle, packed: PackedModel, progress: Progress
) -> tuple[tuple[FloatArray, ...], tuple[TensorSpec, ...], tuple[TensorSpec, ...], bytes]:
    """Outputs (dequantised, float32), how outputs and inputs are stored, and the SHA-256 of the packed model.

    Raises:
        BuildError, BoardError: the engine can't be built or run here.
    """
    board = find_board(BOARD)
    progress.phase("rnn engine here", None)
    image = build_image(board, packed, arena_bytes=packed.arena_bytes, progress=progress)
    with (
        open_target(board, port=None, serial_number=None) as target,
        connect(target, image, "auto", progress).session as session,
    ):
        check_engine_ready(session, board=board.id, port=target.port_name)
        session.reset_state()
        results = session.infer(encode_vectors(bundle, session.info.inputs), keep_state=bundle.stateful)
        info = session.info
    outputs = decode_outputs(b"".join(result.output for result in results), len(results), info.outputs)
    text = "".join(packed.sources[name] for name in sorted(packed.sources))
    return outputs, info.outputs, info.inputs, hashlib.sha256(text.encode()).digest()
