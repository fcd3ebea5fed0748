"""`hil bench-link` on the host board, and the rate a target's line is left at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.line_rate import LineRate
from harness.boards.line_rate_model import TRANSMIT_BUFFER_BYTES
from harness.cli.main import main
from harness.errors import BoardError
from harness.link.serial_port import open_port
from harness.link.session import Session
from harness.workflow.line_speed import describe, settle_rate
from tests.link.conftest import device, firmware  # noqa: F401 - fixtures
from tests.link.device import ProcessOnPty

BOARD = replace(find_board("host"), baud_fast=921600)


@pytest.fixture
def line_to(device: ProcessOnPty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LineRate]:  # noqa: F811
    """A line that is clean up to 460800 baud."""
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path))
    with LineRate(device.port_name, board_id="host", clean_up_to_baud=460800) as line:
        yield line


def opened(line: LineRate) -> Session:
    return Session.open(open_port(line.port_name, BOARD.baud_safe))


def test_bench_link_measures_at_the_rate_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path))
    assert main(["bench-link", "-b", "host", "--baud", "921600", "--seconds", "0.3", "-q", "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["board"], record["baud"], record["line"]) == ("host", 921600, "modelled")
    assert [trial["outcome"] for trial in record["trials"]] == ["clean"]
    assert record["to_device"]["bit_errors"] == record["to_host"]["bit_errors"] == 0
    # What a model of the line that slept finds waiting counts as sent in time.
    most = 1.01 + TRANSMIT_BUFFER_BYTES / (921600 / 10 * 0.3)
    assert 0 < record["to_device"]["share_of_line"] <= most
    assert 0 < record["infer"]["share_of_line"] <= most
    assert record["infer"]["vectors"] > 0
    assert all(echo["min_ms"] >= 0.99 * echo["wire_ms"] for echo in record["echoes"])


def test_bench_link_prints_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIL_STATE_DIR", str(tmp_path))
    assert main(["bench-link", "-b", "host", "--as-it-is", "--seconds", "0.1", "-q"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("to the device", "Round trip", "vectors/s", "Repairs  none"))


def test_the_fastest_clean_rate_is_remembered_for_the_target(line_to: LineRate) -> None:
    with opened(line_to) as session:
        trials = settle_rate(session, board=BOARD, target="t-1", baud=None)
        assert (trials[0].baud, trials[-1].baud, session.baud) == (921600, 460800, 460800)
        assert "460800 clean" in describe(trials)
    with opened(line_to) as session:
        assert [trial.baud for trial in settle_rate(session, board=BOARD, target="t-1", baud=None)] == [460800]
    with opened(line_to) as session:
        assert settle_rate(session, board=BOARD, target="another", baud=None)[0].baud == 921600


def test_a_damaged_memory_of_a_rate_is_no_memory(line_to: LineRate, tmp_path: Path) -> None:
    place = tmp_path / "rates" / "t-1.json"
    place.parent.mkdir()
    place.write_text('{"baud": "fast", "noted_s": []}')
    with opened(line_to) as session:
        assert settle_rate(session, board=BOARD, target="t-1", baud=None)[0].baud == 921600


def test_a_rate_asked_for_that_is_not_clean_is_an_error_with_its_bit_errors(line_to: LineRate) -> None:
    with opened(line_to) as session:
        with pytest.raises(BoardError, match=r"does not run at 921600 baud: (\d+ wrong bits|no answer)"):
            settle_rate(session, board=BOARD, target="t-1", baud=921600)
        assert session.baud == BOARD.baud_safe
        assert settle_rate(session, board=BOARD, target="t-1", baud=BOARD.baud_safe) == []


def test_a_board_without_faster_rates_is_asked_for_none(line_to: LineRate) -> None:
    with opened(line_to) as session:
        assert settle_rate(session, board=replace(BOARD, baud_fast=None), target="t-1", baud=None) == []
