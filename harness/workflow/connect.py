"""From a target to a session that is known to run the right firmware: identity before data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.boards.ladder import climb
from harness.boards.reset import ResetStep
from harness.boards.target import SESSION_TIMEOUT_S, Target
from harness.build.image import FirmwareImage
from harness.errors import (
    DeviceError,
    FlashError,
    ForeignDeviceError,
    NoAnswerError,
    ProtocolVersionError,
    WrongDeviceError,
)
from harness.link.session import Session
from harness.protocol.ids import ErrorCode
from harness.protocol.messages import DeviceInfo
from harness.workflow.progress import Progress

FlashMode = Literal["auto", "never", "always"]

# A board that already runs the harness's firmware answers HELLO within milliseconds of its boot; one that does not is
# flashed, so
# waiting longer for it only delays the flash.
PROBE_TIMEOUT_S = 2.5


@dataclass(frozen=True, slots=True)
class Connection:
    """An open session with the expected firmware; `flashed` tells whether it was put there just now."""

    session: Session
    flashed: bool


def mismatches(info: DeviceInfo, image: FirmwareImage) -> list[str]:
    """Every way in which the device differs from the image, each as a sentence; empty: it is the one."""
    found = []
    if info.board != image.board:
        found.append(f"it says it is board {info.board!r}, expected {image.board!r}")
    if info.engine != image.engine:
        found.append(f"its engine is {info.engine!r}, expected {image.engine!r}")
    if info.model_sha256 != image.model_sha256:
        found.append(f"its model is {info.model_sha256.hex()[:12]}, expected {image.model_sha256.hex()[:12]}")
    if info.build_id != image.build_id:
        found.append(f"its build is {info.build_id.hex()[:12]}, expected {image.build_id.hex()[:12]}")
    return found


def check_engine_ready(session: Session, *, board: str, port: str) -> None:
    """The engine must have started in its arena.

    Raises:
        DeviceError: it has not; the message says how many bytes are missing, where the engine knows.
    """
    status = session.info.engine_status
    if status.code == 0:
        return
    size = session.info.arena.size_bytes
    what = f"engine {session.info.engine} did not start in its arena of {size} bytes"
    hint = "hil sweep-arena finds the smallest arena that works"
    if status.code == ErrorCode.ARENA_TOO_SMALL and status.detail:
        what += f": {status.detail} bytes are missing"
        hint = f"--arena-size {size + status.detail} or more; {hint}"
    elif status.text:
        what += f": {status.text}"
    raise DeviceError(
        what, code=status.code, detail=status.detail, board=board, port=port, hint=hint, console=session.console
    )


def connect(target: Target, image: FirmwareImage, mode: FlashMode, progress: Progress) -> Connection:
    """Opens a session with a device that runs `image`, flashing it if `mode` allows and it doesn't yet.

    Raises:
        WrongDeviceError: mode is "never" and the device runs something else; or a device of another kind answered.
        FlashError: flashing failed, or the device does not run the image afterwards.
        BoardError: the port or device failed.
    """
    if mode != "always":
        session = _probe(target, progress, required=mode == "never")
        if session is not None:
            wrong = mismatches(session.info, image)
            if not wrong:
                return Connection(session, flashed=False)
            other_board = session.info.board != image.board
            console = session.console
            session.close()
            if mode == "never" or other_board:
                raise WrongDeviceError(
                    "the device does not run the expected firmware: " + "; ".join(wrong),
                    board=target.board.id,
                    port=target.port_name,
                    hint="pick the other board's port" if other_board else "run without --no-flash",
                    console=console,
                )
    progress.phase("flash", None)
    target.flash(image, progress.line)
    try:
        session = _session(target, progress)
    except (NoAnswerError, ForeignDeviceError) as error:
        raise FlashError(
            f"the image was flashed but the board does not answer: {error.what}",
            board=target.board.id,
            port=target.port_name,
            hint=error.hint,
            console=error.console,
        ) from error
    wrong = mismatches(session.info, image)
    if wrong:
        build = session.info.build_id.hex()[:12]
        session.close()
        raise FlashError(
            f"flashing reported success but the device still runs build {build}: " + "; ".join(wrong),
            board=target.board.id,
            port=target.port_name,
            hint="check that this port belongs to the board that was flashed",
        )
    return Connection(session, flashed=True)


def _session(target: Target, progress: Progress) -> Session:
    """HELLO, and the reset ladder if nothing answers."""
    try:
        return target.session(SESSION_TIMEOUT_S + target.board.usb_restart_s)
    except (NoAnswerError, ForeignDeviceError) as error:
        if target.ended is not None or (target.board.reset == "none" and not target.power_cycle_command):
            raise
        progress.line(f"no answer: {error.what}")

    def tell(step: ResetStep) -> None:
        progress.line(f"{step.what}: {step.error or 'done'}")

    return climb(target, on_step=tell, resync=False)[0]


def _probe(target: Target, progress: Progress, *, required: bool) -> Session | None:
    try:
        return _session(target, progress) if required else target.session(PROBE_TIMEOUT_S)
    except (NoAnswerError, ForeignDeviceError, ProtocolVersionError):
        if required:
            raise
        return None  # blank, or another program's firmware: flashing decides
