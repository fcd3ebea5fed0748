"""Damaged models: an error that says where, never a crash, never another exception."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest

from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_lint import lint_tflite
from harness.model.tflite_read import read_tflite


def test_reads_tensors_and_operators(while_tflite: bytes) -> None:
    model = read_tflite(while_tflite)
    assert [tensor.shape for tensor in model.inputs + model.outputs] == [(1, 3, 1), (1, 1)]
    assert {tensor.dtype for tensor in model.inputs + model.outputs} == {"FLOAT32"}
    assert "WHILE" in model.operator_names
    assert model.size_bytes == len(while_tflite)


def test_every_truncation_is_refused(while_tflite: bytes, fuel_tflite: bytes) -> None:
    for data in (while_tflite, fuel_tflite):
        for length in [*range(64), *range(64, len(data), 97)]:
            with pytest.raises(TfliteFormatError):
                read_tflite(data[:length])


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_never_raise_anything_else(while_tflite: bytes, fuel_tflite: bytes, seed: int) -> None:
    random = np.random.default_rng(seed)
    for data in (while_tflite, fuel_tflite):
        for _ in range(150):
            damaged = bytearray(data)
            for at in random.integers(0, len(data), random.integers(1, 9)):
                damaged[at] = random.integers(0, 256)
            try:
                lint_tflite(bytes(damaged))
            except TfliteFormatError as error:
                assert 0 <= error.offset <= 2**33, f"seed {seed}"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_offsets_never_raise_anything_else(while_tflite: bytes, seed: int) -> None:
    random = np.random.default_rng(seed)
    extremes = [0, 1, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(while_tflite), len(while_tflite) - 4]
    for _ in range(200):
        damaged = bytearray(while_tflite)
        at = 4 * int(random.integers(0, len(damaged) // 4 - 1))
        struct.pack_into("<I", damaged, at, extremes[random.integers(len(extremes))])
        try:
            read_tflite(bytes(damaged))
        except TfliteFormatError:
            continue


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(64), b"\xff" * 64, b"\x1c\0\0\0TFL3" + bytes(20)])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(TfliteFormatError):
        read_tflite(data)


def test_shared_vectors_do_not_multiply_the_work() -> None:
    # A root whose vectors of tables all lead to the same, self-referring tables: small file, much to follow.
    table = bytearray(struct.pack("<I4s", 64, b"TFL3") + bytes(56))
    table[32:52] = struct.pack("<HHHHHHHHHH", 20, 32, 4, 8, 12, 0, 16, 0, 0, 0)
    table += struct.pack("<iIIII", 64 - 32, 3, 12, 12, 12) + bytes(12)
    vector = len(table)
    table += struct.pack("<I", 4096) + b"".join(struct.pack("<i", 64 - (vector + 4 + 4 * i)) for i in range(4096))
    for field in (72, 76, 80):
        struct.pack_into("<I", table, field, vector - field)
    start = time.monotonic()
    with pytest.raises(TfliteFormatError):
        read_tflite(bytes(table))
    assert time.monotonic() - start < 60
