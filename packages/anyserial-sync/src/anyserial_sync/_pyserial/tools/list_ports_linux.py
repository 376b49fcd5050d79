"""Listing the ports of Linux."""

from pathlib import Path
from typing import TYPE_CHECKING

from anyserial_sync._pyserial.tools.list_ports_common import ListPortInfo, fill, list_links, ports_present

if TYPE_CHECKING:
    from anyserial.discovery import PortInfo

__all__ = ("SysFS", "comports")


class SysFS(ListPortInfo):
    """One port, with the places in sysfs that tell about it.

    Args:
        device: Its path; a symbolic link is followed.

    Attributes:
        device_path: The directory of the device behind the port; None if it has none.
        subsystem: The name of the bus or subsystem of that device.
        usb_interface_path: The directory of the USB interface.
        usb_device_path: The directory of the USB device.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.usb_device_path: str | None = None
        self.device_path: str | None = None
        self.subsystem: str | None = None
        self.usb_interface_path: str | None = None
        real = Path(device).resolve()
        behind = Path("/sys/class/tty", real.name, "device")
        if not behind.exists():
            return
        folder = behind.resolve()
        self.device_path = str(folder)
        self.subsystem = (folder / "subsystem").resolve().name
        # The interface's directory has its number, and the directory of the device above has the ids.
        for above in (folder, *folder.parents):
            if (above / "bInterfaceNumber").exists():
                self.usb_interface_path = str(above)
            if (above / "idVendor").exists():
                self.usb_device_path = str(above)
                break

    def read_line(self, *args: str) -> str | None:
        """Return the first line of a file, without the white space around it; None if it cannot be read.

        Args:
            *args: The parts of its path.
        """
        try:
            with Path(*args).open(errors="replace") as file:
                return file.readline().strip()
        except OSError:
            return None


def comports(include_links: bool = False) -> list[SysFS]:
    """Return the serial ports of this host, sorted by nothing in particular.

    Args:
        include_links: Whether symbolic links in ``/dev`` that lead to a port are listed too.

    Raises:
        SerialError: The system could not be asked.
        ImportError: The distribution anyserial-discovery is not installed.
    """
    found = ports_present()
    ports = [_entered(SysFS(name), port) for name, port in found.items()]
    return ports + ([SysFS(name) for name in list_links(list(found))] if include_links else [])


def _entered(port: SysFS, found: "PortInfo") -> SysFS:
    fill(port, found)
    return port
