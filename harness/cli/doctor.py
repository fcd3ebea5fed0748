"""`hil doctor`: is this computer ready, and if not, what mends it."""

from __future__ import annotations

import click

from harness.cli import options, output
from harness.errors import EXIT_BUILD, EXIT_PASS

EPILOG = """\b
Examples:
  hil doctor
  hil doctor --fix
  hil doctor --json - | jq -r '.findings[] | select(.mend) | .mend'

\b
Exit codes: 0 at least one board can be used here, 4 none can: something that
every build needs is missing. Boards that lack their own tools are notes.
"""


@click.command(name="doctor", epilog=EPILOG)
@click.option("--fix", is_flag=True, help="Make what the harness can make itself: PlatformIO's offline kit.")
@options.json_file
@options.debug
def command(fix: bool, json_to: str | None) -> int:
    """Check Python, PlatformIO, compilers, emulators and ports; name the command that mends each thing."""
    output.check_outputs(json_to)

    from harness.report.json_file import dumps
    from harness.workflow.doctor import examine, healthy

    findings = examine(fix=fix)
    good = healthy(findings)
    if json_to:
        output.write(json_to, dumps({"healthy": good, "findings": findings}))
    if json_to != output.STDOUT:
        from rich.table import Table
        from rich.text import Text

        from harness.cli.console import results
        from harness.report.safe_text import printable

        styles = {"ok": "green", "note": "yellow", "missing": "bold red"}
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for finding in findings:
            text = Text(printable(finding.detail))
            for step in finding.mend.split("\n") if finding.mend else ():
                text.append(f"\n-> {printable(step)}", style="bold")
            grid.add_row(Text(finding.state, style=styles[finding.state]), Text(printable(finding.name)), text)
        console = results()
        console.print(grid)
        console.print()
        ready = sum(f.state == "ok" and f.name.startswith("board ") for f in findings)
        console.print(Text(f"{ready} boards ready" if good else "not ready: see the lines marked missing"))
    return EXIT_PASS if good else EXIT_BUILD
