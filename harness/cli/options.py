"""Options several commands share, so that each has one name, one meaning and one help text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from harness.cli.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])

DEFAULT_MODEL = "fuel_lstm"


# type-arg: generic in the newest click only.
class BoardName(click.ParamType):  # type: ignore[type-arg]
    """A board's id; completed from the catalogue, checked where it is used."""

    name = "board"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Ids that begin as typed."""
        from harness.boards.catalogue import load_catalogue

        return [CompletionItem(id_, help=b.title) for id_, b in load_catalogue().items() if id_.startswith(incomplete)]


class ByteSize(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes: 12345, 16K or 16KiB."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Number of bytes, at least 1."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9})(?:(k)(?:i?b)?)?", str(value).strip(), re.IGNORECASE)
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is not a size: write 16384 or 16K", param, ctx)
        return int(match[1]) * (1024 if match[2] else 1)


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Settings).debug |= value


def _set_lab(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    # In the environment, where everything that has to do with ports finds it.
    if value:
        os.environ["HIL_LAB"] = value


def _set_lib_dirs(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> None:
    if value:
        from harness.build.user_libraries import use_library_dirs

        use_library_dirs(value)


def placed(board: str, port: str | None, serial_number: str | None) -> tuple[str, str | None, str | None]:
    """Catalogue id, port and serial number of what --board names: a kind of board, or one of the lab file."""
    from harness.boards.lab import place

    found = place(board, port=port, serial_number=serial_number)
    return found.board, found.port, found.serial_number


_BOARD_HELP = "Board id (hil boards), or a name of the lab file. Also: $HIL_BOARD."
board = click.option("--board", "-b", type=BoardName(), envvar="HIL_BOARD", required=True, help=_BOARD_HELP)
board_or_none = click.option("--board", "-b", type=BoardName(), envvar="HIL_BOARD", help=_BOARD_HELP)
port = click.option(
    "--port",
    "-p",
    envvar="HIL_PORT",
    metavar="PORT",
    help="Serial port, socket://HOST:PORT or rfc2217://HOST:PORT. Not needed for emulated boards, "
    "nor where one attached port fits.",
)
_serial_number = click.option(
    "--serial-number", metavar="SN", help="USB serial number, where several boards of a kind are attached."
)
lab = click.option(
    "--lab",
    type=click.Path(exists=True, dir_okay=False),
    envvar="HIL_LAB",
    expose_value=False,
    is_eager=True,
    callback=_set_lab,
    help="Lab file: names for boards (docs/boards.md). Also: $HIL_LAB.",
)
engine = click.option("--engine", metavar="NAME", help="What computes on the board. Default: the board's first.")
baud = click.option(
    "--baud",
    type=click.IntRange(min=300, max=4_000_000),
    help="Rate of the line, and no other. Default: the board's, or the fastest clean one where faster ones may work.",
)
arena_size = click.option(
    "--arena-size", type=ByteSize(), help="ARENA_SIZE to build with (16384 or 16K). Default: as the model needs."
)
model = click.argument("model", default=DEFAULT_MODEL, required=False)
vectors = click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    help="Inputs, .npy or .npz, first axis = vector; maybe with an array `lengths`. Default: the bundle's.",
)
labels = click.option("--labels", type=click.Path(path_type=Path), help="What the model should say, .npy or .npz.")
data = click.option(
    "--data", type=click.Path(path_type=Path), help="The data set the bundle's own reader takes vectors from (CSV)."
)
no_lint = click.option(
    "--no-lint",
    is_flag=True,
    help="Engine tflm: take a model that hil lint refuses. The comparison has to find it then.",
)
library = click.option(
    "--library", default="tflite-micro", show_default=True, metavar="NAME", help="TFLM library that lint checks for."
)
lib_dir = click.option(
    "--lib-dir",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    expose_value=False,
    callback=_set_lib_dirs,
    help="Folder that holds PlatformIO libraries for the firmware, such as TFLM; repeat for several "
    "(docs/boards.md). Also: $HIL_LIB_EXTRA_DIRS.",
)
int8 = click.option("--int8", is_flag=True, help="Quantise a Keras model to int8.")
quantise = click.option(
    "--quantise",
    type=click.Choice(["float32", "int8-weights", "int8"]),
    help="What the engine keeps numbers in. Default: as the bundle says, else float32.",
)
calibrate = click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="Representative inputs for --int8, .npz, .npy or .csv. Default: the run's vectors.",
)
json_file = click.option(
    "--json", "json_to", metavar="FILE", help='Result as JSON; "-": to stdout, and nothing else there.'
)
quiet = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
verbose = click.option("--verbose", "-v", is_flag=True, help="Every line of the compiler and uploader on stderr.")
debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show tracebacks of errors. Also: HIL_DEBUG=1.",
)


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in the order they are listed in --help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


serial_number = together(_serial_number, lab)
