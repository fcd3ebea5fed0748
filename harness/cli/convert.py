"""`hil convert`: a model as .tflite and as the header a sketch includes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options, output

if TYPE_CHECKING:
    from harness.model.tflite_make import Converted

HEADER_NAME = "model.h"

EPILOG = """\b
Examples:
  hil convert fuel_lstm --output fuel.tflite
  hil convert my.keras --int8 --calibrate x.npz --output my.tflite
  hil convert model.h --output model.tflite

\b
LSTM layers become one operator each. A model with other recurrent layers
(GRU, SimpleRNN, Bidirectional, ...) is unrolled by TensorFlow: every time
step spelled out, up to 256 of them.

\b
Beside FILE.tflite comes model.h, a drop-in for the header of
eloquent_tensorflow: tfModel, TF_NUM_INPUTS, registerNetworkOps, ...
"""


@click.command(name="convert", epilog=EPILOG)
@options.model
@click.option("--engine", type=click.Choice(["tflm"]), default="tflm", show_default=True, help="Engine to convert for.")
@click.option("--int8", is_flag=True, help="Quantise to int8, inputs and outputs too. Needs vectors.")
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="Representative inputs, .npz, .npy or .csv. Default: the bundle's vectors.",
)
@click.option("--library", default="tflite-micro", show_default=True, help="TFLM library to check for (hil lint).")
@click.option(
    "--output", "-o", "output_to", type=click.Path(path_type=Path), required=True, help="The .tflite file to write."
)
@options.together(options.json_file, options.quiet, options.debug)
def command(
    model: str,
    engine: str,
    int8: bool,
    calibrate: Path | None,
    library: str,
    output_to: Path,
    json_to: str | None,
    quiet: bool,
) -> None:
    """Convert MODEL for TensorFlow Lite for Microcontrollers, and check the result in the real TFLM here."""
    output.check_outputs(json_to, str(output_to))

    from harness.cli.lint import finding_lines, finding_values
    from harness.errors import UsageError
    from harness.model.tflite_make import convert_model
    from harness.model.tflite_source import require_no_errors
    from harness.report.json_file import dumps
    from harness.resources import write_atomic

    if output_to.suffix.lower() != ".tflite":
        raise UsageError(f"{output_to} does not end in .tflite", hint="the header goes beside it by itself")
    header_to = output_to.with_name(HEADER_NAME)

    def note(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    made = convert_model(model, int8=int8, calibrate=calibrate, library=library, on_note=note)
    if made.way:
        require_no_errors(made.findings, f"{made.name}, converted ({_how(made)}),")
    try:
        write_atomic(output_to, made.tflite)
        if Path(model).resolve() != header_to.resolve():  # never over the header that was read
            write_atomic(header_to, made.header.encode())
    except OSError as error:
        raise UsageError(f"{error.filename} can't be written: {error.strerror}", hint="choose another file") from error
    if json_to:
        values = _values(made, output_to, header_to) | {"findings": finding_values(made.findings)}
        output.write(json_to, dumps(values))
    if json_to != output.STDOUT:
        for line in [*_lines(made, output_to, header_to), *finding_lines(made.findings)]:
            click.echo(line)


def _lines(made: Converted, tflite: Path, header: Path) -> list[str]:
    size = f"{len(made.tflite):,} bytes, {made.operators:,} operators"
    lines = [f"{tflite}  {size}{', int8' if made.int8 else ''}", f"{header}"]
    if made.way:
        lines.append(_how(made))
    if made.check is not None:
        check = made.check
        lines.append(
            f"TFLM on this computer - {check.reference}, {check.vectors} vectors: max {check.max_abs:.3g}, "
            f"mean {check.mean_abs:.3g} (outputs span {check.golden_range:.4g})"
        )
    return lines


def _how(made: Converted) -> str:
    if made.way == "fused":
        return "fused: one operator for each LSTM"
    return f"unrolled: {made.why}"


def _values(made: Converted, tflite: Path, header: Path) -> dict[str, object]:
    import hashlib

    check = made.check
    return {
        "model": made.name,
        "engine": "tflm",
        "int8": made.int8,
        "way": made.way or None,
        "why": made.why or None,
        "operators": made.operators,
        "tflite": tflite,
        "header": header,
        "tflite_bytes": len(made.tflite),
        "tflite_sha256": hashlib.sha256(made.tflite).hexdigest(),
        "check": None
        if check is None
        else {
            "vectors": check.vectors,
            "max_abs": check.max_abs,
            "mean_abs": check.mean_abs,
            "golden_range": check.golden_range,
        },
    }
