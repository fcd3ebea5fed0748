"""A "real" board on this computer: the host firmware that calls itself esp32, on a pty listed in an inventory file."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from harness.boards.catalogue import find_board
from harness.boards.target import Target, open_target
from harness.build.image import FirmwareImage
from harness.model.bundle import Bundle
from harness.model.graph import ModelGraph
from harness.model.packed import PackedModel
from harness.workflow.prepare import Prepared
from tests.link.device import FaultyLine, ProcessOnPty, Spoil, clean

BOARD = "esp32"
COUNT = 300
BUILD_ID, MODEL = bytes(range(16)), bytes(range(32))


def prepared(firmware: Path, count: int = COUNT) -> Prepared:
    """A bundle whose model is the echo engine: the sum of three numbers."""
    inputs = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    golden = inputs.sum(axis=1, keepdims=True)
    graph = ModelGraph(MODEL, "none", {"x": (3,)}, (), ("y",))
    bundle = Bundle("sum", firmware, MODEL, (inputs,), None, (golden,), graph, "regression", 1e-4, False, {})
    image = FirmwareImage(BOARD, "echo", BUILD_ID, MODEL, firmware, (), 2048, 4096, "g++")
    return Prepared(bundle, PackedModel("echo", MODEL, {}, 16, 0, 3), image)


class Rig:
    """The board, its cable and the inventory. `plug_in` gives it a new name, as a USB bridge gets one."""

    def __init__(self, firmware: Path, folder: Path) -> None:
        self._firmware, self._folder = firmware, folder
        self._device: ProcessOnPty | None = None
        self._plugs = 0
        self.inventory = folder / "inventory.json"

    def plug_in(self) -> None:
        self._device = ProcessOnPty(str(self._firmware))
        self._list(self._device.port_name)

    @contextmanager
    def through(self, to_device: Spoil) -> Iterator[None]:
        """What the harness sends passes through `to_device`."""
        with FaultyLine(self.port_name, to_device=to_device, to_host=clean) as line:
            self._list(line.port_name)
            yield
        self._list(self.port_name)

    def _list(self, port_name: str) -> None:
        link = self._folder / f"ttyUSB{self._plugs}"
        self._plugs += 1
        link.symlink_to(port_name)
        ids = {"vid": "10c4", "pid": "ea60", "serial_number": "0001", "location": "1-2.3"}
        self.inventory.write_text(json.dumps([{"device": str(link), **ids}]))

    @property
    def port_name(self) -> str:
        """Of the pty itself."""
        assert self._device is not None
        return self._device.port_name

    def pull(self) -> None:
        if self._device is not None:
            self._device.vanish()
            self._device = None
        self.inventory.write_text("[]")
        for link in self._folder.glob("ttyUSB*"):
            link.unlink()

    def crash(self) -> None:
        """The firmware faults and starts anew by itself."""
        assert self._device is not None
        self._device.signal(signal.SIGSEGV)

    def open(self) -> Target:
        return open_target(find_board(BOARD))
