"""The firmware's frames are as long as one vector of the model needs, up to what the receive buffer holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from harness.boards.catalogue import find_board
from harness.boards.target import open_target
from harness.errors import BuildError
from harness.link.pipeline import largest_frame_bytes, wire_bytes
from harness.model.bundle import Bundle, load_bundle
from harness.workflow.available import available
from harness.workflow.prepare import prepare
from harness.workflow.progress import Silent
from harness.workflow.run import RunOptions, run_on
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, run


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HIL_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


def bundle_of(steps: int, features: int, outputs: int) -> Bundle:
    """Five vectors of steps * features numbers through an LSTM of 4 units and a Dense layer."""
    rng = np.random.default_rng(1)
    lstm = lstm_layer(rng, "a", "x", (steps, features), 4, sequences=False)
    model = graph({"x": (steps, features)}, [lstm, dense_layer(rng, "b", "a", (4,), outputs)])
    vectors = rng.normal(0, 1, (5, steps, features)).astype(np.float32)
    golden = np.stack([run(model, {"x": vector})[0].reshape(-1) for vector in vectors]).astype(np.float32)
    return replace(
        load_bundle("fuel_lstm"),
        name="long",
        graph=model,
        model_sha256=model.source_sha256,
        inputs=(vectors,),
        golden=(golden,),
        labels=None,
        arena_bytes={},
    )


@pytest.mark.parametrize(
    ("board", "sizes"), [("host", (50, 30, 3)), ("host", (5, 3, 1500)), ("megaatmega2560", (41, 3, 2))]
)
def test_a_vector_longer_than_the_boards_frames_is_run(board: str, sizes: tuple[int, int, int]) -> None:
    found = find_board(board)
    if not available(found).ready:
        pytest.skip(f"board {board} lacks something on this computer; hil doctor says what")
    bundle = bundle_of(*sizes)
    assert 4 * max(sizes[0] * sizes[1], sizes[2]) > found.max_frame_bytes
    prepared = prepare(bundle, found, engine="rnn", arena_bytes=None, progress=Silent())
    with open_target(found, port=None, serial_number=None) as target:
        record = run_on(target, prepared, RunOptions(board=board), Silent()).record
    assert record.verdict == "pass", record.reasons


def test_a_vector_that_no_receive_buffer_holds_is_refused_in_bytes_before_a_build() -> None:
    class NoCompiler(Silent):
        def line(self, text: str) -> None:
            raise AssertionError(f"the compiler ran: {text}")

    with pytest.raises(BuildError, match=r"\(520 bytes in, 8 out\) takes a frame of 533 bytes, .* up to 507"):
        prepare(
            bundle_of(26, 5, 2), find_board("megaatmega2560"), engine="rnn", arena_bytes=None, progress=NoCompiler()
        )


@pytest.mark.parametrize("held", [255, 256, 511, 512, 4095, 16384])
def test_the_largest_frame_is_the_largest(held: int) -> None:
    assert wire_bytes(largest_frame_bytes(held)) <= held < wire_bytes(largest_frame_bytes(held) + 1)
