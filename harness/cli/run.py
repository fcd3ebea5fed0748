"""`hil run`: the main job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack, cast

import click
from click.core import ParameterSource

from harness.cli import options, output
from harness.cli.conversion import Conversion, conversion, conversion_options
from harness.errors import EXIT_FAIL, EXIT_PASS, HilError, UsageError

EPILOG = """\b
Examples:
  hil run --board netduino2plus
  hil run fuel_lstm --board esp32 --port /dev/ttyUSB0 --json result.json
  hil run my.keras --vectors x.npy --labels y.npy --board netduino2plus
  hil run my.pt2 --vectors x.npz --board netduino2plus
  hil run -b host --json - | jq .accuracy.board_vs_keras.max_abs
  hil run -b esp32 --junit hil.xml --markdown "$GITHUB_STEP_SUMMARY"

\b
MODEL is a bundle's name, a bundle's folder, a .keras file, a .pt2 (saved by
torch.export.save), or a .tflite or model.h, which engine tflm takes as it is.
Exit codes: 0 passed, 1 comparison failed, 2 usage, 3 board or link,
4 build or flash.
"""


@click.command(name="run", epilog=EPILOG)
@options.together(
    options.model,
    options.board,
    options.port,
    options.serial_number,
    options.baud,
    options.engine,
    options.vectors,
    options.labels,
    options.data,
    options.arena_size,
    conversion,
    options.lib_dir,
)
@click.option(
    "--flash",
    "flash_mode",
    type=click.Choice(["auto", "never", "always"]),
    default=None,
    help="auto (default): unless the board already runs this build; never: refuse another build; always.",
)
@click.option("--no-flash", is_flag=True, help="Same as --flash never.")
@click.option(
    "--image",
    "exported",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Flash this image (hil build --export) instead of building one, and take its model and vectors: no compiler.",
)
@click.option("--image-sha256", "exported_sha256", metavar="HEX", help="What its hil_image.json must hash to.")
@click.option("--warmup", type=click.IntRange(min=1), default=3, show_default=True, help="Inferences before measuring.")
@click.option("--resume", is_flag=True, help="Take over the results of the same run if it was interrupted.")
@click.option("--per-layer", is_flag=True, help="Compare and time every layer for the first vector; engine rnn.")
@click.option(
    "--timeout", "timeout_s", type=float, default=10.0, show_default=True, help="Seconds one inference may take."
)
# Shows that a board which never clears its state is caught; board host-tflm only.
@click.option("--test-no-state-reset", is_flag=True, hidden=True)
@click.option(
    "--allow-interruptions",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Restarts and lost connections of the board that don't fail the run.",
)
@options.json_file
@click.option("--junit", "junit_to", metavar="FILE", help='Result as JUnit XML, one case per check; "-": stdout.')
@click.option("--markdown", "markdown_to", metavar="FILE", help="Append a summary, as for $GITHUB_STEP_SUMMARY.")
@options.together(options.quiet, options.verbose, options.debug)
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    board: str,
    port: str | None,
    serial_number: str | None,
    baud: int | None,
    engine: str | None,
    vectors: Path | None,
    labels: Path | None,
    data: Path | None,
    arena_size: int | None,
    flash_mode: str | None,
    no_flash: bool,
    exported: Path | None,
    exported_sha256: str | None,
    warmup: int,
    resume: bool,
    per_layer: bool,
    timeout_s: float,
    allow_interruptions: int,
    test_no_state_reset: bool,
    json_to: str | None,
    junit_to: str | None,
    markdown_to: str | None,
    quiet: bool,
    verbose: bool,
    **converting: Unpack[Conversion],
) -> int:
    """Build MODEL into a firmware, flash it, stream the test vectors, compare with Keras and report."""
    if no_flash and flash_mode not in (None, "never"):
        raise UsageError(f"--no-flash and --flash {flash_mode} contradict each other", hint="leave one out")
    output.check_outputs(json_to, junit_to, markdown_to)

    from harness.cli.console import results
    from harness.cli.progress import watch
    from harness.report import json_file, junit, markdown
    from harness.report.terminal import print_run
    from harness.workflow.connect import FlashMode
    from harness.workflow.prepare import bundle_of_export
    from harness.workflow.run import RunOptions, run

    try:
        board, port, serial_number = options.placed(board, port, serial_number)
        if exported is not None and ctx.get_parameter_source("model") is ParameterSource.DEFAULT:
            model = bundle_of_export(exported, exported_sha256)
        wanted = RunOptions(
            model=model,
            board=board,
            engine=engine,
            port=port,
            serial_number=serial_number,
            baud=baud,
            vectors=vectors,
            labels=labels,
            data=data,
            arena_bytes=arena_size,
            flash=cast(FlashMode, "never" if no_flash else flash_mode or "auto"),
            exported=exported,
            exported_sha256=exported_sha256,
            warmup=warmup,
            resume=resume,
            per_layer=per_layer,
            timeout_per_vector_s=timeout_s,
            allow_interruptions=allow_interruptions,
            conversion=conversion_options(converting),
        )
        with _state_reset_disabled(test_no_state_reset), watch(quiet=quiet, verbose=verbose) as progress:
            record = run(wanted, progress).record
    except HilError as error:
        # A result file of an earlier run must not be read as this one's.
        if json_to:
            output.write(json_to, json_file.error_json(error))
        if junit_to:
            output.write(junit_to, junit.error_junit(error, board=board, model=model))
        if markdown_to:
            output.write(markdown_to, markdown.error_markdown(error, board=board, model=model), append=True)
        raise
    if json_to:
        output.write(json_to, json_file.run_json(record))
    if junit_to:
        output.write(junit_to, junit.run_junit(record))
    if markdown_to:
        output.write(markdown_to, markdown.run_markdown(record), append=True)
    if output.STDOUT not in (json_to, junit_to, markdown_to):
        print_run(record, results())
    return EXIT_PASS if record.verdict == "pass" else EXIT_FAIL


@contextlib.contextmanager
def _state_reset_disabled(wanted: bool) -> Iterator[None]:
    """Tells the emulated board, a process of its own, through its environment."""
    if not wanted:
        yield
        return
    from harness.boards.tflm_device.engine import NO_RESET_VARIABLE

    before = os.environ.get(NO_RESET_VARIABLE)
    os.environ[NO_RESET_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[NO_RESET_VARIABLE]
        else:
            os.environ[NO_RESET_VARIABLE] = before
