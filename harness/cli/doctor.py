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
        from rich.text import Text

        from harness.cli.console import results
        from harness.report.safe_text import printable

        styles = {"ok": "green", "note": "yellow", "missing": "bold red"}
        console = results()
        for finding in findings:
            text = Text(f"{finding.state:>7}  ", style=styles[finding.state])
            text.append(f"{printable(finding.name):<22}", style="bold").append(
                f"  {printable(finding.detail)}", style="none"
            )
            # Unwrapped: commands are there to be copied.
            console.print(text, soft_wrap=True)
            for step in finding.mend.split("\n") if finding.mend else ():
                console.print(Text(f"         -> {printable(step)}", style="yellow"), soft_wrap=True)
        console.print()
        ready = sum(f.state == "ok" and f.name.startswith("board ") for f in findings)
        console.print(Text(f"{ready} boards ready" if good else "not ready: see the lines marked missing"))
    return EXIT_PASS if good else EXIT_BUILD
