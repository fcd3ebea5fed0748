"""`hil lint`: what TensorFlow Lite for Microcontrollers would get wrong about a model, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options, output
from harness.errors import EXIT_FAIL, EXIT_PASS

if TYPE_CHECKING:
    from harness.model.tflite_lint import Finding

EPILOG = """\b
Examples:
  hil lint model.tflite
  hil lint model.h --library eloquent
  hil lint fuel_lstm --json -

\b
Exit codes: 0 no error (warnings do not count), 1 the model is refused,
2 usage, or the file is damaged.
"""


@click.command(name="lint", epilog=EPILOG)
@options.model
@click.option(
    "--library",
    default="tflite-micro",
    show_default=True,
    help="tflite-micro, esp-tflite-micro, eloquent, chirale or tensorflowlite-esp32.",
)
@options.together(options.json_file, options.debug)
def command(model: str, library: str, json_to: str | None) -> int:
    """Check MODEL (.tflite, model.h, .keras, .pt2 or a bundle) for what TFLM runs wrong or not at all."""
    output.check_outputs(json_to)

    from harness.model.tflite_libraries import find_library
    from harness.model.tflite_lint import errors_of, lint_tflite
    from harness.model.tflite_make import convert_model
    from harness.model.tflite_source import is_tflite_source, load_tflite
    from harness.report.json_file import dumps

    chosen = find_library(library)
    notes: list[str] = []
    if is_tflite_source(Path(model)):
        source = load_tflite(Path(model))
        findings = lint_tflite(source.data, chosen)
        missing, spare = source.unregistered, source.superfluous
        if missing:
            notes.append(f"error: the header does not register {', '.join(missing)}; hil convert writes a right one")
        if spare:
            notes.append(f"note: the header registers {len(spare)} operators for nothing: {', '.join(spare)}")
    else:
        made = convert_model(model, library=library, on_note=lambda text: click.echo(text, err=True))
        findings = made.findings
        if made.way == "unrolled":
            notes.append(f"note: unrolled into {made.operators:,} operators: {made.why}")
        missing = ()
    refused = bool(errors_of(findings) or missing)
    if json_to:
        values = {
            "model": model,
            "library": chosen.id,
            "refused": refused,
            "findings": finding_values(findings),
            "unregistered": list(missing),
        }
        output.write(json_to, dumps(values))
    if json_to != output.STDOUT:
        verdict = "refused" if refused else "no error"
        for line in [f"{model}, {chosen.title}: {verdict}", *finding_lines(findings), *notes]:
            click.echo(_printable(line))
    return EXIT_FAIL if refused else EXIT_PASS


def finding_lines(findings: tuple[Finding, ...]) -> list[str]:
    """For people: three or four lines each."""
    lines = []
    for finding in findings:
        lines += [f"{finding.severity}: {finding.what} [{finding.rule}]", f"  why: {finding.why}"]
        lines.append(f"  instead: {finding.instead}")
        if finding.link:
            lines.append(f"  see: {finding.link}")
    return [_printable(line) for line in lines]


def finding_values(findings: tuple[Finding, ...]) -> list[dict[str, object]]:
    """For programs."""
    keys = ("rule", "severity", "what", "why", "instead", "link")
    return [{key: getattr(finding, key) for key in keys} for finding in findings]


def _printable(line: str) -> str:
    # Tensor and operator names come from the model file.
    from harness.report.safe_text import printable

    return printable(line)
