"""What is generated and committed is what its source says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.protocol import generate_header, ids
from harness.protocol.frame import FrameSplitter, encode_frame
from harness.protocol.ids import MessageType
from tests.vectors import make_wire_records


def test_the_firmwares_header_is_up_to_date() -> None:
    assert generate_header.main(["--check"]) == 0


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_compiles_and_has_the_numbers(tmp_path: Path, language: str) -> None:
    compiler = shutil.which("gcc" if language == "c" else "g++")
    if compiler is None:
        pytest.skip("no host compiler")
    source = tmp_path / "check"
    source.write_text(
        '#include "hil_protocol_ids.h"\n'
        "#if HIL_MSG_HELLO != 0x01 || HIL_ERR_ARENA_TOO_SMALL != 7 || HIL_RESET_FAULT != 6 || HIL_REPLY_BIT != 0x80\n"
        "#error wrong\n#endif\n"
        "int used = HIL_INFO_TAG_BOARD + HIL_STATS_TAG_STACK_FREE_MIN + HIL_DTYPE_FLOAT32 + HIL_LOG_INFO\n"
        "  + HIL_INFER_FLAG_KEEP_STATE + HIL_PROTOCOL_VERSION + HIL_HEADER_BYTES + HIL_CRC_BYTES + HIL_NO_SESSION;\n"
    )
    include = f"-I{generate_header.header_path().parent}"
    command = [
        compiler,
        "-x",
        language,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        include,
        "-fsyntax-only",
        str(source),
    ]
    subprocess.run(command, check=True, timeout=60)


def test_every_number_is_in_the_header_once() -> None:
    names = [line.split()[1] for line in generate_header.header_text().splitlines() if line.startswith("#define HIL_")]
    assert len(names) == len(set(names))
    for enum_name, prefix in generate_header.PREFIXES.items():
        for member in getattr(ids, enum_name):
            assert f"{prefix}{member.name}" in names


def test_wire_records_are_what_the_codec_makes() -> None:
    assert make_wire_records.main(["--check"]) == 0


def test_wire_records_decode_to_their_payload_and_cover_every_message_type() -> None:
    types = set()
    for line in make_wire_records.RECORDS_PATH.read_text().splitlines():
        name, payload_hex, frame_hex = line.split()
        payload, wire = bytes.fromhex(payload_hex), bytes.fromhex(frame_hex)
        assert encode_frame(payload) == wire, name
        (frame,) = FrameSplitter().feed(wire)
        assert frame == FrameSplitter().feed(encode_frame(payload))[0], name
        types.add(payload[0])
    assert types >= set(MessageType)
