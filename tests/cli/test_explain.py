"""`hil explain`: what a model costs, before anything is built."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board, load_catalogue
from harness.cli.main import main
from harness.errors import EXIT_USAGE
from harness.model.bundle import load_bundle
from harness.model.rnn_pack import pack_rnn
from harness.workflow.explain import AVR_MODEL_MAX_BYTES, board_cost, explain


def test_numbers_are_those_the_build_will_use() -> None:
    bundle = load_bundle("fuel_lstm")
    packed = pack_rnn(bundle.graph)
    explained = explain("fuel_lstm", [find_board("netduino2plus")])
    assert (explained.model_bytes, explained.arena_bytes, explained.macs) == (
        packed.model_bytes,
        packed.arena_bytes,
        packed.macs,
    )
    assert explained.sha256 == bundle.model_sha256
    # The tutorial's own count, layer by layer.
    assert [layer.parameters for layer in explained.layers] == [672, 1200, 416, 33]
    assert explained.parameters == 2321
    assert sum(layer.macs or 0 for layer in explained.layers) == explained.macs


def test_every_board_that_has_the_engine_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fuel_lstm", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = [board.id for board in load_catalogue().values() if "rnn" in board.engines]
    assert [board["board"] for board in found["boards"]] == expected
    assert all(isinstance(board["fits"], bool) for board in found["boards"])


def test_text_names_layers_and_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fuel_lstm", "-b", "netduino2plus", "-b", "uno"]) == 0
    text = capsys.readouterr().out
    for expected in ("lstm_1", "dense_2", "2,321", "netduino2plus", "uno"):
        assert expected in text
    assert "megaatmega2560" not in text


def test_refusal_says_why_in_bytes() -> None:
    mega = find_board("megaatmega2560")
    assert board_cost(mega, 10_000, 1000).fits
    assert "9,000 bytes of RAM, the board has 8,192" in board_cost(mega, 10_000, 9000).reason
    assert "4,000 bytes, the firmware reserves 3,072" in board_cost(mega, 10_000, 4000).reason
    assert "8-bit AVR" in board_cost(mega, AVR_MODEL_MAX_BYTES + 1, 1000).reason
    assert board_cost(mega, 10_000, 1000, 507).fits
    assert "a frame of 508 bytes, the firmware takes up to 507" in board_cost(mega, 10_000, 1000, 508).reason
    small = dataclasses.replace(mega, flash_bytes=5000)
    assert "10,000 bytes of flash, the board has 5,000" in board_cost(small, 10_000, 1000).reason


def test_unknown_board_and_model_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fuel_lstm", "-b", "netduino2plu"]) == EXIT_USAGE
    assert "netduino2plus" in capsys.readouterr().err
    assert main(["explain", "fuel_lstn"]) == EXIT_USAGE
    assert "fuel_lstm" in capsys.readouterr().err


def test_converted_model_is_sent_to_the_commands_that_know_tflm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"")
    assert main(["explain", str(model)]) == EXIT_USAGE
    assert "hil lint" in capsys.readouterr().err
