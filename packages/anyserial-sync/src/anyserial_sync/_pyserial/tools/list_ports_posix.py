"""Listing the ports of this platform."""

import sys

from anyserial_sync._pyserial.tools import list_ports_linux
from anyserial_sync._pyserial.tools.list_ports_common import ListPortInfo, fill, list_links, ports_present

__all__ = ("comports",)


def comports(include_links: bool = False) -> list[ListPortInfo]:
    """Return the serial ports of this host; on Linux they are instances of `list_ports_linux.SysFS`.

    Args:
        include_links: Whether symbolic links in ``/dev`` that lead to a port are listed too.

    Raises:
        SerialError: The system could not be asked.
        ImportError: The distribution anyserial-discovery is not installed.
    """
    if sys.platform == "linux":
        return [*list_ports_linux.comports(include_links)]
    found = ports_present()
    names = [*found, *(list_links(list(found)) if include_links else ())]
    ports = [ListPortInfo(name) for name in names]
    for port in ports:
        if port.device in found:
            fill(port, found[port.device])
    return ports
