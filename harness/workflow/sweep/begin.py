"""From a model to a device whose largest arena has been measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.boards.catalogue import Board
from harness.boards.target import Target
from harness.build.image import FirmwareImage
from harness.errors import BoardError, FlashError, NoAnswerError
from harness.model.bundle import Bundle
from harness.model.packed import PackedModel
from harness.protocol.messages import DeviceInfo
from harness.report.sweep_record import ProbeRecord
from harness.workflow.connect import Connection, connect
from harness.workflow.prepare import build_image
from harness.workflow.progress import Progress
from harness.workflow.stream import check_shapes, encode_vectors
from harness.workflow.sweep.capacity import Build, build_larger, build_largest
from harness.workflow.sweep.judge import Script
from harness.workflow.sweep.options import SweepOptions
from harness.workflow.sweep.prober import Prober
from harness.workflow.sweep.revive import heard_boot_loop


@dataclass(frozen=True, slots=True)
class Subject:
    """What is swept: a model, packed for its engine, and the way to build firmware of any arena size with it."""

    bundle: Bundle
    packed: PackedModel
    build: Build


@dataclass(slots=True)
class Tally:
    """What the sweep has cost besides probes."""

    flashes: int = 0
    builds: int = 0
    notes: list[str] = field(default_factory=list)

    def counted(self, build: Build) -> Build:
        """The same, counting."""

        def counting(arena_bytes: int | None, capacity_bytes: int | None) -> FirmwareImage:
            self.builds += 1
            return build(arena_bytes, capacity_bytes)

        return counting


@dataclass(frozen=True, slots=True)
class Begun:
    """A device that runs the sweep's firmware.

    Attributes:
        measure: the verdict on the largest arena; only if it passes is there an edge.
    """

    prober: Prober
    image: FirmwareImage
    info: DeviceInfo
    script: Script
    measure: ProbeRecord


def builder(board: Board, packed: PackedModel, progress: Progress) -> Build:
    """Builds firmware of any arena size."""

    def build(arena_bytes: int | None, capacity_bytes: int | None) -> FirmwareImage:
        return build_image(board, packed, arena_bytes=arena_bytes, capacity_bytes=capacity_bytes, progress=progress)

    return build


def begin(target: Target, subject: Subject, options: SweepOptions, progress: Progress, tally: Tally) -> Begun:
    """Builds, flashes and measures; with more RAM, if the board has it and the model asks for it.

    Raises:
        BuildError: a firmware can't be built or flashed.
        BoardError: the device does not answer, or restarts again and again even with its largest arena.
    """
    build = tally.counted(subject.build)
    progress.phase("build", None)
    begun = _begin(target, subject, options, progress, tally, build_largest(target.board, build))
    if begun.measure.outcome != "init failed":
        return begun
    larger = build_larger(target.board, build, begun.image)
    if larger is None:
        return begun
    was, now = begun.image.arena_capacity_bytes, larger.arena_capacity_bytes
    tally.notes.append(
        f"{was} bytes, the catalogue's largest arena, were not enough: tried with {now}, all that is left"
    )
    return _begin(target, subject, options, progress, tally, larger)


def _begin(
    target: Target, subject: Subject, options: SweepOptions, progress: Progress, tally: Tally, image: FirmwareImage
) -> Begun:
    connection = _connect(target, image, progress)
    tally.flashes += connection.flashed
    session = connection.session
    check_shapes(session, subject.bundle, board=target.board.id, port=target.port_name)
    script = Script.of(encode_vectors(subject.bundle, session.info.inputs))
    prober = Prober(target, image, script, progress)
    progress.phase("measure", None)
    info = session.info
    measure = prober.measure(session, image.arena_capacity_bytes, options.timeout_per_vector_s)
    return Begun(prober, image, info, prober.script, measure)


def _connect(target: Target, image: FirmwareImage, progress: Progress) -> Connection:
    try:
        return connect(target, image, "auto", progress)
    except (FlashError, NoAnswerError) as error:
        loop = heard_boot_loop(target)
        if not loop:
            raise
        raise BoardError(
            f"the firmware starts again and again even with an arena of {image.arena_bytes} bytes, "
            f"the largest there is: {loop}",
            board=target.board.id,
            port=target.port_name,
            hint="no arena can be proved before it starts: hil monitor shows what it says",
            console=error.console,
        ) from error
