"""`hil boards`: the catalogue, and what each board needs on this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli import options, output

if TYPE_CHECKING:
    from harness.boards.lab import LabBoard

EPILOG = """\b
Examples:
  hil boards
  hil boards --json - | jq -r '.boards[] | select(.ready) | .id'
  hil boards --lab boards.toml --json - | jq -r '.lab[].name'
"""


@click.command(name="boards", epilog=EPILOG)
@options.together(options.lab, options.json_file, options.debug)
def command(json_to: str | None) -> None:
    """List the boards of the catalogue and of the lab file: memory, engines, and what is missing here."""
    output.check_outputs(json_to)

    from harness.boards.catalogue import load_catalogue
    from harness.boards.lab import current_lab
    from harness.report.json_file import dumps
    from harness.workflow.available import available

    rows = [(board, available(board)) for board in load_catalogue().values()]
    lab = current_lab().values()
    if json_to:
        values = [
            {
                "id": board.id,
                "title": board.title,
                "kind": board.kind,
                "mcu": board.mcu,
                "ram_bytes": board.ram_bytes,
                "flash_bytes": board.flash_bytes,
                "engines": board.engines,
                "ready": here.ready,
                "missing": [lack.what for lack in here.missing],
                "ports": here.ports,
            }
            for board, here in rows
        ]
        output.write(json_to, dumps({"boards": values, "lab": [_lab_values(entry) for entry in lab]}))
    if json_to == output.STDOUT:
        return

    from rich.table import Table
    from rich.text import Text

    from harness.cli.console import results
    from harness.report.numbers import size
    from harness.report.safe_text import printable

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for head in ("board", "kind", "MCU", "RAM", "flash", "engines", "here"):
        right = head in ("RAM", "flash")
        table.add_column(head, justify="right" if right else "left", no_wrap=head != "here", overflow="fold")
    for board, here in rows:
        # A limit of 0 means there is none worth naming.
        memory = [size(limit) if limit else "-" for limit in (board.ram_bytes, board.flash_bytes)]
        state = Text(printable(here.summary), style="green" if here.ready else "yellow")
        table.add_row(board.id, board.kind, board.mcu, *memory, " ".join(board.engines), state)
    console = results()
    console.print(table)
    for entry in lab:
        where = entry.port or (f"serial number {entry.serial_number}" if entry.serial_number else "wherever it is")
        console.print(Text(printable(f"lab: {entry.name} is {entry.board}, {where}")), soft_wrap=True)
    lacks = [(board.id, lack) for board, here in rows for lack in here.missing]
    if lacks:
        console.print()
    for board_id, lack in lacks:
        console.print(Text(f"{board_id} lacks {lack.what}:\n  {lack.mend}"), soft_wrap=True)


def _lab_values(entry: LabBoard) -> dict[str, object]:
    # Not the power command: it is nobody's affair but this computer's.
    return {"name": entry.name, "board": entry.board, "port": entry.port, "serial_number": entry.serial_number}
