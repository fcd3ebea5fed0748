"""The `hil` command. Subcommands are imported when called, so `hil --help` is instant; errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

import harness
from harness.cli.failure import show_error, show_unexpected
from harness.cli.interrupts import handlers_restored, unwind_when_interrupted
from harness.cli.settings import Settings
from harness.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_PASS, EXIT_USAGE, HilError

# As a shell reports a process that SIGPIPE ended; 1 would mean "the comparison failed".
EXIT_BROKEN_PIPE = 141

# name -> (module with a click command named `command`, help line)
COMMANDS = {
    "run": ("harness.cli.run", "Build, flash, stream the vectors, compare with Keras or PyTorch, report."),
    "sweep-arena": ("harness.cli.sweep_arena", "Find, prove and confirm the smallest ARENA_SIZE that works."),
    "build": ("harness.cli.build", "Build the firmware with a model in it; print its sizes."),
    "flash": ("harness.cli.flash", "Put that firmware on a board and check that it runs."),
    "monitor": ("harness.cli.monitor", "Show what a board says: console text and frames."),
    "watch": ("harness.cli.watch", "Compare what an existing sketch prints with Keras."),
    "report": ("harness.cli.report", "Render a run's JSON as Markdown, JUnit or on the terminal."),
    "convert": ("harness.cli.convert", "Convert a Keras model to .tflite and model.h, and check it in TFLM."),
    "explain": ("harness.cli.explain", "Say what a model costs on each board, before building."),
    "lint": ("harness.cli.lint", "Say what TFLM would get wrong about a model, before building."),
    "bench-link": ("harness.cli.bench_link", "Measure the line to a board: speed, round trips, errors."),
    "boards": ("harness.cli.boards", "List the boards of the catalogue and what they need here."),
    "ports": ("harness.cli.ports", "List serial ports and the boards they may be."),
    "doctor": ("harness.cli.doctor", "Check this computer; say which command mends what."),
}

EPILOG = """\b
Examples:
  hil run fuel_lstm --board netduino2plus
  hil run model.keras --vectors x.npy --board esp32 --port /dev/ttyUSB0
  hil doctor

\b
Exit codes: 0 passed, 1 comparison failed, 2 usage, 3 board or link,
4 build or flash, 5 internal, 130 interrupted.
"""


class LazyGroup(click.Group):
    """A group that knows its subcommands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module; from then on there may be something to unwind."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        unwind_when_interrupted()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(harness.__version__, "--version", "-V", prog_name="hil", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="HIL_DEBUG", help="Show tracebacks of errors. Also: HIL_DEBUG=1.")
@click.pass_context
def root(ctx: click.Context, debug: bool) -> None:
    """Run recurrent models on microcontrollers and compare with Keras, in numbers."""
    ctx.ensure_object(Settings).debug |= debug


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; the only place that turns errors into text and codes."""
    settings = Settings()
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with handlers_restored():
            code = _invoke(args, settings)
            sys.stdout.flush()
            return code
    except HilError as error:
        show_error(error, debug=settings.debug)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        print("hil: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:
        show_unexpected(error, debug=settings.debug)
        return EXIT_INTERNAL


def _invoke(args: list[str], settings: Settings) -> int:
    if instruction := os.environ.get("_HIL_COMPLETE"):
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "hil", "_HIL_COMPLETE", instruction)
    try:
        with root.make_context("hil", args, obj=settings) as ctx:
            code = root.invoke(ctx)
    except click.exceptions.Exit as done:
        return done.exit_code
    return code if isinstance(code, int) else EXIT_PASS
