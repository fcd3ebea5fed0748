"""The engine, compiled for the host: plain, and under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_rnn.engine import SANITIZERS, Engine, compile_host, engine_sources


def _engine(folder: Path, *flags: str) -> Iterator[Engine]:
    server = Path(__file__).with_name("engine_server.cpp")
    program = compile_host(folder / "engine", [server, *engine_sources()], "-DHIL_RNN_MODEL_POINTER", *flags)
    engine = Engine(program)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    yield from _engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def sanitized_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    yield from _engine(tmp_path_factory.mktemp("engine_sanitized"), *SANITIZERS)
