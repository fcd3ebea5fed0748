"""Opening, losing and sharing ports, on real ptys and sockets."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from harness.errors import BoardError, NoAnswerError, PortBusyError, PortLostError, PortNotFoundError, UsageError
from harness.link.deadline import Deadline
from harness.link.serial_port import open_port
from tests.link.device import Pty

HOLD = """
import serial, sys, time
line = serial.Serial(exclusive=True); line.port = sys.argv[1]; line.open(); print("held", flush=True); time.sleep(60)
"""


@pytest.fixture
def pty() -> Iterator[Pty]:
    pair = Pty()
    yield pair
    pair.close()


@pytest.mark.parametrize(
    "name", ["spy:///dev/null?file=/tmp/x", "loop://", "ttyUSB0", "file:///dev/tty", "", "hwgrep://x"]
)
def test_other_kinds_of_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no port"):
        open_port(name, 115200)


def test_a_missing_port_is_named_with_those_that_exist() -> None:
    with pytest.raises(PortNotFoundError, match="ports here") as caught:
        open_port("/dev/ttyNOWHERE7", 115200, board="esp32")
    assert "/dev/ttyNOWHERE7" in str(caught.value)
    assert "esp32" in str(caught.value)


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BoardError, match="no serial port"):
        open_port(str(tmp_path / "file"), 115200)


def test_a_port_that_another_process_holds_is_busy_and_the_holder_named(pty: Pty) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, pty.name], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(PortBusyError, match=f"pid {holder.pid} "):
            open_port(pty.name, 115200)
    finally:
        holder.kill()
        holder.communicate(timeout=10)
    open_port(pty.name, 115200).close()


def test_a_port_that_this_process_holds_is_busy(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    with pytest.raises(PortBusyError, match="this process"):
        open_port(pty.name, 115200)
    port.close()
    open_port(pty.name, 115200).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open anything")
def test_missing_permission_says_which_group(pty: Pty) -> None:
    Path(pty.name).chmod(0)
    with pytest.raises(BoardError, match="dialout"):
        open_port(pty.name, 115200)


def test_read_returns_what_is_there_and_nothing_at_the_deadline(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    os.write(pty.master, b"abc")
    assert port.read(2, Deadline.after(5)) == b"ab"
    assert port.read(10, Deadline.after(5)) == b"c"
    assert port.read(10, Deadline.after(0.01)) == b""
    assert port.read(10, Deadline.after(0)) == b""
    port.close()


def test_a_peer_that_never_reads_stops_the_writer_at_its_deadline(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    with pytest.raises(NoAnswerError, match="took no data"):
        port.write(bytes(1 << 20), Deadline.after(0.2))
    port.close()


def test_a_peer_that_writes_until_it_is_read_does_not_lock_the_writer(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    size = 1 << 18

    def answer_first() -> None:
        left = bytes(size)
        while left:
            left = left[os.write(pty.master, left) :]
        taken = 0
        while taken < size:
            taken += len(os.read(pty.master, 65536))

    peer = threading.Thread(target=answer_first)
    peer.start()
    port.write(bytes(size), Deadline.after(30))
    received = 0
    deadline = Deadline.after(30)
    while received < size and not deadline.expired:
        received += len(port.read(65536, deadline))
    peer.join(30)
    assert received == size
    port.close()


def test_a_hang_up_is_a_lost_port_for_read_and_write(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    pty.close()
    with pytest.raises(PortLostError, match="went away"):
        port.read(10, Deadline.after(5))
    with pytest.raises(PortLostError):
        port.write(b"x" * 10, Deadline.after(5))
    port.close()


def test_a_closed_port_stays_closed(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    port.close()
    port.close()
    with pytest.raises(PortLostError, match="closed"):
        port.read(1, Deadline.after(0))
    with pytest.raises(PortLostError, match="closed"):
        port.write(b"x", Deadline.after(0))


def test_a_closed_port_leaves_no_finaliser_that_could_swallow_a_ctrl_c(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = open_port(pty.name, 115200)
    port.close()
    calls: list[str] = []
    monkeypatch.setattr(serial.Serial, "close", lambda line: calls.append(line.name))
    del port
    gc.collect()
    assert not calls


def test_close_does_not_wait_for_bytes_nobody_takes(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    with pytest.raises(NoAnswerError):
        port.write(bytes(1 << 20), Deadline.after(0.05))
    start_s = time.monotonic()
    port.close()
    assert time.monotonic() - start_s < 20


def test_lines_and_baud_can_be_set_where_there_are_none(pty: Pty) -> None:
    port = open_port(pty.name, 115200)
    port.set_lines(False, True)
    port.set_baud(921600)
    assert port.baud == 921600
    port.close()


def test_a_socket_is_a_port_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"socket://127.0.0.1:{server.getsockname()[1]}", 115200)
        peer, _ = server.accept()
        with peer:
            port.write(b"ping", Deadline.after(5))
            assert peer.recv(10) == b"ping"
            peer.sendall(b"x" * 100)
            received = b""
            while len(received) < 100:
                received += port.read(1000, Deadline.after(5))
            assert received == b"x" * 100
            port.set_lines(True, True)
        with pytest.raises(PortLostError):
            port.read(1, Deadline.after(5))
        port.close()


def test_a_server_that_is_not_there_is_a_missing_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(PortNotFoundError, match="no connection"):
        open_port(address, 115200)


class Rfc2217Server:
    """A loop-back serial line behind an RFC 2217 server on localhost, by pyserial's own server side."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        line = serial.serial_for_url("loop://", timeout=0)

        class Out:
            def write(self, data: bytes) -> None:
                connection.sendall(data)

        manager = serial.rfc2217.PortManager(line, Out())
        connection.settimeout(0.01)
        with connection:
            while True:
                try:
                    data = connection.recv(1024)
                    if not data:
                        return
                    line.write(b"".join(manager.filter(data)))
                except TimeoutError:
                    pass
                waiting = line.read(4096)
                if waiting:
                    connection.sendall(b"".join(manager.escape(waiting)))

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's own thread
def test_an_rfc2217_server_is_a_port_too() -> None:
    server = Rfc2217Server()
    port = open_port(server.url, 115200)
    sent = bytes(range(256)) * 4
    port.write(sent, Deadline.after(5))
    received = b""
    deadline = Deadline.after(20)
    while len(received) < len(sent) and not deadline.expired:
        received += port.read(1000, deadline)
    assert received == sent
    assert port.read(1, Deadline.after(0.01)) == b""
    port.close()
    with pytest.raises(PortLostError, match="closed"):
        port.read(1, Deadline.after(0))
    server.close()
