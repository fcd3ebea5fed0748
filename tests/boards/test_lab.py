"""Lab files: names for boards, mistakes with file and line, power cycles without a shell."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.boards.catalogue import find_board
from harness.boards.emulator import Emulator, make_emulator
from harness.boards.inventory import find_port
from harness.boards.lab import Place, load_lab, place
from harness.boards.ladder import climb
from harness.boards.power_cycle import run_power_cycle
from harness.boards.reset import ResetStep
from harness.boards.target import open_target
from harness.errors import BoardError, NoAnswerError, PortNotFoundError, UsageError

GOOD = """
# the desk by the window
[left]
board = "esp32"
serial_number = "0001"
power_cycle = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "cycle"]

[right]
board = "esp32"
port = "rfc2217://rack:4001"

[smoke]
board = "netduino2plus"
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a lab file and makes it the one in use."""
    file = tmp_path / "boards.toml"
    monkeypatch.setenv("HIL_LAB", str(file))

    def write(text: str) -> Path:
        file.write_text(text, "utf-8")
        return file

    return write


@pytest.fixture
def devices() -> Iterator[tuple[Emulator, Emulator]]:
    """Two ptys, to stand for attached boards."""
    pair = (make_emulator(find_board("host")), make_emulator(find_board("host")))
    yield pair
    for device in pair:
        device.close()


def attach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *ports: dict[str, str]) -> None:
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps([{"vid": "10c4", "pid": "ea60", **port} for port in ports]))
    monkeypatch.setenv("HIL_INVENTORY", str(file))


def test_names_stand_for_kind_and_place(lab: Callable[[str], Path]) -> None:
    boards = load_lab(lab(GOOD))
    assert list(boards) == ["left", "right", "smoke"]
    assert boards["left"].power_cycle == ("uhubctl", "-l", "1-1", "-p", "2", "-a", "cycle")
    assert place("left") == Place("esp32", None, "0001")
    assert place("right") == Place("esp32", "rfc2217://rack:4001", None)
    assert place("smoke") == Place("netduino2plus", None, None)


def test_catalogue_ids_still_work_beside_a_lab(lab: Callable[[str], Path]) -> None:
    lab(GOOD)
    assert place("esp32", port="/dev/ttyUSB3") == Place("esp32", "/dev/ttyUSB3", None)


def test_without_a_lab_a_name_is_a_catalogue_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIL_LAB", raising=False)
    assert place("host") == Place("host", None, None)
    with pytest.raises(UsageError, match="there is no board called 'left'"):
        place("left")


def test_an_unknown_name_offers_those_of_the_lab(lab: Callable[[str], Path]) -> None:
    lab(GOOD)
    with pytest.raises(UsageError, match="lab file or the catalogue") as caught:
        place("lefty")
    assert "left" in (caught.value.hint or "")


def test_a_lab_name_and_a_port_contradict_each_other(lab: Callable[[str], Path]) -> None:
    lab(GOOD)
    with pytest.raises(UsageError, match="says where it is"):
        place("left", port="/dev/ttyUSB0")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[left]\nboard = "esp32"\n\nserial = "1"\n', 4, "serial is not a key of a board; did you mean serial_number"),
        ('[left]\nboard = "esp32"\npower_cycle = "reboot; rm -rf /"\n', 3, "power_cycle must be a list of words"),
        ('[left]\nboard = "esp32"\npower_cycle = []\n', 3, "power_cycle must be a list of words"),
        ('[left]\nboard = "esp32"\npower_cycle = ["a", 1]\n', 3, "power_cycle must be a list of words"),
        ('[a]\nboard = "esp32"\n[left]\nport = "/dev/x"\n', 3, r"\[left\] has no board"),
        ('[left]\n# the old one\nboard = "esp23"\n', 3, "there is no board called 'esp23'"),
        ('[left]\nboard = "esp32"\nport = "spy:///dev/ttyUSB0?file=/etc/passwd"\n', 3, "port must be a device path"),
        ('[left]\nboard = "esp32"\nserial_number = 1\n', 3, "serial_number must be a text"),
        ('[left]\nboard = "host"\nport = "/dev/ttyUSB0"\n', 3, "no place with an emulated board"),
        ('left = "esp32"\n', 1, "is not a table"),
        ('["../left"]\nboard = "esp32"\n', 1, "is no name"),
        ('[esp32]\nboard = "host"\n', 1, "name of a kind of board"),
        ('[left]\nboard = "esp32"\nport = /dev/ttyUSB0\n', 3, "not TOML"),
        ('[left]\nboard = "esp32"\n[left]\nboard = "esp32"\n', 3, "not TOML"),
        (
            '[a]\nboard = "esp32"\nserial_number = "1"\n[b]\nboard = "esp32"\nserial_number = "1"\n',
            6,
            r"is that of \[a\] too",
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_line(lab: Callable[[str], Path], text: str, line: int, words: str) -> None:
    file = lab(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_lab(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe[left]", b"#" * (2 << 20)], ids=["not UTF-8", "too long"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "boards.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="can't be read"):
        load_lab(file)
    with pytest.raises(UsageError, match="can't be read"):
        load_lab(tmp_path / "nowhere.toml")


def test_two_alike_are_refused_and_listed_with_their_lab_names(
    lab: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab('[left]\nboard = "esp32"\nserial_number = "0001"\n[right]\nboard = "esp32"\nserial_number = "0002"\n')
    attach(
        tmp_path,
        monkeypatch,
        {"device": "/dev/hil-a", "serial_number": "0001"},
        {"device": "/dev/hil-b", "serial_number": "0002"},
    )
    esp32 = find_board("esp32")
    with pytest.raises(BoardError, match=r"/dev/hil-a .*/dev/hil-b ") as caught:
        find_port(esp32)
    assert "--serial-number or --port" in (caught.value.hint or "")
    assert "--board left or right" in (caught.value.hint or "")
    where = place("right")
    assert find_port(esp32, port=where.port, serial_number=where.serial_number).device == "/dev/hil-b"


def test_a_lab_board_that_is_not_attached_is_not_replaced_by_its_twin(
    lab: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab('[left]\nboard = "esp32"\nserial_number = "0001"\n')
    attach(tmp_path, monkeypatch, {"device": "/dev/hil-b", "serial_number": "0002"})
    with pytest.raises(PortNotFoundError, match="0001"):
        find_port(find_board("esp32"), serial_number=place("left").serial_number)


def test_a_power_cycle_is_words_not_a_shell_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"
    run_power_cycle(
        [sys.executable, "-c", script, str(out), "; touch /tmp/x", "$HOME", "a b"], board="esp32", port="/dev/x"
    )
    assert out.read_text() == repr(["; touch /tmp/x", "$HOME", "a b"])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-c", "import sys; sys.exit('no such hub')"], "exit code 1: no such hub"),
        (["/nonexistent/uhubctl"], "No such file"),
    ],
)
def test_a_power_cycle_that_fails_says_how(command: list[str], words: str) -> None:
    with pytest.raises(BoardError, match=words):
        run_power_cycle(command, board="esp32", port="/dev/x")


def test_the_ladder_ends_at_the_labs_power_switch_and_tells_every_step(
    lab: Callable[[str], Path],
    devices: tuple[Emulator, Emulator],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nothing answers behind this pty: the last rung is reached, and still nothing answers.
    port = devices[0].port_name
    used = tmp_path / "used"
    command = json.dumps([sys.executable, "-c", f"open({str(used)!r}, 'w')"])
    lab(f'[left]\nboard = "esp32"\nport = "{port}"\npower_cycle = {command}\n')
    monkeypatch.setattr("harness.boards.ladder.HELLO_S", 0.3)
    steps: list[ResetStep] = []
    with open_target(find_board("esp32"), port=port) as target:
        assert target.power_cycle_command[0] == sys.executable
        with pytest.raises(NoAnswerError, match="nothing made the board talk") as caught:
            climb(target, on_step=steps.append)
    assert used.exists()
    assert [step.what.split(":")[0] for step in steps] == [
        "HELLO again",
        "hold EN low (RTS on, DTR off)",
        "wait 0.1 s",
        "release EN (RTS off, DTR off)",
        "HELLO after reset",
        "power cycle",
        "HELLO after power cycle",
    ]
    assert all(step.error for step in steps if step.what.startswith("HELLO"))
    assert "release EN" in caught.value.what


def test_a_port_without_permission_says_so_and_what_to_do(devices: tuple[Emulator, Emulator]) -> None:
    port = devices[0].port_name
    if os.getuid() != 0:
        pytest.skip("only root can become someone without permission")
    Path(port).chmod(0o600)
    reader, writer = os.pipe()
    # A fork, not a program: the interpreter itself may lie where nobody else may read.
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            from harness.link.serial_port import open_port

            open_port(port, 115200, board="esp32")
            os.write(writer, b"it opened")
        except BaseException as error:
            os.write(writer, f"{type(error).__name__} {getattr(error, 'exit_code', '-')}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    said = os.read(reader, 4096).decode()
    os.close(reader)
    assert said.startswith("BoardError 3: no permission to open the port (board esp32")
    assert "dialout" in said
