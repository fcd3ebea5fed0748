"""`hil explain`: what a model costs, before anything is built."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options, output

EPILOG = """\b
Examples:
  hil explain fuel_lstm
  hil explain my.keras --board megaatmega2560
  hil explain my.pt2 --board netduino2plus
  hil explain digits --json - | jq '.boards[] | select(.fits) | .board'

\b
Flash is the model's own; the firmware with its engine comes on top (hil build
says how much). Exit code 0 even where a board does not hold the model.
"""


@click.command(name="explain", epilog=EPILOG)
@options.model
@click.option(
    "--board", "-b", "board_ids", multiple=True, metavar="BOARD", help="Only this board; may be repeated. Default: all."
)
@options.together(options.vectors, options.json_file, options.quiet, options.debug)
def command(model: str, board_ids: tuple[str, ...], vectors: Path | None, json_to: str | None, quiet: bool) -> None:
    """Print MODEL's layers, parameters, multiply-adds, and bytes of flash and arena on each board."""
    output.check_outputs(json_to)

    from harness.boards.catalogue import find_board, load_catalogue
    from harness.report.explain import print_explanation
    from harness.report.json_file import dumps
    from harness.workflow.explain import explain

    boards = [find_board(id_) for id_ in board_ids] or list(load_catalogue().values())

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    explained = explain(model, boards, on_note=note, vectors=vectors)
    if json_to:
        output.write(json_to, dumps(explained))
    if json_to != output.STDOUT:
        from harness.cli.console import results

        print_explanation(explained, results())
