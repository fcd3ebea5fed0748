"""The real device process, with the tutorial model in its flash."""

from __future__ import annotations

import dataclasses
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import Board, find_board
from harness.boards.tflm_device.emulator import TflmEmulator
from harness.boards.tflm_device.image import IMAGE_NAME, DeviceConfig, encode_image
from harness.link.serial_port import open_port
from harness.link.session import Session
from harness.model.bundle import Bundle, load_bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.protocol.frame import Frame, FrameSplitter, encode_message
from harness.protocol.ids import MessageType
from harness.protocol.messages import Hello, encode_hello

BOARD = "host-tflm"
Flash = Callable[..., "Device"]


class Device:
    """A powered-on device."""

    def __init__(self, emulator: TflmEmulator) -> None:
        self.emulator = emulator
        self._sessions: list[Session] = []

    def session(self) -> Session:
        """A new session; the one before is over."""
        for session in self._sessions:
            session.close()
        opened = Session.open(open_port(self.emulator.port_name, 115200, board=BOARD), board=BOARD)
        self._sessions.append(opened)
        return opened

    def close(self) -> None:
        """Power off."""
        for session in self._sessions:
            session.close()
        self.emulator.close()


class RawHost:
    """A host that sends what it is told, frame by frame."""

    def __init__(self, device: Device) -> None:
        self._fd = os.open(device.emulator.port_name, os.O_RDWR | os.O_NOCTTY)
        self._splitter = FrameSplitter()
        self._frames: list[Frame] = []

    def send(self, message_type: int, seq: int, session: int, body: bytes = b"") -> None:
        """Sends one frame."""
        os.write(self._fd, encode_message(message_type, seq, session, body))

    def receive(self, timeout_s: float = 5.0) -> Frame:
        """The next frame that answers a request."""
        deadline = time.monotonic() + timeout_s
        while not self._frames:
            left_s = deadline - time.monotonic()
            assert left_s > 0, "no answer"
            if select.select([self._fd], [], [], left_s)[0]:
                events = self._splitter.feed(os.read(self._fd, 4096))
                self._frames += [event for event in events if isinstance(event, Frame) and event.seq]
        return self._frames.pop(0)

    def ask(self, message_type: int, seq: int, session: int, body: bytes = b"") -> Frame:
        """Sends one frame and gives its answer."""
        self.send(message_type, seq, session, body)
        return self.receive()

    def synchronise(self) -> None:
        """Says HELLO and drops all that was under way before its answer."""
        nonce = 0xFEEDF00D
        self.send(MessageType.HELLO, 1, 0, encode_hello(Hello(nonce, 1, 1)))
        while self.receive().session != nonce:
            pass

    def close(self) -> None:
        """Closes the line."""
        os.close(self._fd)


@pytest.fixture(scope="session")
def fuel() -> Bundle:
    """The shipped tutorial model."""
    return load_bundle("fuel_lstm")


@pytest.fixture(scope="session")
def fuel_tflite(fuel: Bundle) -> bytes:
    """The tutorial model, converted."""
    pytest.importorskip("tflite_micro", reason="the extra tflm is not installed")
    return convert_to_tflite(fuel.graph)


@pytest.fixture(scope="session")
def config(fuel: Bundle) -> DeviceConfig:
    """What the device is built with."""
    return DeviceConfig(
        board=BOARD,
        mcu="host",
        build_id=bytes(range(16)),
        model_sha256=fuel.model_sha256,
        arena_bytes=16384,
        arena_capacity_bytes=65536,
        max_frame_bytes=4096,
        rx_buffer_bytes=16384,
    )


@pytest.fixture(scope="session")
def board() -> Board:
    """The catalogue's host board under this device's name."""
    return dataclasses.replace(find_board("host"), id=BOARD)


@pytest.fixture
def flash(tmp_path: Path, board: Board, config: DeviceConfig, fuel_tflite: bytes) -> Iterator[Flash]:
    """Flashes a device and powers it on; keywords change the configuration, `tflite` the model."""
    devices = []

    def flash_one(*, tflite: bytes = fuel_tflite, **changes: object) -> Device:
        slot = tmp_path / f"slot-{len(devices)}"
        slot.mkdir()
        image = encode_image(dataclasses.replace(config, **changes), tflite)
        (slot / IMAGE_NAME).write_bytes(image)
        devices.append(Device(TflmEmulator(board)))
        devices[-1].emulator.start(slot)
        return devices[-1]

    yield flash_one
    for device in devices:
        device.close()


@pytest.fixture
def device(flash: Flash) -> Device:
    """A device with the tutorial model."""
    return flash()


@pytest.fixture
def raw(device: Device) -> Iterator[RawHost]:
    """A host on the line of `device`; it comes up first."""
    device.session().close()
    host = RawHost(device)
    host.synchronise()
    yield host
    host.close()
