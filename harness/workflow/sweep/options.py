"""What a sweep is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.workflow.conversion import ConversionOptions
from harness.workflow.prepare import AS_IS
from harness.workflow.run import DEFAULT_MODEL, RunOptions

DEFAULT_STEP_BYTES = 16
DEFAULT_MARGIN_BYTES = 16  # an unaligned buffer costs an engine that aligns its own start up to 15


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What the user asked for.

    Attributes:
        model, board, engine, port, serial_number, vectors, labels, data: as of `RunOptions`.
        step_bytes: grid of the search.
        margin_bytes: added to the minimum, rounded up to 16, for the recommended size.
        present_bytes: ARENA_SIZE in use today, to compare with; None: what `hil run` would build with.
        exhaustive: try every step from `first_bytes` to `last_bytes`.
        first_bytes, last_bytes: range of `exhaustive` and `rebuild`; None: all, and the neighbourhood of the minimum.
        rebuild: judge sizes by a build and flash each as well.
        confirm: build, flash and compare with the recommended size in the end.
        write: put the recommended size into the bundle's settings.
        resume: take over the verdicts that an interrupted sweep of the same firmware left.
        timeout_per_vector_s: longest time one inference may take in the largest arena.
        conversion: how engine tflm gets its model.
    """

    model: str = DEFAULT_MODEL
    board: str = "netduino2plus"
    engine: str | None = None
    port: str | None = None
    serial_number: str | None = None
    vectors: Path | None = None
    labels: Path | None = None
    data: Path | None = None
    step_bytes: int = DEFAULT_STEP_BYTES
    margin_bytes: int = DEFAULT_MARGIN_BYTES
    present_bytes: int | None = None
    exhaustive: bool = False
    first_bytes: int | None = None
    last_bytes: int | None = None
    rebuild: bool = False
    confirm: bool = True
    write: bool = False
    resume: bool = False
    timeout_per_vector_s: float = 10.0
    conversion: ConversionOptions = AS_IS

    def __post_init__(self) -> None:
        if self.step_bytes < 1:
            raise UsageError(f"the step is {self.step_bytes} bytes, must be at least 1")
        if self.margin_bytes < 0:
            raise UsageError(f"the margin is {self.margin_bytes} bytes, must not be negative")
        if self.first_bytes is not None and self.last_bytes is not None and self.first_bytes > self.last_bytes:
            raise UsageError(f"the range from {self.first_bytes} to {self.last_bytes} bytes is empty")
        if (self.first_bytes is not None or self.last_bytes is not None) and not (self.exhaustive or self.rebuild):
            raise UsageError("a range is for --exhaustive and --by-rebuild", hint="add one of them, or leave it out")
        if self.timeout_per_vector_s <= 0:
            raise UsageError(f"the timeout per vector is {self.timeout_per_vector_s} s, must be above 0")
        if self.write and not self.confirm:
            raise UsageError("--write takes a size that was confirmed", hint="leave out --no-confirm")

    def as_run(self) -> RunOptions:
        """The run with the same model on the same board."""
        return RunOptions(
            model=self.model,
            board=self.board,
            engine=self.engine,
            port=self.port,
            serial_number=self.serial_number,
            vectors=self.vectors,
            labels=self.labels,
            data=self.data,
            timeout_per_vector_s=self.timeout_per_vector_s,
            conversion=self.conversion,
        )

    def within(self, capacity: int) -> tuple[int, int]:
        """First and last size of the range in an arena of at most `capacity` bytes.

        Raises:
            UsageError: nothing of the range is.
        """
        first, last = self.first_bytes or self.step_bytes, min(self.last_bytes or capacity, capacity)
        if first > last:
            raise UsageError(f"the range begins at {first} bytes, the board holds {capacity}", board=self.board)
        return first, last
