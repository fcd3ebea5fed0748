"""`python -m tests.firmware.fuzz --inputs 10000000`: fuzzes the firmware's receive path and session."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.firmware.fuzz.build import build, find_clang, unpack_corpus


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.firmware.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="copy what the corpus became to this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hil-fuzz-") as folder:
        fuzzer = build(Path(folder), guided=find_clang() is not None)
        corpus = unpack_corpus(Path(folder) / "corpus")
        print("libFuzzer" if fuzzer.guided else "no clang here: mutations of the corpus without guidance", flush=True)
        environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=4:malloc_context_size=0"}
        code = subprocess.run(
            fuzzer.command(corpus, options.inputs, options.seed), env=environment, check=False
        ).returncode
        for crash in Path(folder).glob("crash-*"):
            print(f"this input does it, for corpus.txt: {crash.read_bytes().hex()}")
        if options.keep is not None:
            corpus.rename(options.keep)
    return code


if __name__ == "__main__":
    sys.exit(main())
