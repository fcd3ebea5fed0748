"""`hil watch` as a function: what an existing sketch prints, against Keras. Nothing is built or flashed."""

from __future__ import annotations

import datetime
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import harness
from harness.boards.catalogue import find_board
from harness.boards.inventory import AttachedPort, find_port, list_ports, lock_name
from harness.boards.lock import TargetLock
from harness.compare.metrics import Array, Metrics, compute_metrics
from harness.errors import BoardError, ForeignDeviceError, HilError, NoAnswerError, UsageError
from harness.link.console import MAX_LINE_CHARS, sanitise
from harness.link.deadline import Deadline
from harness.link.port import Port
from harness.link.serial_port import open_port
from harness.protocol.frame import Frame
from harness.report.watch_record import (
    WATCH_SCHEMA_VERSION,
    ComplaintRecord,
    MatchedBy,
    PredictionRecord,
    StateRecord,
    WatchRecord,
)
from harness.workflow.monitor import LineCutter
from harness.workflow.sketch_match import Matcher, judge_prediction
from harness.workflow.sketch_reference import Reference, load_reference
from harness.workflow.sketch_state import CONVERSION, judge_state
from harness.workflow.sketch_text import BANNER, DEFAULT_PATTERN, SketchPattern, complaint, is_boot

DEFAULT_BAUD = 115_200
DEFAULT_SILENCE_S = 15.0
_READ_BYTES = 4096
_CONSOLE_LINES = 50
_MAX_PREDICTIONS = 100_000
# A sketch that prints its library's complaint in a loop will not print a prediction any more.
_COMPLAINTS_ENOUGH = 3

OnPrediction = Callable[[PredictionRecord], None]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the user asked for.

    Attributes:
        model, samples, vectors, labels: as `load_reference` takes them.
        port, board, serial_number: where the sketch runs; a board is looked for by its USB ids.
        baud: as in the sketch's Serial.begin.
        pattern: see `SketchPattern`.
        match: way of matching, None: the best there is (`harness.workflow.sketch_match`).
        banner: what the sketch prints when it starts, once; "": nothing.
        count: predictions to wait for; None without `for_s`: two rounds through the vectors, at least four.
        for_s: longest time to watch; None: as long as predictions come.
        silence_s: longest time without a prediction.
    """

    model: str = "fuel_lstm"
    samples: tuple[str, ...] = ()
    vectors: Path | None = None
    labels: Path | None = None
    port: str | None = None
    board: str | None = None
    serial_number: str | None = None
    baud: int = DEFAULT_BAUD
    pattern: str = DEFAULT_PATTERN
    match: MatchedBy | None = None
    banner: str = BANNER
    count: int | None = None
    for_s: float | None = None
    silence_s: float = DEFAULT_SILENCE_S

    def __post_init__(self) -> None:
        if self.count is not None and not 1 <= self.count <= _MAX_PREDICTIONS:
            raise UsageError(f"the count is {self.count}, must be 1 to {_MAX_PREDICTIONS}")
        if self.silence_s <= 0 or (self.for_s is not None and self.for_s <= 0):
            raise UsageError("times must be above 0 seconds")
        if self.port is None and self.board is None:
            raise UsageError("neither --port nor --board is given", hint="hil ports lists what is plugged in")


@dataclass
class _Seen:
    """What has come so far."""

    predictions: list[PredictionRecord] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    complaints: dict[str, ComplaintRecord] = field(default_factory=dict)
    console: deque[str] = field(default_factory=lambda: deque(maxlen=_CONSOLE_LINES))
    bytes: int = 0
    lines: int = 0
    unreadable_lines: int = 0
    frames: int = 0
    ended: str = ""
    interrupted: bool = False

    @property
    def restarts(self) -> int:
        """Times the board started after its first prediction."""
        return len({index for index in self.starts if index > 0})


def watch(
    options: WatchOptions, *, on_prediction: OnPrediction | None = None, on_note: Callable[[str], None] | None = None
) -> WatchRecord:
    """Listens to a sketch and compares what it prints with Keras. A finished comparison returns, whatever its verdict.

    Ctrl-C ends the listening; what has come until then is judged (`WatchRecord.interrupted`).

    Raises:
        UsageError: the options or files are off.
        NoAnswerError: nothing came. ForeignDeviceError: something came, but no prediction.
        BoardError: the library or chip complained and no prediction came; or the port failed.
    """
    pattern = SketchPattern(options.pattern)
    reference = load_reference(
        options.model, samples=options.samples, vectors=options.vectors, labels=options.labels, on_note=on_note
    )
    matcher = Matcher(reference, way=options.match)
    started, start_s = datetime.datetime.now(datetime.UTC), time.monotonic()
    attached = _find(options)
    seen = _Seen()
    with TargetLock.acquire(lock_name(attached), board=options.board, port=attached.device):
        port = open_port(attached.device, options.baud, board=options.board)
        if on_note is not None:
            on_note(f"watching {attached.device} at {options.baud} baud, Ctrl-C ends")
        try:
            _listen(port, options, pattern, matcher, reference, seen, on_prediction)
        except KeyboardInterrupt:
            if not seen.predictions:
                raise
            seen.interrupted = True
        finally:
            port.close()
    if not seen.predictions:
        raise _nothing(options, attached, seen)
    wall_s = time.monotonic() - start_s
    return _record(options, attached, matcher, reference, seen, started, wall_s)


def _find(options: WatchOptions) -> AttachedPort:
    if options.board is not None:
        board = find_board(options.board)
        if board.kind == "emulated":
            raise UsageError(
                f"{board.id} is emulated and runs the harness's own firmware", hint=f"hil run --board {board.id}"
            )
        return find_port(board, port=options.port, serial_number=options.serial_number)
    assert options.port is not None
    for known in list_ports():
        if known.device == options.port or Path(known.device).resolve() == Path(options.port).resolve():
            return known
    return AttachedPort(device=options.port)


def _listen(
    port: Port,
    options: WatchOptions,
    pattern: SketchPattern,
    matcher: Matcher,
    reference: Reference,
    seen: _Seen,
    on_prediction: OnPrediction | None,
) -> None:
    start_s = time.monotonic()
    count = options.count
    if count is None:
        count = max(4, 2 * len(reference.outputs)) if options.for_s is None else _MAX_PREDICTIONS
    end = Deadline(options.for_s) if options.for_s is not None else None
    silence = Deadline(options.silence_s)
    # Whole lines only: of a line that has begun, the last digits may still come.
    cutter = LineCutter()
    while len(seen.predictions) < count:
        if end is not None and end.expired:
            seen.ended = f"{options.for_s:g} s were over"
            return
        if silence.expired:
            seen.ended = f"no prediction came for {options.silence_s:g} s"
            return
        data = port.read(_READ_BYTES, silence if end is None else end.sooner(silence.remaining_s))
        seen.bytes += len(data)
        for what in cutter.feed(data):
            if isinstance(what, Frame):
                seen.frames += 1
                continue
            line = _take(what, seen, options.banner, matcher)
            printed = pattern.parse(line)
            if printed is None:
                continue
            silence = Deadline(options.silence_s)
            vector = matcher.match(printed)
            made = judge_prediction(time.monotonic() - start_s, printed, vector, reference)
            seen.predictions.append(made)
            if on_prediction is not None:
                on_prediction(made)
            if len(seen.predictions) >= count:
                return
        if not seen.predictions and any(c.count >= _COMPLAINTS_ENOUGH for c in seen.complaints.values()):
            return


def _take(text: str, seen: _Seen, banner: str, matcher: Matcher) -> str:
    """A raw line, made harmless and noted."""
    line = sanitise(text[: 4 * MAX_LINE_CHARS])[:MAX_LINE_CHARS]
    seen.lines += 1
    unreadable = sum(not char.isprintable() or char == "\ufffd" for char in text)
    seen.unreadable_lines += 4 * unreadable > len(text)
    seen.console.append(line)
    if is_boot(line, banner):
        # A boot loader and the sketch both have something to say about one start.
        if len(seen.predictions) not in seen.starts:
            seen.starts.append(len(seen.predictions))
        matcher.restart()
    found = complaint(line)
    if found is not None:
        before = seen.complaints.get(found.what)
        times = before.count + 1 if before else 1
        seen.complaints[found.what] = ComplaintRecord(before.line if before else line, times, found.what, found.hint)
    return line


def _nothing(options: WatchOptions, attached: AttachedPort, seen: _Seen) -> HilError:
    """Why no prediction came."""
    board, port, console = options.board, attached.device, tuple(seen.console)
    if seen.complaints:
        first = next(iter(seen.complaints.values()))
        more = "".join(f"; and {other.what}" for other in list(seen.complaints.values())[1:])
        what = f"the sketch prints no prediction, but {first.line!r}: {first.what}{more}"
        return BoardError(what, hint=first.hint, board=board, port=port, console=console)
    if seen.frames:
        what, hint = "the board runs the harness's own firmware, not a sketch that prints", "hil run compares it"
        return ForeignDeviceError(what, hint=hint, board=board, port=port, console=console)
    if 2 * seen.unreadable_lines > seen.lines or (seen.bytes and not seen.lines):
        what = f"{seen.bytes} bytes came at {options.baud} baud, but no readable text"
        return ForeignDeviceError(
            what, hint="--baud as in the sketch's Serial.begin", board=board, port=port, console=console
        )
    if seen.lines:
        what = f"{seen.lines} lines came, but none fits the pattern"
        hint = "give one that does: --pattern 'value: (?P<predicted>[-0-9.]+)'"
        return ForeignDeviceError(what, hint=hint, board=board, port=port, console=console)
    hint = "check that the sketch runs and prints to this port, and its --baud; reset the board while watching"
    return NoAnswerError(f"nothing came: {seen.ended}", hint=hint, board=board, port=port)


def _record(
    options: WatchOptions,
    attached: AttachedPort,
    matcher: Matcher,
    reference: Reference,
    seen: _Seen,
    started: datetime.datetime,
    wall_s: float,
) -> WatchRecord:
    predictions = seen.predictions
    state = judge_state(predictions, seen.starts, reference)
    reasons = _reasons(options, reference, seen, state)
    unseen = len(reference.outputs) - len({p.vector for p in predictions if p.vector is not None})
    notes = [f"{unseen} of {len(reference.outputs)} vectors were not among the predictions"] if unseen else []
    whole = [p for p in predictions if p.error is not None]
    board = np.array([p.predicted for p in whole], np.float64)
    keras = np.array([p.reference for p in whole], np.float64)
    labels = None
    if reference.labels is not None and reference.outputs.shape[1] == 1 and whole:
        labels = reference.labels[[p.vector for p in whole if p.vector is not None]].reshape(-1, 1)
    return WatchRecord(
        schema_version=WATCH_SCHEMA_VERSION,
        verdict="fail" if reasons else "pass",
        reasons=reasons,
        harness_version=harness.__version__,
        started_utc=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        wall_s=round(wall_s, 3),
        interrupted=seen.interrupted,
        port=attached.device,
        baud=options.baud,
        model=reference.name,
        model_sha256=reference.sha256.hex(),
        reference=reference.source,
        pattern=options.pattern,
        matched_by=matcher.way,
        vectors=len(reference.outputs),
        predictions=predictions,
        board_vs_keras=_metrics(board, keras),
        keras_vs_labels=_metrics(keras, labels),
        board_vs_labels=_metrics(board, labels),
        complaints=list(seen.complaints.values()),
        restarts=seen.restarts,
        state=state,
        notes=notes,
        console=list(seen.console),
    )


def _reasons(options: WatchOptions, reference: Reference, seen: _Seen, state: StateRecord) -> list[str]:
    predictions, count = seen.predictions, len(seen.predictions)
    reasons = [state.detail] if state.verdict == "leaks" or state.detail == CONVERSION else []
    wrong = [p for p in predictions if p.vector is not None and not p.passed]
    compared = [p for p in wrong if p.error is not None]
    if compared:
        worst = max(compared, key=lambda p: p.error or 0.0)
        reasons.append(
            f"{len(compared)} of {count} predictions are off, most at vector {worst.vector}: "
            f"printed {_list(worst.predicted)}, right is {_list(worst.reference)}, tolerance {worst.tolerance:.3g}"
        )
    broken = [p for p in wrong if None in p.predicted]
    if broken:
        reasons.append(
            f"{len(broken)} of {count} predictions are NaN or infinite, the first at vector {broken[0].vector}"
        )
    elements = reference.outputs.shape[1]
    odd = [p for p in wrong if p.error is None and None not in p.predicted]
    if odd:
        reasons.append(f"{len(odd)} lines hold {len(odd[0].predicted)} numbers, the model's output has {elements}")
    lost = [p for p in predictions if p.vector is None]
    if lost:
        named = f", the first expects {lost[0].expected:g}" if lost[0].expected is not None else ""
        reasons.append(f"{len(lost)} of {count} predictions belong to no vector{named}")
    reasons += [f"the board printed {c.line!r}, {c.count} times: {c.what}; {c.hint}" for c in seen.complaints.values()]
    if seen.restarts:
        reasons.append(f"the board restarted {seen.restarts} times after its first prediction")
    if options.count is not None and count < options.count and not seen.interrupted:
        reasons.append(f"{count} of {options.count} predictions came: {seen.ended}")
    return reasons


def _metrics(values: Array, right: Array | None) -> Metrics | None:
    return None if right is None or not len(values) else compute_metrics(values, right, task="regression")


def _list(values: Sequence[float | None]) -> str:
    return " ".join("NaN" if value is None else f"{value:.6g}" for value in values[:4])
