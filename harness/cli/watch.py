"""`hil watch`: a sketch that is on the board already, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from harness.cli import options, output
from harness.errors import EXIT_FAIL, EXIT_INTERRUPTED, EXIT_PASS

if TYPE_CHECKING:
    from harness.report.watch_record import MatchedBy, PredictionRecord

EPILOG = """\b
Examples:
  hil watch --port /dev/ttyUSB0
  hil watch my.keras -p /dev/ttyUSB0 --sample 4.6,8,304=17.76
  hil watch model.h -p /dev/ttyACM0 --baud 9600 --vectors x.csv --for 60
  hil watch my.keras -p /dev/ttyUSB0 --pattern 'y=(?P<predicted>[-.0-9]+)'

\b
Lines like "Expcted = 17.76, predicted = 17.76" are read; nothing is built or
flashed. MODEL is a .keras file or bundle, or the sketch's own model.h.
A prediction belongs to the vector whose label was printed before it; where
lines have no label, to the next vector in order, from the first line on and
anew after each restart of the board. A pattern may also name it:
(?P<vector>\\d+). Without --sample and --vectors, a model that takes three
numbers is held to the tutorial's two samples.
Allowed: the bundle's tolerance plus half of the last printed digit.

\b
Exit codes: 0 all right, 1 predictions are off, 2 usage, 3 no prediction came
or the library complained, 130 interrupted (what came is still reported).
"""


@click.command(name="watch", epilog=EPILOG)
@options.together(options.model, options.board_or_none, options.port, options.serial_number)
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="NUMBERS[=LABEL]",
    help="A vector the sketch uses, with the label it prints; once for each, in the sketch's order.",
)
@options.together(options.vectors, options.labels)
@click.option("--pattern", metavar="REGEX", help="With (?P<predicted>...), maybe (?P<expected>...), (?P<vector>...).")
@click.option(
    "--match",
    type=click.Choice(["auto", "label", "order", "number"]),
    default="auto",
    show_default=True,
    help="How predictions are matched with vectors.",
)
@click.option("--banner", metavar="TEXT", help="What the sketch prints once, at its start. Default: the tutorial's.")
@click.option("--baud", type=click.IntRange(min=50), default=115_200, show_default=True, help="As in Serial.begin.")
@click.option("--count", type=click.IntRange(min=1), help="Predictions to wait for. Default: twice each vector.")
@click.option(
    "--for", "for_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Longest time to watch."
)
@click.option(
    "--silence",
    "silence_s",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="End after this long without a prediction.",
)
@options.together(options.json_file, options.quiet, options.debug)
def command(
    model: str,
    board: str | None,
    port: str | None,
    serial_number: str | None,
    samples: tuple[str, ...],
    vectors: Path | None,
    labels: Path | None,
    pattern: str | None,
    match: str,
    banner: str | None,
    baud: int,
    count: int | None,
    for_s: float | None,
    silence_s: float,
    json_to: str | None,
    quiet: bool,
) -> int:
    """Compare what an existing sketch prints with Keras, without new firmware."""
    output.check_outputs(json_to)

    from harness.cli.console import results
    from harness.errors import HilError
    from harness.report.json_file import dumps, error_json
    from harness.report.watch import prediction_line, print_watch
    from harness.workflow.sketch_text import BANNER, DEFAULT_PATTERN
    from harness.workflow.watch import WatchOptions, watch

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    def show(made: PredictionRecord) -> None:
        say(prediction_line(made))

    try:
        if board is not None:
            board, port, serial_number = options.placed(board, port, serial_number)
        wanted = WatchOptions(
            model=model,
            samples=samples,
            vectors=vectors,
            labels=labels,
            port=port,
            board=board,
            serial_number=serial_number,
            baud=baud,
            pattern=DEFAULT_PATTERN if pattern is None else pattern,
            match=None if match == "auto" else cast("MatchedBy", match),
            banner=BANNER if banner is None else banner,
            count=count,
            for_s=for_s,
            silence_s=silence_s,
        )
        record = watch(wanted, on_prediction=show, on_note=say)
    except HilError as error:
        if json_to:
            output.write(json_to, error_json(error))
        raise
    if json_to:
        output.write(json_to, dumps(record))
    if json_to != output.STDOUT:
        print_watch(record, results())
    if record.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PASS if record.verdict == "pass" else EXIT_FAIL
