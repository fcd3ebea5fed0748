"""Builds the fuzz target with sanitizers: on libFuzzer where clang is installed, else with a driver of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.resources import firmware_dir

HERE = Path(__file__).parent
UNIT = HERE.parent / "unit"
CORPUS = HERE / "corpus.txt"
SANITIZERS = "-fsanitize=address,undefined"
# Branch counters only: tracing of comparisons takes nine tenths of the time.
COVERAGE = "-fsanitize-coverage=inline-8bit-counters,pc-table"


@dataclass(frozen=True, slots=True)
class Fuzzer:
    """A program that tries inputs; `guided`: by libFuzzer."""

    program: Path
    guided: bool

    def command(self, corpus: Path, inputs: int, seed: int) -> list[str]:
        """Tries every file of `corpus` and `inputs` more made from them."""
        if self.guided:
            fixed = ["-max_len=400", "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/"]
            return [str(self.program), f"-runs={inputs}", f"-seed={seed}", *fixed, str(corpus)]
        return [str(self.program), str(inputs), str(seed), *map(str, sorted(corpus.iterdir()))]


def find_clang() -> str | None:
    """clang++ by whatever name Debian gives it."""
    names = ["clang++", *(f"clang++-{version}" for version in range(21, 13, -1))]
    return next((found for name in names if (found := shutil.which(name))), None)


def build(out: Path, *, guided: bool) -> Fuzzer:
    """Compiles into `out`. Raises subprocess.CalledProcessError with the compiler's words on stderr."""
    compiler = find_clang() if guided else shutil.which("g++")
    assert compiler is not None
    firmware = firmware_dir()
    libraries = [firmware / "lib" / name / "src" for name in ("hil_protocol", "hil_session")]
    includes = [f"-I{folder}" for folder in (UNIT, UNIT / "include", firmware / "include", *libraries)]
    tested = [source for library in libraries for source in sorted(library.glob("*.cpp"))]
    around = [HERE / "fuzz_session.cpp", UNIT / "fake_engine.cpp"]
    flags = ["-std=c++11", "-O2", "-g1", SANITIZERS, "-fno-sanitize-recover=all", *includes]
    if not guided:
        around.append(HERE / "fuzz_main.cpp")
    objects = []
    for source in (*tested, *around):
        made = out / f"{source.stem}.o"
        counted = [COVERAGE] if guided and source in tested else []
        subprocess.run([compiler, *flags, *counted, "-c", str(source), "-o", str(made)], check=True, timeout=100)
        objects.append(str(made))
    program = out / "fuzz"
    link = SANITIZERS + (",fuzzer" if guided else "")
    subprocess.run([compiler, link, *objects, "-o", str(program)], check=True, timeout=100)
    return Fuzzer(program, guided)


def unpack_corpus(folder: Path) -> Path:
    """The kept inputs, a file each."""
    folder.mkdir()
    for number, line in enumerate(CORPUS.read_text("ascii").split()):
        (folder / f"{number:04}").write_bytes(bytes.fromhex(line))
    return folder
