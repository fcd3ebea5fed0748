"""What the packer takes, refuses and promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.graph import LayerSpec, ModelGraph
from harness.model.rnn_pack import pack_blob, pack_rnn
from harness.model.rnn_plan import FOREVER, Buffer, plan
from tests.engine_rnn.reference import dense_layer, graph, lstm_layer, tutorial


def _lstm(**config: object) -> ModelGraph:
    return graph({"x": (3, 2)}, [lstm_layer(np.random.default_rng(0), "memory", "x", (3, 2), 4, **config)])  # type: ignore[arg-type]


def test_tutorial_model_needs_a_small_arena_and_counts_its_work() -> None:
    packed = pack_rnn(tutorial())
    assert packed.engine == "rnn"
    assert packed.arena_bytes == 540
    assert packed.macs == 3 * 4 * 12 * 13 + 3 * 4 * 12 * 24 + 12 * 32 + 32
    assert packed.model_bytes < 4 * 2321 + 256


def test_packing_twice_gives_the_same_bytes() -> None:
    assert pack_rnn(tutorial()) == pack_rnn(tutorial())


def test_header_holds_the_blob_and_refuses_avr_beyond_its_object_size() -> None:
    blob, _, _ = pack_blob(tutorial())
    header = pack_rnn(tutorial()).sources["hil_model.h"]
    body = header[header.index("{") : header.index("};")]
    assert bytes(int(word, 16) for word in body.replace("{", " ").replace(",", " ").split()) == blob
    assert "#error" in header


def test_framework_text_cannot_end_the_comment_it_stands_in() -> None:
    hostile = dataclasses.replace(tutorial(), framework='x */ \n#include "/etc/passwd"')
    first = pack_rnn(hostile).sources["hil_model.h"].splitlines()[0]
    assert first.endswith("*/")
    assert first.count("*/") == 1


def test_unsupported_layer_is_named_with_what_is_supported() -> None:
    layer = LayerSpec("gate", "Conv1D", {"filters": 4}, {}, ("x",), (4,))
    with pytest.raises(UsageError, match=r"'gate' is a Conv1D") as caught:
        pack_rnn(graph({"x": (3, 2)}, [layer]))
    assert caught.value.hint is not None
    assert "LSTM" in caught.value.hint


def test_unsupported_lstm_setting_is_named() -> None:
    with pytest.raises(UsageError, match=r"'memory' \(LSTM\) has time_major=True"):
        pack_rnn(_lstm(time_major=True))


def test_unsupported_cell_is_named_with_what_is_supported() -> None:
    layer = LayerSpec("memory", "RNN", {"cell.kind": "ConvLSTMCell"}, {}, ("x",), (4,))
    with pytest.raises(UsageError, match="has a cell ConvLSTMCell") as caught:
        pack_rnn(graph({"x": (3, 2)}, [layer]))
    assert caught.value.hint is not None
    assert "PeepholeLSTMCell" in caught.value.hint


@pytest.mark.parametrize("setting", ["activation", "recurrent_activation"])
def test_unsupported_activation_is_named_with_what_is_supported(setting: str) -> None:
    with pytest.raises(UsageError, match=rf"{setting}='softmax'") as caught:
        pack_rnn(_lstm(**{setting: "softmax"}))
    assert caught.value.hint is not None
    assert "hard_sigmoid" in caught.value.hint


def test_other_weight_type_than_float32_is_refused() -> None:
    with pytest.raises(UsageError, match="dtype='mixed_float16'"):
        pack_rnn(_lstm(dtype="mixed_float16"))


def test_nan_weights_are_refused() -> None:
    model = _lstm()
    model.layers[0].weights["recurrent_kernel"][0, 0] = np.nan
    with pytest.raises(UsageError, match="NaN or Inf in its recurrent_kernel"):
        pack_rnn(model)


def test_weights_of_another_shape_are_refused() -> None:
    layer = dataclasses.replace(_lstm().layers[0], weights={"kernel": np.zeros((2, 12), np.float32)})
    with pytest.raises(UsageError, match=r"shape \(2, 12\) kernel; expected shape \(2, 16\)"):
        pack_rnn(graph({"x": (3, 2)}, [layer]))


def test_open_length_is_refused_with_advice() -> None:
    layer = lstm_layer(np.random.default_rng(0), "memory", "x", (3, 2), 4)
    with pytest.raises(UsageError, match="fixed number of time steps"):
        pack_rnn(graph({"x": (0, 2)}, [layer]))


def test_initial_states_of_the_wrong_shape_are_refused() -> None:
    layer = dataclasses.replace(_lstm().layers[0], inputs=("x", "x"))
    with pytest.raises(UsageError, match=r"initial states of shapes \[\(3, 2\)\], expected \[\(4,\), \(4,\)\]"):
        pack_rnn(graph({"x": (3, 2)}, [layer]))


def test_dense_with_two_inputs_is_refused() -> None:
    layer = dataclasses.replace(dense_layer(np.random.default_rng(0), "d", "x", (3, 2), 4), inputs=("x", "x"))
    with pytest.raises(UsageError, match="reads 2 tensors"):
        pack_rnn(graph({"x": (3, 2)}, [layer]))


def test_mask_that_no_masking_layer_made_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'memory' .* mask that does not come from a Masking layer"):
        pack_rnn(_lstm(mask_of=""))


def test_merged_masks_are_refused_where_a_layer_needs_them() -> None:
    layers = [
        LayerSpec("mask", "Masking", {"mask_value": 0.0}, {}, ("x",), (3, 2)),
        LayerSpec("sum", "Add", {}, {}, ("mask", "mask"), (3, 2)),
        lstm_layer(np.random.default_rng(0), "memory", "sum", (3, 2), 4),
    ]
    with pytest.raises(UsageError, match=r"'memory' .* reads masked tensors that were merged"):
        pack_rnn(graph({"x": (3, 2)}, layers))


def test_equal_weights_are_kept_once() -> None:
    first = lstm_layer(np.random.default_rng(0), "l", "x", (3, 2), 4)
    second = dataclasses.replace(first, name="l@1", inputs=("y",))
    one, both = (pack_blob(graph({"x": (3, 2), "y": (3, 2)}, layers))[0] for layers in ([first], [first, second]))
    assert len(both) - len(one) < 100


def test_batch_normalization_next_to_a_dense_layer_costs_nothing() -> None:
    rng = np.random.default_rng(0)
    norm = {name: np.ones(3, np.float32) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    for chain in (("d", "n"), ("n", "d")):
        layers, source, shape = [], "x", (3,)
        for name in chain:
            dense = dense_layer(rng, name, source, shape, 3)
            layers.append(dense if name == "d" else LayerSpec(name, "BatchNormalization", {}, norm, (source,), shape))
            source = name
        assert pack_rnn(graph({"x": shape}, layers)).macs == 9


def test_buffers_that_live_together_never_overlap() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        buffers = []
        for _ in range(rng.integers(1, 12)):
            first = int(rng.integers(-1, 8))
            last = FOREVER if rng.random() < 0.2 else first + int(rng.integers(0, 4))
            buffers.append(Buffer(4 * int(rng.integers(1, 40)), first, last))
        offsets, end = plan(buffers, base=16)
        for i, (one, at) in enumerate(zip(buffers, offsets, strict=True)):
            assert at >= 16
            assert at % 4 == 0
            assert at + one.bytes <= end
            for other, there in zip(buffers[:i], offsets[:i], strict=True):
                apart = at + one.bytes <= there or there + other.bytes <= at
                assert apart or not one.meets(other)


def test_buffers_of_a_chain_are_reused() -> None:
    rng = np.random.default_rng(0)
    layers = [dense_layer(rng, "d0", "x", (64,), 64)]
    layers += [dense_layer(rng, f"d{i}", f"d{i - 1}", (64,), 64) for i in range(1, 10)]
    assert pack_rnn(graph({"x": (64,)}, layers)).arena_bytes == 3 * 4 * 64
