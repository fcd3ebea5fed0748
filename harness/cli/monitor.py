"""`hil monitor`: what a board says."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, TextIO

import click

from harness.cli import options, output
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.link.port import Port
    from harness.workflow.monitor import Seen

DEFAULT_BAUD = 115_200

EPILOG = """\b
Examples:
  hil monitor --board esp32 --reset
  hil monitor --port /dev/ttyUSB0 --baud 9600 --for 10
  hil monitor -b netduino2plus --for 3 --json - | jq -r .text

\b
"|" marks console text, "<" a frame of the protocol. Ctrl-C ends.
Control characters of the device are shown as \\x1b and the like.
"""


@click.command(name="monitor", epilog=EPILOG)
@options.together(options.board_or_none, options.port, options.serial_number)
@click.option("--baud", type=click.IntRange(min=50), help=f"Default: the board's, or {DEFAULT_BAUD}.")
@click.option("--reset", is_flag=True, help="Reset the board first, to see it start. Needs --board.")
@click.option(
    "--for", "for_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after this time."
)
@click.option(
    "--json", "json_to", metavar="FILE", help='One JSON object per line; "-": to stdout, and nothing else there.'
)
@options.debug
def command(
    board: str | None,
    port: str | None,
    serial_number: str | None,
    baud: int | None,
    reset: bool,
    for_s: float | None,
    json_to: str | None,
) -> None:
    """Show console text and frames of a board, each as one line, until Ctrl-C."""
    if board is None and port is None:
        raise UsageError("neither --board nor --port is given", hint="hil boards and hil ports list what there is")
    if board is None and reset:
        raise UsageError(
            "--reset needs --board, since boards are reset in different ways", hint="hil boards lists them"
        )
    output.check_outputs(json_to)

    from harness.workflow.monitor import watch_port

    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_opened(board, port, serial_number, baud, reset=reset))
        click.echo(f"monitor: {source.name} at {source.baud} baud, Ctrl-C ends", err=True)
        stream: TextIO = sys.stdout
        if json_to and json_to != output.STDOUT:
            stream = stack.enter_context(open(json_to, "w", encoding="utf-8"))  # noqa: PTH123
        # Ctrl-C is how a monitor ends, not a failure.
        with contextlib.suppress(KeyboardInterrupt):
            for seen in watch_port(source, for_s=for_s):
                stream.write((_as_json(seen) if json_to else _as_text(seen)) + "\n")
                stream.flush()


@contextlib.contextmanager
def _opened(
    board: str | None, port: str | None, serial_number: str | None, baud: int | None, *, reset: bool
) -> Iterator[Port]:
    if board is None:
        from harness.link.serial_port import open_port

        assert port is not None
        opened = open_port(port, baud or DEFAULT_BAUD)
        try:
            yield opened
        finally:
            opened.close()
        return

    from harness.boards.catalogue import find_board
    from harness.boards.target import open_target

    board, port, serial_number = options.placed(board, port, serial_number)
    with open_target(find_board(board), port=port, serial_number=serial_number) as target:
        if reset:
            target.reset()
        line = target.line()
        if baud is not None:
            line.set_baud(baud)
        yield line


def _as_text(seen: Seen) -> str:
    from harness.report.frames import describe_frame
    from harness.report.safe_text import printable

    if isinstance(seen.what, str):
        return f"{seen.t_s:9.3f} | {printable(seen.what)}"
    return f"{seen.t_s:9.3f} < {describe_frame(seen.what)}"


def _as_json(seen: Seen) -> str:
    from harness.report.frames import describe_frame

    values: dict[str, object] = {"t_s": round(seen.t_s, 4)}
    if isinstance(seen.what, str):
        values |= {"kind": "console", "text": seen.what}
    else:
        frame = seen.what
        values |= {"kind": "frame", "text": describe_frame(frame), "type": frame.type, "seq": frame.seq}
        values |= {"session": frame.session, "body": frame.body.hex()}
    return json.dumps(values)
