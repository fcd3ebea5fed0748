"""`hil ports`: what is plugged in."""

from __future__ import annotations

import click

from harness.cli import options, output

EPILOG = """\b
Examples:
  hil ports
  hil ports --json - | jq -r '.ports[].device'
"""


@click.command(name="ports", epilog=EPILOG)
@options.lab
@options.json_file
@options.debug
def command(json_to: str | None) -> None:
    """List serial ports with their USB identity and the boards of the catalogue they may be."""
    output.check_outputs(json_to)

    from harness.boards.catalogue import load_catalogue
    from harness.boards.inventory import list_ports, match
    from harness.boards.lab import current_lab
    from harness.report.json_file import dumps

    boards = load_catalogue().values()
    lab = current_lab().values()
    rows = [
        (
            port,
            [board.id for board in boards if match(board, [port])],
            [entry.name for entry in lab if entry.is_at(port)],
        )
        for port in list_ports()
    ]
    if json_to:
        values = [
            {
                "device": port.device,
                "vid": port.vid,
                "pid": port.pid,
                "serial_number": port.serial_number,
                "location": port.location,
                "product": port.product,
                "manufacturer": port.manufacturer,
                "boards": found,
                "lab": names,
            }
            for port, found, names in rows
        ]
        output.write(json_to, dumps({"ports": values}))
    if json_to == output.STDOUT:
        return
    if not rows:
        click.echo("No serial port is attached. Emulated boards need none: hil boards")
        return

    from rich.table import Table
    from rich.text import Text

    from harness.cli.console import results
    from harness.report.safe_text import printable

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for head in ("port", "USB id", "serial number", "product", "may be", *(["in the lab"] if lab else [])):
        table.add_column(head, overflow="fold")
    for port, found, names in rows:
        usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid is not None else "-"
        # A USB device chooses its own strings.
        cells = (
            port.device,
            usb,
            port.serial_number or "-",
            port.product or "-",
            " ".join(found) or "-",
            *([" ".join(names) or "-"] if lab else []),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    results().print(table)
