"""`hil sweep-arena`: the smallest ARENA_SIZE that really works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Unpack

import click

from harness.cli import options, output
from harness.cli.conversion import Conversion, conversion, conversion_options
from harness.errors import EXIT_FAIL, EXIT_PASS, HilError, UsageError

EPILOG = """\b
Examples:
  hil sweep-arena --board netduino2plus
  hil sweep-arena fuel_lstm -b esp32 --port /dev/ttyUSB0 --json arena.json
  hil sweep-arena ./my_bundle -b esp32 --margin 64 --write
  hil sweep-arena -b host-tflm --exhaustive --from 2K --to 8K --chart a.html
  hil sweep-arena -b netduino2plus --by-rebuild
  hil sweep-arena -b esp32 --resume

\b
A probe passes if the engine starts, computes several vectors bit for bit as
with the largest arena, leaks no state and touches nothing outside its arena.
docs/arena.md says what the number means.
Exit codes: 0 found and confirmed, 1 not, 2 usage, 3 board or link,
4 build or flash.
"""


@click.command(name="sweep-arena", epilog=EPILOG)
@options.together(
    options.model,
    options.board,
    options.port,
    options.serial_number,
    options.engine,
    options.vectors,
    options.labels,
    options.data,
    conversion,
    options.lib_dir,
)
@click.option("--step", type=options.ByteSize(), default=16, show_default=True, help="Resolution of the search, bytes.")
@click.option(
    "--margin",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="Bytes added to the minimum, rounded up to 16, for the recommended size.",
)
@click.option(
    "--arena-size", type=options.ByteSize(), help="ARENA_SIZE in use, to compare with. Default: the bundle's setting."
)
@click.option(
    "--exhaustive", is_flag=True, help="Try every step, not only those near the edge and a sample of the rest."
)
@click.option("--by-rebuild", is_flag=True, help="Judge sizes by a build and flash each as well; compare times.")
@click.option("--from", "first", type=options.ByteSize(), help="Where --exhaustive and --by-rebuild begin.")
@click.option("--to", "last", type=options.ByteSize(), help="Where they end.")
@click.option("--no-confirm", is_flag=True, help="Leave out the build and full comparison with the recommended size.")
@click.option("--write", "write_", is_flag=True, help="Put the recommended size into the bundle's bundle.toml.")
@click.option("--resume", is_flag=True, help="Take over what an interrupted sweep of the same firmware found.")
@click.option(
    "--timeout", "timeout_s", type=float, default=10.0, show_default=True, help="Seconds one inference may take."
)
@options.json_file
@click.option("--chart", "chart_to", metavar="FILE", help="Outcome by size as a picture: FILE.svg or FILE.html.")
@options.together(options.quiet, options.verbose, options.debug)
def command(
    model: str,
    board: str,
    port: str | None,
    serial_number: str | None,
    engine: str | None,
    vectors: Path | None,
    labels: Path | None,
    data: Path | None,
    step: int,
    margin: int,
    arena_size: int | None,
    exhaustive: bool,
    by_rebuild: bool,
    first: int | None,
    last: int | None,
    no_confirm: bool,
    write_: bool,
    resume: bool,
    timeout_s: float,
    json_to: str | None,
    chart_to: str | None,
    quiet: bool,
    verbose: bool,
    **converting: Unpack[Conversion],
) -> int:
    """Find the smallest ARENA_SIZE that works for MODEL on a board, prove the edge and confirm it with a build."""
    if chart_to is not None and Path(chart_to).suffix.lower() not in (".svg", ".html"):
        raise UsageError(f"{chart_to} is neither .svg nor .html", hint="--chart arena.html")
    output.check_outputs(json_to, chart_to)

    from harness.cli.console import results
    from harness.cli.progress import watch
    from harness.report.json_file import dumps, error_json
    from harness.report.sweep_chart import sweep_html, sweep_svg
    from harness.report.sweep_terminal import print_sweep
    from harness.workflow.sweep.options import SweepOptions
    from harness.workflow.sweep.sweep import sweep

    try:
        board, port, serial_number = options.placed(board, port, serial_number)
        wanted = SweepOptions(
            model=model,
            board=board,
            engine=engine,
            port=port,
            serial_number=serial_number,
            vectors=vectors,
            labels=labels,
            data=data,
            step_bytes=step,
            margin_bytes=margin,
            present_bytes=arena_size,
            exhaustive=exhaustive,
            first_bytes=first,
            last_bytes=last,
            rebuild=by_rebuild,
            confirm=not no_confirm,
            write=write_,
            resume=resume,
            timeout_per_vector_s=timeout_s,
            conversion=conversion_options(converting),
        )
        with watch(quiet=quiet, verbose=verbose) as progress:
            record = sweep(wanted, progress)
    except HilError as error:
        # A result file of an earlier sweep must not be read as this one's.
        if json_to:
            output.write(json_to, error_json(error))
        raise
    except KeyboardInterrupt:
        print("hil: verdicts so far are kept: the same command with --resume goes on", file=sys.stderr)
        raise
    if json_to:
        output.write(json_to, dumps(record))
    if chart_to:
        output.write(chart_to, sweep_svg(record) if chart_to.lower().endswith(".svg") else sweep_html(record))
    if json_to != output.STDOUT:
        print_sweep(record, results())
    return EXIT_PASS if record.verdict == "pass" else EXIT_FAIL
