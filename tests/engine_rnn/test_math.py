"""Accuracy of sigmoid, tanh and exp, by computing them: with and without fused multiply-add, exact and fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine_rnn.engine import LIB, compile_host, cpu_has_fma, math_sources

# Every 30011th float and, where anything happens (2^-26 <= |x| < 128), every 307th. Stride 1 (all): minutes.
STRIDES = ("30011", "307")
FUNCTIONS = {"sigmoid": "s", "tanh": "t", "exp": "e"}


FUSED = pytest.param(["-mfma"], id="fused", marks=pytest.mark.skipif(not cpu_has_fma(), reason="this CPU has no FMA"))


@pytest.fixture(scope="module", params=[pytest.param([], id="two roundings"), FUSED])
def flags(request: pytest.FixtureRequest) -> list[str]:
    result: list[str] = request.param
    return result


def _sweep(folder: Path, function: str, *flags: str) -> tuple[int, float]:
    """Worst distance from the correctly rounded value in ulp, and worst absolute error."""
    program = folder / "sweep"
    compile_host(
        program, [Path(__file__).with_name("math_sweep.cpp"), *math_sources()], "-DHIL_RNN_MODEL_POINTER", *flags
    )
    command = [str(program), FUNCTIONS[function], *STRIDES]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    ulp, error, _ = done.stdout.split()
    return int(ulp), float(error)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_exact_maths_is_within_2_ulp(tmp_path: Path, flags: list[str], function: str) -> None:
    assert _sweep(tmp_path, function, *flags)[0] <= 2


@pytest.mark.parametrize(("function", "bound"), [("sigmoid", 2.5e-7), ("tanh", 4e-7)])
def test_fast_maths_keeps_its_absolute_bound(tmp_path: Path, flags: list[str], function: str, bound: float) -> None:
    assert _sweep(tmp_path, function, *flags, "-DHIL_RNN_FAST_MATH=1")[1] <= bound


def test_fast_table_is_what_its_script_writes() -> None:
    subprocess.run([sys.executable, str(LIB / "make_fast_table.py"), "--check"], check=True, timeout=60)
