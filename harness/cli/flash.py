"""`hil flash`: a board that provably runs the build."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from harness.cli import options, output
from harness.cli.conversion import Conversion, conversion, conversion_options

EPILOG = """\b
Examples:
  hil flash fuel_lstm --board esp32 --port /dev/ttyUSB0
  hil flash -b netduino2plus --always

\b
A board that already runs this very build is left alone unless --always is
given. Afterwards the board is asked which build it runs.
"""


@click.command(name="flash", epilog=EPILOG)
@options.together(
    options.model,
    options.board,
    options.port,
    options.serial_number,
    options.engine,
    options.vectors,
    options.data,
    options.arena_size,
    conversion,
    options.lib_dir,
)
@click.option("--always", is_flag=True, help="Flash even if the board already runs this build.")
@options.together(options.json_file, options.quiet, options.verbose, options.debug)
def command(
    model: str,
    board: str,
    port: str | None,
    serial_number: str | None,
    engine: str | None,
    vectors: Path | None,
    data: Path | None,
    arena_size: int | None,
    always: bool,
    json_to: str | None,
    quiet: bool,
    verbose: bool,
    **converting: Unpack[Conversion],
) -> None:
    """Build the firmware with MODEL in it, put it on a board and check that the board runs it."""
    output.check_outputs(json_to)

    from harness.boards.catalogue import find_board
    from harness.boards.target import open_target
    from harness.cli.progress import watch
    from harness.report.json_file import dumps
    from harness.report.safe_text import printable
    from harness.workflow.connect import connect
    from harness.workflow.run import RunOptions, load, prepare_run

    board, port, serial_number = options.placed(board, port, serial_number)
    found = find_board(board)
    wanted = RunOptions(
        model=model,
        board=board,
        engine=engine,
        vectors=vectors,
        data=data,
        arena_bytes=arena_size,
        conversion=conversion_options(converting),
    )
    with watch(quiet=quiet, verbose=verbose) as progress:
        image = prepare_run(load(wanted, progress), found, wanted, progress).image
        with open_target(found, port=port, serial_number=serial_number) as target:
            connection = connect(target, image, "always" if always else "auto", progress)
            with connection.session as session:
                runs = session.info.build_id.hex()
                port_name = target.port_name
    values = {"board": board, "port": port_name, "build_id": runs, "flashed": connection.flashed}
    if json_to:
        output.write(json_to, dumps(values))
    if json_to != output.STDOUT:
        done = "flashed" if connection.flashed else "already there, not flashed"
        click.echo(printable(f"{board} on {port_name} runs build {runs[:16]} ({done})"))
