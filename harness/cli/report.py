"""`hil report`: a finished run's JSON as another form."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options, output

EPILOG = """\b
Examples:
  hil report result.json
  hil report result.json --markdown "$GITHUB_STEP_SUMMARY"
  hil report results/*.json --markdown - --junit hil.xml

\b
A file is one of `hil run --json` or `pytest --hil-json`. The exit code is
always 0 where the files could be read: it is about the report, not the run.
"""


@click.command(name="report", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--markdown", "markdown_to", metavar="FILE", help='Append Markdown to this file; "-": to stdout.')
@click.option("--junit", "junit_to", metavar="FILE", help='JUnit XML of one result; "-": to stdout.')
@options.debug
def command(files: tuple[Path, ...], markdown_to: str | None, junit_to: str | None) -> None:
    """Render results that `hil run --json` or `pytest --hil-json` wrote, without a board."""
    output.check_outputs(markdown_to, junit_to)

    from harness.cli.console import results
    from harness.errors import HilError, UsageError
    from harness.report import junit, markdown
    from harness.report.error_text import error_text
    from harness.report.json_file import load_records
    from harness.report.terminal import print_run

    found = [result for file in files for result in load_records(file)]
    if junit_to:
        if len(found) != 1:
            raise UsageError(f"--junit takes one result, {len(found)} were given", hint="call it once for each")
        (one,) = found
        text = (
            junit.error_junit(one, board=one.board or "", model="")
            if isinstance(one, HilError)
            else junit.run_junit(one)
        )
        output.write(junit_to, text)
    if markdown_to:
        texts = [
            markdown.error_markdown(result, board=result.board or "board", model="run")
            if isinstance(result, HilError)
            else markdown.run_markdown(result)
            for result in found
        ]
        output.write(markdown_to, "".join(texts), append=True)
    if markdown_to is None and junit_to is None:
        for result in found:
            if isinstance(result, HilError):
                click.echo(f"error: {error_text(result)}")
            else:
                print_run(result, results())
