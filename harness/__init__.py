"""Hardware-in-the-loop test harness for recurrent models on microcontrollers.

From Python, `harness.run(model, vectors, board="netduino2plus")` does what `hil run` does.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import, which comes before Ctrl-C can be met quietly
if TYPE_CHECKING:
    from harness.workflow.from_python import run_model as run

__all__ = ["__version__", "run"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`run` is imported when first asked for: it brings numpy, which `hil --help` has no use for."""
    if name == "run":
        from harness.workflow.from_python import run_model

        return run_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
