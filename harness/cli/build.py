"""`hil build`: the firmware and its sizes, no board needed."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from harness.cli import options, output
from harness.cli.conversion import Conversion, conversion, conversion_options

EPILOG = """\b
Examples:
  hil build fuel_lstm --board megaatmega2560
  hil build my.keras --vectors x.npy -b netduino2plus --arena-size 8K
  hil build -b esp32 --json - | jq .ram_bytes
  hil build -b esp32 --export images/esp32      (then: hil run --image)
"""


@click.command(name="build", epilog=EPILOG)
@options.together(
    options.model,
    options.board,
    options.engine,
    options.vectors,
    options.data,
    options.arena_size,
    conversion,
    options.lib_dir,
)
@click.option(
    "--export",
    "export_to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the image as a folder that hil run --image takes where there is no compiler.",
)
@options.together(
    options.json_file,
    options.quiet,
    options.verbose,
    options.debug,
)
def command(
    model: str,
    board: str,
    engine: str | None,
    vectors: Path | None,
    data: Path | None,
    arena_size: int | None,
    export_to: Path | None,
    json_to: str | None,
    quiet: bool,
    verbose: bool,
    **converting: Unpack[Conversion],
) -> None:
    """Build the firmware for a board with MODEL in it and print its sizes, build id and place."""
    output.check_outputs(json_to)

    from harness.boards.catalogue import find_board
    from harness.build.export import export_image
    from harness.cli.console import results
    from harness.cli.progress import watch
    from harness.model.bundle_write import bundle_files
    from harness.report.image import ImageRecord, print_image
    from harness.report.json_file import dumps
    from harness.report.record import SectionRecord
    from harness.workflow.run import RunOptions, load, prepare_run

    found = find_board(board)
    wanted = RunOptions(
        model=model,
        board=board,
        engine=engine,
        vectors=vectors,
        data=data,
        arena_bytes=arena_size,
        conversion=conversion_options(converting),
    )
    with watch(quiet=quiet, verbose=verbose) as progress:
        made = prepare_run(load(wanted, progress), found, wanted, progress)
    image = made.image
    export_sha256 = export_image(image, export_to, bundle=bundle_files(made.bundle)) if export_to is not None else None
    record = ImageRecord(
        board=image.board,
        engine=image.engine,
        model=made.bundle.name,
        model_sha256=image.model_sha256.hex(),
        build_id=image.build_id.hex(),
        elf=str(image.elf),
        toolchain=image.toolchain,
        flash_bytes=image.flash_bytes,
        flash_limit_bytes=found.flash_bytes,
        ram_bytes=image.ram_bytes,
        ram_limit_bytes=found.ram_bytes,
        arena_bytes=image.arena_bytes,
        arena_capacity_bytes=image.arena_capacity_bytes,
        sections=[SectionRecord(s.name, s.bytes, s.in_flash, s.in_ram) for s in image.sections],
        export=str(export_to) if export_to is not None else None,
        export_sha256=export_sha256,
    )
    if json_to:
        output.write(json_to, dumps(record))
    if json_to != output.STDOUT:
        print_image(record, results())
