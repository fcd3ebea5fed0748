"""How the model becomes what the engine takes: options of every command that puts one into a firmware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from harness.cli import options

if TYPE_CHECKING:
    from harness.model.bundle_toml import Quantise
    from harness.workflow.conversion import ConversionOptions

conversion = options.together(options.int8, options.quantise, options.calibrate, options.no_lint, options.library)


class Conversion(TypedDict):
    """What `conversion` gives a command."""

    int8: bool
    quantise: Quantise | None
    calibrate: Path | None
    no_lint: bool
    library: str


def conversion_options(given: Conversion) -> ConversionOptions:
    """Raises UsageError: they contradict each other, or name a file that is none."""
    from harness.workflow.conversion import ConversionOptions

    return ConversionOptions(
        lint=not given["no_lint"],
        library=given["library"],
        int8=given["int8"],
        quantise=given["quantise"],
        calibrate=given["calibrate"],
    )
