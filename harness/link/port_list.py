"""The serial ports of this computer, as pyserial lists them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttachedPort:
    """One port. All but `device` are None where unknown; texts are the USB device's own: escape before printing.

    Attributes:
        device: what open_port takes, e.g. "/dev/ttyUSB0".
        vid: USB vendor id.
        pid: USB product id.
        serial_number: USB serial number; twins of a cheap bridge may share one.
        location: the USB socket it sits in, e.g. "1-2.3"; stays over re-enumeration.
        product: product name.
        manufacturer: manufacturer name.
    """

    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    location: str | None = None
    product: str | None = None
    manufacturer: str | None = None

    @property
    def usb_id(self) -> str | None:
        """ "vid:pid" in lower-case hex, as in the catalogue."""
        return None if self.vid is None or self.pid is None else f"{self.vid:04x}:{self.pid:04x}"


def list_attached() -> list[AttachedPort]:
    """Ports there now, by name."""
    from serial.tools.list_ports import comports

    return sorted(
        (
            AttachedPort(
                device=port.device,
                vid=port.vid,
                pid=port.pid,
                serial_number=port.serial_number or None,
                location=port.location or None,
                product=port.product or None,
                manufacturer=port.manufacturer or None,
            )
            for port in comports()
        ),
        key=lambda port: port.device,
    )
