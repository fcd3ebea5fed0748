"""Headers for sketches: written as a drop-in, read in the forms that exist."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.tflite_header import parse_header, write_header
from harness.model.tflite_schema import OPERATOR_OF_METHOD, RESOLVER_OPERATORS, resolver_method

# As eloquent_tensorflow writes it: operators in the random order of a set, most of them unused, one line of bytes.
ELOQUENT = """
#pragma once
#if HAVE_ATTRIBUTE(aligned) || (defined(__GNUC__) && !defined(__clang__))
#define DATA_ALIGN_ATTRIBUTE __attribute__((aligned(4)))
#endif
// automatically configure network
#define TF_NUM_INPUTS 3
#define TF_NUM_OUTPUTS 1
#define TF_NUM_OPS 4

/**
 * Call this function to register the ops
 * that have been detected
 */
template<class TF>
void registerNetworkOps(TF& nn) {
    nn.resolver.AddTranspose();
    nn.resolver.AddUnidirectionalSequenceLSTM();
    nn.resolver.AddFullyConnected();
    nn.resolver.AddStridedSlice();

}

// model data
const unsigned char tfModel[%d] DATA_ALIGN_ATTRIBUTE = { %s };
"""


def hexadecimal(data: bytes) -> str:
    return ", ".join(f"0x{byte:02x}" for byte in data)


def test_written_header_reads_back(fuel_tflite: bytes) -> None:
    parsed = parse_header(write_header(fuel_tflite))
    assert parsed.data == fuel_tflite
    assert parsed.array_name == "tfModel"
    assert parsed.methods == ("AddFullyConnected", "AddStridedSlice", "AddUnidirectionalSequenceLSTM")
    assert parsed.num_ops == 3


def test_written_header_says_the_model_s_sizes(fuel_tflite: bytes) -> None:
    text = write_header(fuel_tflite)
    assert "#define TF_NUM_INPUTS 3\n" in text
    assert "#define TF_NUM_OUTPUTS 1\n" in text


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_written_header_compiles_and_holds_the_model(fuel_tflite: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.h").write_text(write_header(fuel_tflite))
    (tmp_path / "main.cpp").write_text(
        """
        #include <stdint.h>
        #include <stdio.h>
        #include "model.h"
        struct Resolver {
          int count = 0;
          void AddFullyConnected() { ++count; }
          void AddStridedSlice() { ++count; }
          void AddUnidirectionalSequenceLSTM() { ++count; }
        };
        struct Network { Resolver resolver; };
        int main() {
          Network nn;
          registerNetworkOps(nn);
          if (nn.resolver.count != TF_NUM_OPS || reinterpret_cast<uintptr_t>(tfModel) % 16 != 0) return 1;
          fwrite(tfModel, 1, sizeof tfModel, stdout);
        }
        """
    )
    program = tmp_path / "main"
    subprocess.run(
        ["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", str(tmp_path / "main.cpp"), "-o", str(program)], check=True
    )
    assert subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout == fuel_tflite


def test_eloquent_header_is_read(while_tflite: bytes) -> None:
    parsed = parse_header(ELOQUENT % (len(while_tflite), hexadecimal(while_tflite)))
    assert parsed.data == while_tflite
    assert parsed.operators == ("TRANSPOSE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "FULLY_CONNECTED", "STRIDED_SLICE")
    assert parsed.num_ops == 4


@pytest.mark.parametrize(
    "form",
    [
        "unsigned char g_model[] = {{ {} }};\nunsigned int g_model_len = 5;",
        "alignas(16) const uint8_t g_model[] = {{{},}};",
        "const unsigned char g_model[] __attribute__((aligned(8))) PROGMEM = {{ {} }};",
        "/* const unsigned char old[] = {{ 1, 2 }}; */\nstatic const unsigned char g_model[] = {{ // bytes\n{} }};",
        "const unsigned char digits[] = {{ 1, 2, 3 }};\nconst unsigned char g_model[] = {{ {} }};",
    ],
)
def test_other_forms_are_read(while_tflite: bytes, form: str) -> None:
    parsed = parse_header(form.format(hexadecimal(while_tflite)))
    assert (parsed.array_name, parsed.data, parsed.methods) == ("g_model", while_tflite, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no array"),
        ("int main() {}", "no array"),
        ("const unsigned char a[] = { 1, 2, 3 };", "no array"),
        ("const unsigned char a[] = { 0x20, 0x1ff };", "no byte"),
        ("const unsigned char a[] = { 1, two };", "no byte"),
        ("const unsigned char a[9] = { 0,0,0,0,0x54,0x46,0x4c,0x33 };", "declares 9 bytes and has 8"),
        (
            "const unsigned char a[] = {0,0,0,0,84,70,76,51};const unsigned char b[] = {0,0,0,0,84,70,76,51};",
            "2 arrays",
        ),
        ("const unsigned char a[] = { 0,0,0,0,84,70,76,51", "no array"),
    ],
)
def test_header_without_one_whole_model_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_header(text)


def test_every_operator_has_its_own_method() -> None:
    assert len(OPERATOR_OF_METHOD) == len(RESOLVER_OPERATORS)
    assert resolver_method("UNIDIRECTIONAL_SEQUENCE_LSTM") == "AddUnidirectionalSequenceLSTM"
    assert resolver_method("CONV_2D") == "AddConv2D"
