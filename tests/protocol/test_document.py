"""docs/protocol.md says what the code does: its walk-through and its arithmetic are checked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.link.pipeline import FRAME_OVERHEAD_BYTES, vectors_per_frame, wire_bytes
from harness.protocol.frame import encode_frame
from harness.protocol.ids import DType, ErrorCode, MessageType
from harness.protocol.messages import TensorSpec
from tests.vectors.make_wire_records import INFO, payloads

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_the_walk_through_shows_the_wire_records() -> None:
    section = TEXT.partition("## A session, byte by byte")[2]
    entries = re.split(r"^\*\*(\w+)\*\* ", section, flags=re.MULTILINE)[1:]
    records = payloads()
    shown = dict(zip(entries[::2], entries[1::2], strict=True))
    assert len(shown) >= len(MessageType)
    for name, entry in shown.items():
        payload, wire = entry.split("header+body")[1].split("    wire  ")
        assert "".join(payload.split()) == records[name].hex(), name
        assert "".join(wire.split()) == encode_frame(records[name]).hex(), name


def test_the_error_table_is_complete() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", TEXT, flags=re.MULTILINE)
    assert {name: int(number) for number, name in rows} == {code.name: int(code) for code in ErrorCode}


def test_every_message_type_is_described_with_its_number() -> None:
    for kind in MessageType:
        assert f"{kind.name} 0x{kind:02X}" in TEXT


def test_the_arithmetic_of_bytes_per_vector_is_that_of_the_link() -> None:
    rows = re.findall(
        r"^\| (\d+) (\w+) in, (\d+) out \| (\d+) / (\d+) \| (\d+) \| ([\d.]+|-) \| ([\d.]+|-) \| ([\d.]+)?", TEXT, re.M
    )
    assert len(rows) == 6
    for inputs, dtype, outputs, frame_bytes, buffer_bytes, count, request, reply, at_115200 in rows:
        kind = DType[dtype.upper()]
        info = replace(
            INFO,
            inputs=(TensorSpec(kind, (int(inputs),)),),
            outputs=(TensorSpec(kind, (int(outputs),)),),
            max_frame_bytes=int(frame_bytes),
            rx_buffer_bytes=int(buffer_bytes),
        )
        n = vectors_per_frame(info)
        assert n == int(count)
        if n:
            sizes = [
                wire_bytes(FRAME_OVERHEAD_BYTES + n * size) / n for size in (info.input_bytes, 4 + info.output_bytes)
            ]
            assert [f"{size:.2f}" for size in sizes] == [request, reply]
            assert abs(11520 / max(sizes) - float(at_115200)) < 0.6
