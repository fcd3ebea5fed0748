"""Which attached port is which board.

`HIL_INVENTORY` may name a JSON file with further ports, for labs whose boards are not on this computer's USB and for
tests. It is a list of objects with the keys of `AttachedPort`; `vid` and `pid` are numbers or hex texts, all but
`device` may be left out. An entry replaces a listed port of the same device:

    [{"device": "socket://rack1:4001", "vid": "10c4", "pid": "ea60", "serial_number": "0001", "location": "rack1-1"}]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.boards.catalogue import Board
from harness.boards.lab import entry_at
from harness.errors import BoardError, PortNotFoundError, UsageError
from harness.link.port_list import AttachedPort, list_attached

__all__ = ["AttachedPort", "find_port", "list_ports", "lock_name", "match"]

INVENTORY_VARIABLE = "HIL_INVENTORY"
_INVENTORY_MAX_BYTES = 1 << 20
_TEXTS = ("serial_number", "location", "product", "manufacturer")


def list_ports() -> list[AttachedPort]:
    """This computer's ports and those of `HIL_INVENTORY`, by device name.

    Raises:
        UsageError: the inventory file can't be read; the message names the entry.
    """
    ports = {port.device: port for port in list_attached()}
    file = os.environ.get(INVENTORY_VARIABLE)
    if file:
        ports.update((port.device, port) for port in _read_inventory(Path(file)))
    return [ports[device] for device in sorted(ports)]


def match(board: Board, ports: Iterable[AttachedPort]) -> list[AttachedPort]:
    """The ports whose USB ids are among the board's, or its boot loader's. An emulated board matches none."""
    known = (*board.usb_ids, *board.boot_usb_ids)
    return [port for port in ports if port.usb_id is not None and port.usb_id in known]


def find_port(board: Board, *, port: str | None = None, serial_number: str | None = None) -> AttachedPort:
    """The one port meant by the user's words, or by the board's USB ids if there are none.

    A port the user names is taken as it is, known USB id or not: HELLO decides whether it is the board.

    Raises:
        UsageError: the inventory file is wrong.
        PortNotFoundError: no attached port has the serial number or one of the USB ids.
        BoardError: several could be meant; lists them.
    """
    ports = list_ports()
    if port is not None:
        same = [known for known in ports if _same_device(known.device, port)]
        if serial_number is not None and not any(known.serial_number == serial_number for known in same):
            raise PortNotFoundError(
                f"the port does not have serial number {serial_number!r}",
                board=board.id,
                port=port,
                hint="give --port or --serial-number, not both",
            )
        return same[0] if same else AttachedPort(device=port)
    if serial_number is not None:
        return _only(
            board,
            [known for known in ports if known.serial_number == serial_number],
            ports,
            f"number {serial_number!r}",
        )
    if not board.usb_ids:
        raise PortNotFoundError(f"{board.id} has no USB id to look for", board=board.id, hint="name its port: --port")
    return _only(board, match(board, ports), ports, f"USB id {' or '.join(board.usb_ids)}")


def lock_name(port: AttachedPort) -> str:
    """A name of the attached device that every process here agrees on, over re-enumeration too.

    The socket comes before the serial number: twins of a cheap USB bridge may share the number.
    """
    if port.location is not None:
        return f"usb-{port.location}"
    if port.serial_number is not None and port.usb_id is not None:
        return f"usb-{port.usb_id}-{port.serial_number}"
    # /dev/serial/by-id/... and /dev/ttyUSB0 are one port.
    return str(Path(port.device).resolve()) if port.device.startswith("/") else port.device


def _only(board: Board, found: Sequence[AttachedPort], ports: Sequence[AttachedPort], wanted: str) -> AttachedPort:
    if len(found) == 1:
        return found[0]
    if not found:
        there = "; ".join(map(_describe, ports)) or "no port at all"
        raise PortNotFoundError(
            f"no port with {wanted} is attached; found: {there}",
            board=board.id,
            hint="plug the board in, check the cable, or name its port with --port",
        )
    labels = [entry.name for port in found if (entry := entry_at(board.id, port)) is not None]
    numbers = [port.serial_number for port in found]
    distinct = None not in numbers and len(set(numbers)) == len(numbers)
    raise BoardError(
        f"{len(found)} ports have {wanted}: {'; '.join(map(_describe, found))}",
        board=board.id,
        hint=("say which with --serial-number or --port" if distinct else "say which with --port")
        + (f", or by its name in the lab: --board {' or '.join(labels)}" if labels else ""),
    )


def _describe(port: AttachedPort) -> str:
    parts = [port.device]
    if port.usb_id:
        parts.append(f"USB id {port.usb_id}")
    if port.serial_number:
        parts.append(f"serial number {port.serial_number!r}")
    if port.location:
        parts.append(f"socket {port.location}")
    return " ".join([parts[0], f"({', '.join(parts[1:])})"] if len(parts) > 1 else parts)


def _same_device(one: str, other: str) -> bool:
    if one == other:
        return True
    return one.startswith("/") and other.startswith("/") and Path(one).resolve() == Path(other).resolve()


def _read_inventory(file: Path) -> list[AttachedPort]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_INVENTORY_MAX_BYTES + 1)
        if len(raw) > _INVENTORY_MAX_BYTES:
            raise ValueError("it is too long")
        entries = json.loads(raw)
        if not isinstance(entries, list):
            raise ValueError("it is not a list")
        return [_entry(index, entry) for index, entry in enumerate(entries)]
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{INVENTORY_VARIABLE} names {file}, which is no list of ports: {error}", hint="see docs/boards.md"
        ) from error


def _entry(index: int, entry: object) -> AttachedPort:
    if not isinstance(entry, dict):
        raise ValueError(f"entry {index} is not an object")
    unknown = set(entry) - {"device", "vid", "pid", *_TEXTS}
    if unknown:
        raise ValueError(f"entry {index} has the unknown key {sorted(unknown)[0]!r}")
    device = entry.get("device")
    if not isinstance(device, str) or not device:
        raise ValueError(f"entry {index} has no device")
    texts = {key: entry.get(key) for key in _TEXTS}
    for key, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"entry {index}: {key} is not a text")
    vid, pid = (_usb_number(index, key, entry.get(key)) for key in ("vid", "pid"))
    return AttachedPort(device=device, vid=vid, pid=pid, **texts)


def _usb_number(index: int, key: str, value: object) -> int | None:
    try:
        number = int(value, 16) if isinstance(value, str) else value
    except ValueError:
        number = -1
    if number is None:
        return None
    if type(number) is not int or not 0 <= number <= 0xFFFF:
        raise ValueError(f"entry {index}: {key} is not a USB number: {value!r}")
    return number
