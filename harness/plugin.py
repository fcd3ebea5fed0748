"""pytest plugin: `pytest --board netduino2plus` runs tests that use the fixtures below on that board.

Fixtures, once per board and model: `board` (Board), `hil_model` (str) and `hil_options` (RunOptions), which a suite may
override, `bundle` (Bundle), `target` (Target that runs the model's firmware), `hil_run` (RunOutcome of the main job),
`hil_sweep` (SweepRecord: the smallest arena), `assert_arena_at_most` and `assert_arena_suffices` (functions); once per
test: `hil_session` (Session). Without a board, from --port alone: `hil_watch` (function that compares what a sketch
prints).

Thin, and light at import: every pytest start in this environment pays for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from harness.errors import HilError, PortNotFoundError

if TYPE_CHECKING:
    from harness.boards.catalogue import Board
    from harness.boards.lab import Place
    from harness.boards.target import Target
    from harness.link.session import Session
    from harness.model.bundle import Bundle
    from harness.report.record import RunRecord
    from harness.report.sweep_record import SweepRecord
    from harness.report.watch_record import WatchRecord
    from harness.workflow.prepare import Prepared
    from harness.workflow.run import RunOptions, RunOutcome

DEFAULT_MODEL = "fuel_lstm"
# A first build plus a cold start of TensorFlow for the golden outputs takes a minute or two on a small computer.
TIMEOUT_S = 600

# Their values are files or devices.
_PATH_OPTIONS = {"--lab", "--port", "--hil-model", "--hil-vectors", "--hil-labels", "--hil-json"}
NO_BOARD = "no --board given: nothing was proved on hardware"


@dataclass
class HilState:
    """What the plugin remembers for the end of the session."""

    runs: list[RunRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    place: Place | None = None  # of the board in use
    flashed: bool = False  # the board in use, with the model's firmware, in this session


_STATE = pytest.StashKey[HilState]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the group "hil"."""
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption(
        "--board",
        action="append",
        default=[],
        metavar="ID",
        help="Board to run on (hil boards); repeat for several, tests then run on each.",
    )
    group.addoption("--lab", default=None, metavar="FILE", help="Lab file, whose names --board takes too.")
    group.addoption(
        "--port", default=None, metavar="PORT", help="Its serial port, where several could be meant: --port=PORT."
    )
    group.addoption("--serial-number", default=None, metavar="SN", help="Its USB serial number, likewise.")
    group.addoption(
        "--hil-model",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help=f"Bundle name, bundle folder, or a .keras, .pt2, .tflite or .h file (default: {DEFAULT_MODEL}).",
    )
    group.addoption("--hil-vectors", default=None, metavar="FILE", help="Its test vectors; a model file needs them.")
    group.addoption("--hil-labels", default=None, metavar="FILE", help="What the model should say to those vectors.")
    group.addoption("--hil-engine", default=None, metavar="NAME", help="What computes on the board: rnn or tflm.")
    group.addoption(
        "--lib-dir",
        action="append",
        default=[],
        metavar="DIR",
        help="Folder that holds PlatformIO libraries for the firmware, such as TFLM; repeat for several.",
    )
    group.addoption("--require-board", action="store_true", help="Fail, not skip, where the board is not there.")
    group.addoption("--hil-no-flash", action="store_true", help="Never flash; refuse a board that runs another build.")
    group.addoption("--hil-json", default=None, metavar="FILE", help="Records of all runs as JSON.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Makes the `board` fixture for the boards asked for; gives tests on boards a time limit if the user set none."""
    config.stash[_STATE] = HilState()
    _check_root(config)
    ids: list[str] = list(dict.fromkeys(config.getoption("--board")))
    if ids:
        if config.getoption("--lab"):
            # In the environment, where everything that has to do with ports finds it.
            os.environ["HIL_LAB"] = config.getoption("--lab")
        try:
            if config.getoption("--lib-dir"):
                from harness.build.user_libraries import use_library_dirs

                use_library_dirs([Path(folder) for folder in config.getoption("--lib-dir")])
            for name in ids:
                _place(config, name)
        except HilError as error:
            raise pytest.UsageError(str(error)) from error
        if len(ids) > 1 and (config.getoption("--port") or config.getoption("--serial-number")):
            raise pytest.UsageError("--port and --serial-number name one board: give one --board with them")
        _default_timeout(config)
    config.pluginmanager.register(_board_fixture(ids), "hil-board")


def _check_root(config: pytest.Config) -> None:
    """pytest looks for its settings before it knows a plugin's options, and takes `/dev/x` of `--port /dev/x` for a
    place to look in: those of the test suite would not count.
    """
    if config.getoption("rootdir") or config.getoption("inifilename"):
        return
    here, found = config.invocation_params.dir, config.inipath
    if here.is_relative_to(found.parent) if found else not _has_settings(here):
        return
    for option, value in pairwise(map(str, config.invocation_params.args)):
        place = (here / value).absolute()
        misled = found is None or place.is_relative_to(found.parent)
        if misled and option in _PATH_OPTIONS and place.exists():
            what = f"write {option}={value}: after a blank, pytest takes that for a place to look for its settings in"
            raise pytest.UsageError(what)


def _has_settings(folder: Path) -> bool:
    names = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
    return any((place / name).is_file() for place in (folder, *folder.parents) for name in names)


def _place(config: pytest.Config, name: str) -> Place:
    from harness.boards.lab import place

    return place(name, port=config.getoption("--port"), serial_number=config.getoption("--serial-number"))


def _default_timeout(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("timeout"):
        return
    if (
        config.getoption("timeout", None) is None
        and not config.getini("timeout")
        and "PYTEST_TIMEOUT" not in os.environ
    ):
        config.option.timeout = TIMEOUT_S
    if config.getoption("timeout_method", None) is None and not config.getini("timeout_method"):
        # A signal unwinds the test, so locks and emulators go; the thread method ends the whole process.
        config.option.timeout_method = "signal"


def _board_fixture(ids: Sequence[str]) -> ModuleType:
    """A plugin that has `board`, whose parameters are known only after the options are.

    A test suite's own `board` fixture wins over it, as over any plugin's.
    """

    @pytest.fixture(scope="session", params=ids or None, ids=list(ids) or None)
    def board(request: pytest.FixtureRequest) -> Board:
        """The board the test runs on; skips (--require-board: fails) if none is given, attached or usable here."""
        if not ids:
            _absent(request.config, NO_BOARD)
        from harness.boards.catalogue import find_board, missing_here
        from harness.boards.inventory import find_port

        where = _place(request.config, str(request.param))
        found = find_board(where.board)
        request.config.stash[_STATE].place = where
        missing = missing_here(found)
        if missing:
            what = " and ".join(lack.what for lack in missing)
            _absent(request.config, f"board {found.id} can't be used here without {what} ({missing[0].hint})")
        if found.kind == "real":
            # Before anything is built: a build for a board that isn't there helps nobody.
            config = request.config
            why = None
            try:
                find_port(found, port=where.port, serial_number=where.serial_number)
            except PortNotFoundError as error:
                why = _one_line(error)
            if why:
                _absent(config, why)
        return found

    # pytest looks for fixtures in modules and classes, and wants session fixtures in modules.
    module = ModuleType("hil_board")
    module.board = board  # type: ignore[attr-defined]
    return module


def _one_line(error: HilError) -> str:
    return "; ".join(line.strip() for line in str(error).split("\n"))


def _absent(config: pytest.Config, why: str) -> NoReturn:
    if config.getoption("--require-board"):
        pytest.fail(f"--require-board: {why}", pytrace=False)
    skipped = config.stash[_STATE].skipped
    if why not in skipped:
        skipped.append(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def hil_model(request: pytest.FixtureRequest) -> str:
    """The model as `hil run` takes it. A module or conftest.py may override this fixture."""
    return str(request.config.getoption("--hil-model"))


@pytest.fixture(scope="session")
def hil_options(request: pytest.FixtureRequest, board: Board, hil_model: str) -> RunOptions:
    """What `hil_run` runs with. A module or conftest.py may override it: `replace(hil_options, arena_bytes=4096)`."""
    from harness.workflow.run import RunOptions

    vectors, labels = (request.config.getoption(name) for name in ("--hil-vectors", "--hil-labels"))
    # A test suite's own `board` fixture has no place of ours.
    where = request.config.stash[_STATE].place or _place(request.config, board.id)
    return RunOptions(
        model=hil_model,
        board=board.id,
        port=where.port,
        serial_number=where.serial_number,
        engine=request.config.getoption("--hil-engine"),
        vectors=Path(vectors) if vectors else None,
        labels=Path(labels) if labels else None,
        flash="never" if request.config.getoption("--hil-no-flash") else "auto",
    )


@pytest.fixture(scope="session")
def bundle(hil_options: RunOptions) -> Bundle:
    """The model with its vectors and golden outputs."""
    from harness.workflow.run import load

    return load(hil_options)


@pytest.fixture(scope="session")
def _hil_prepared(bundle: Bundle, board: Board, hil_options: RunOptions) -> Prepared:
    from harness.workflow.progress import Silent
    from harness.workflow.run import prepare_run

    return prepare_run(bundle, board, hil_options, Silent())


@pytest.fixture(scope="session")
def target(
    request: pytest.FixtureRequest, board: Board, hil_options: RunOptions, _hil_prepared: Prepared
) -> Iterator[Target]:
    """The attached board, held for this test session and running the model's firmware."""
    from harness.boards.target import open_target
    from harness.workflow.connect import connect
    from harness.workflow.progress import Silent

    opened, why = None, ""
    try:
        opened = open_target(board, port=hil_options.port, serial_number=hil_options.serial_number)
    except PortNotFoundError as error:
        why = _one_line(error)
    if opened is None:
        _absent(request.config, why)
    with opened as held:
        connection = connect(held, _hil_prepared.image, hil_options.flash, Silent())
        connection.session.close()
        request.config.stash[_STATE].flashed = connection.flashed
        yield held


@pytest.fixture
def hil_session(target: Target) -> Iterator[Session]:
    """A fresh session with the target."""
    with target.session() as session:
        yield session


@pytest.fixture(scope="session")
def hil_run(
    request: pytest.FixtureRequest, target: Target, hil_options: RunOptions, _hil_prepared: Prepared
) -> RunOutcome:
    """The main job, finished: vectors streamed and compared. Its verdict may be "fail": see `assert_hil_pass`."""
    from harness.workflow.progress import Silent
    from harness.workflow.run import run_on

    state = request.config.stash[_STATE]
    outcome = run_on(target, _hil_prepared, hil_options, Silent(), flashed=state.flashed)
    state.runs.append(outcome.record)
    return outcome


@pytest.fixture
def hil_watch(request: pytest.FixtureRequest, hil_model: str) -> Callable[..., WatchRecord]:
    """Compares what the sketch at --port prints with Keras: `record = hil_watch(count=8)`, `record.verdict == "pass"`.

    Keyword arguments are the fields of `harness.workflow.watch.WatchOptions`. Skips (--require-board: fails) where no
    --port is given or it is not there.
    """
    from harness.workflow.watch import WatchOptions, watch

    port = request.config.getoption("--port")
    if port is None:
        _absent(request.config, "no --port given: no sketch was watched")

    def compare(**wanted: Any) -> WatchRecord:
        try:
            return watch(WatchOptions(**{"model": hil_model, "port": port} | wanted))
        except PortNotFoundError as error:
            why = _one_line(error)
        _absent(request.config, why)

    return compare


@pytest.fixture(scope="session")
def hil_sweep(
    request: pytest.FixtureRequest, target: Target, hil_options: RunOptions, _hil_prepared: Prepared
) -> SweepRecord:
    """The model's smallest arena on this board, found and proved; the board then runs the model's firmware again."""
    if request.config.getoption("--hil-no-flash"):
        pytest.fail("--hil-no-flash: a sweep flashes a firmware with the largest arena", pytrace=False)
    from harness.workflow.connect import connect
    from harness.workflow.progress import Silent
    from harness.workflow.sweep.begin import Subject, builder
    from harness.workflow.sweep.options import SweepOptions
    from harness.workflow.sweep.sweep import sweep_on

    packed = _hil_prepared.packed
    subject = Subject(_hil_prepared.bundle, packed, builder(target.board, packed, Silent()))
    options = SweepOptions(model=hil_options.model, board=target.board.id, confirm=False)
    try:
        # What `confirmed` would say, `hil_run` says.
        return sweep_on(target, subject, options, Silent())
    finally:
        connect(target, _hil_prepared.image, "auto", Silent()).session.close()


@pytest.fixture(scope="session")
def assert_arena_at_most(hil_sweep: SweepRecord) -> Callable[[int], None]:
    """`assert_arena_at_most(bytes)`: the model has not outgrown that arena on this board."""
    from harness import assertions

    return partial(assertions.assert_arena_at_most, hil_sweep)


@pytest.fixture(scope="session")
def assert_arena_suffices(hil_sweep: SweepRecord) -> Callable[..., None]:
    """`assert_arena_suffices()`: the configured ARENA_SIZE, or the bytes given, is at least the proven minimum."""
    from harness import assertions

    return partial(assertions.assert_arena_suffices, hil_sweep)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Errors of the harness are told as `hil` tells them, without a traceback through its inside."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, HilError) and report.failed:
        from harness.report.error_text import error_text

        error = call.excinfo.value
        report.longrepr = f"{type(error).__name__}: {error_text(error)}"
    return report


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which boards this session is about."""
    ids = config.getoption("--board")
    return f"hil: {config.getoption('--hil-model')} on {', '.join(ids)}" if ids else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes --hil-json, also after failures."""
    place = session.config.getoption("--hil-json")
    if place is None or hasattr(session.config, "workerinput"):
        return
    from harness.report.json_file import dumps
    from harness.report.record import SCHEMA_VERSION
    from harness.resources import write_atomic

    runs = session.config.stash[_STATE].runs
    write_atomic(Path(place), dumps({"schema_version": SCHEMA_VERSION, "runs": runs}).encode())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line per run; and loudly what was skipped, since pytest shows reasons of skips only on request."""
    state = config.stash[_STATE]
    if not state.runs and not state.skipped:
        return
    from harness.report.safe_text import printable
    from harness.report.terminal import summary_line

    terminalreporter.section("hil", sep="-")
    for record in state.runs:
        good = record.verdict == "pass"
        terminalreporter.write_line(summary_line(record), green=good, red=not good)
    for why in state.skipped:
        terminalreporter.write_line(f"SKIPPED {printable(why)}", yellow=True, bold=True)
