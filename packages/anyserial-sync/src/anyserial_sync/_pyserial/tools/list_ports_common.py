"""What pySerial tells about a port that it finds: `ListPortInfo`."""

import os
import re
from functools import total_ordering
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

from anyserial_sync._discovery import list_serial_ports

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from anyserial.discovery import PortInfo

__all__ = ("ListPortInfo", "fill", "list_links", "numsplit", "ports_present")

UNKNOWN = "n/a"


def numsplit(text: str) -> list[str | int]:
    """Return the runs of digits in *text* as numbers, and what is between them: a key to sort names by."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text) if part]


@total_ordering
class ListPortInfo:
    """One port. It is also a sequence of its device, its description and its hwid.

    Args:
        device: Its path.
        skip_link_detection: Whether a symbolic link is taken as it is; otherwise `hwid` tells where it leads.

    Attributes:
        device: The path of the device node.
        name: The last part of it.
        description: A line for people; ``n/a`` if nothing is known.
        hwid: The hardware, as in ``USB VID:PID=0403:6001 SER=A12345 LOCATION=1-1.2``; ``n/a`` if nothing is known.
        vid: The USB vendor id; None for what is not USB.
        pid: The USB product id.
        serial_number: What the USB device reports.
        location: Where it is plugged in, with the USB interface where the device has several.
        manufacturer: What the USB device reports.
        product: What the USB device reports.
        interface: What the USB device reports.
    """

    def __init__(self, device: str, skip_link_detection: bool = False) -> None:
        self.device = device
        self.name = os.path.basename(device)  # noqa: PTH119  # as pySerial: of any text
        self.description: str = UNKNOWN
        self.hwid: str = UNKNOWN
        # Any, as in types-pyserial: programs format these without asking whether they are None.
        self.vid: Any = None
        self.pid: Any = None
        self.serial_number: str | None = None
        self.location: str | None = None
        self.manufacturer: str | None = None
        self.product: str | None = None
        self.interface: str | None = None
        path = Path(device)
        if not skip_link_detection and path.is_symlink():
            self.hwid = f"LINK={path.resolve()}"

    def usb_description(self) -> str:
        """Return the product's name, with the interface's if there is one; the port's name without a product."""
        if self.interface is not None:
            return f"{self.product} - {self.interface}"
        return self.name if self.product is None else self.product

    def usb_info(self) -> str:
        """Return the hardware as a line, for `hwid`."""
        serial = f" SER={self.serial_number}" if self.serial_number is not None else ""
        location = f" LOCATION={self.location}" if self.location is not None else ""
        return f"USB VID:PID={self.vid or 0:04X}:{self.pid or 0:04X}{serial}{location}"

    def apply_usb_info(self) -> None:
        """Set `description` and `hwid` from what the USB device reports."""
        self.description = self.usb_description()
        self.hwid = self.usb_info()

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListPortInfo) and self.device == other.device

    @override
    def __hash__(self) -> int:
        return hash(self.device)

    def __lt__(self, other: "ListPortInfo") -> bool:
        """Compare by the device, with numbers in it as numbers."""
        # A program may compare it with anything.
        if not isinstance(other, ListPortInfo):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return _sort_key(self.device) < _sort_key(other.device)

    @override
    def __str__(self) -> str:
        return f"{self.device} - {self.description}"

    def __getitem__(self, index: int) -> str:
        """Return the device, the description or the hwid."""
        return (self.device, self.description, self.hwid)[index]

    def __iter__(self) -> "Iterator[str]":
        """Return an iterator over the device, the description and the hwid."""
        return iter((self.device, self.description, self.hwid))


def _sort_key(device: str) -> list[tuple[bool, str | int]]:
    # A name may begin with a digit where another has a letter; numbers come first.
    return [(isinstance(part, str), part) for part in numsplit(device)]


def fill(port: ListPortInfo, found: "PortInfo") -> None:
    """Enter what discovery has found."""
    port.vid, port.pid = found.vid, found.pid
    port.serial_number, port.manufacturer = found.serial_number, found.manufacturer
    port.product, port.interface = found.product, found.interface
    hwid = found.hwid or UNKNOWN
    # pySerial names the interface with the place where a device has several. The hwid has it so.
    _, has_location, location = hwid.rpartition(" LOCATION=")
    port.location = location if has_location else found.location
    if found.vid is not None:
        port.apply_usb_info()
    else:
        port.description, port.hwid = found.description or port.name, hwid


def list_links(devices: "Collection[str]") -> list[str]:
    """Return the symbolic links in ``/dev`` that lead to one of *devices*."""
    return [
        str(link) for link in sorted(Path("/dev").glob("*")) if link.is_symlink() and str(link.resolve()) in devices
    ]


def ports_present() -> "dict[str, PortInfo]":
    """Return the ports of this host that have a node, by that node's path.

    Raises:
        SerialError: The system could not be asked.
        ImportError: The distribution anyserial-discovery is not installed.
    """
    return {port.device: port for port in list_serial_ports() if port.present}
