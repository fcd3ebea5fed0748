"""`hil bench-link`: what the line to a board carries."""

from __future__ import annotations

import click

from harness.cli import options, output
from harness.errors import EXIT_PASS, HilError

EPILOG = """\b
Examples:
  hil bench-link --board esp32
  hil bench-link -b host --baud 921600
  hil bench-link -b netduino2plus --json - | jq .infer.share_of_line

\b
An emulated board has no line of its own: a model of one with a UART's rate
is put before it. --as-it-is measures the emulator without.
"""


@click.command(name="bench-link", epilog=EPILOG)
@options.together(options.model, options.board, options.port, options.serial_number, options.engine, options.baud)
@click.option("--no-flash", is_flag=True, help="Measure the firmware that is on the board; refuse another build.")
@click.option(
    "--seconds", type=float, default=3.0, show_default=True, help="How long each direction and the vectors take."
)
@click.option("--as-it-is", is_flag=True, help="Emulated boards: no model of a line between.")
@click.option(
    "--timeout", "timeout_s", type=float, default=10.0, show_default=True, help="Seconds one inference may take."
)
@options.json_file
@options.together(options.quiet, options.verbose, options.debug)
def command(
    model: str,
    board: str,
    port: str | None,
    serial_number: str | None,
    engine: str | None,
    baud: int | None,
    no_flash: bool,
    seconds: float,
    as_it_is: bool,
    timeout_s: float,
    json_to: str | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Measure echo, both directions and vectors of MODEL: speed, share of the line's limit, round trips, errors."""
    output.check_outputs(json_to)

    from harness.cli.console import results
    from harness.cli.progress import watch
    from harness.report.json_file import dumps, error_json
    from harness.report.link_terminal import print_link
    from harness.workflow.bench_link import BenchOptions, bench_link

    try:
        board, port, serial_number = options.placed(board, port, serial_number)
        wanted = BenchOptions(
            model=model,
            board=board,
            engine=engine,
            port=port,
            serial_number=serial_number,
            flash="never" if no_flash else "auto",
            baud=baud,
            seconds=seconds,
            model_line=not as_it_is,
            timeout_per_vector_s=timeout_s,
        )
        with watch(quiet=quiet, verbose=verbose) as progress:
            record = bench_link(wanted, progress)
    except HilError as error:
        if json_to:
            output.write(json_to, error_json(error))
        raise
    if json_to:
        output.write(json_to, dumps(record))
    if json_to != output.STDOUT:
        print_link(record, results())
    return EXIT_PASS
