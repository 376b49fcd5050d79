"""Listing the ports of this platform."""

import sys

from anyserial_sync._pyserial.tools.list_ports_common import ListPortInfo, fill, list_links, ports_present

__all__ = ("comports",)

if sys.platform == "linux":
    from anyserial_sync._pyserial.tools.list_ports_linux import comports
else:

    def comports(include_links: bool = False) -> list[ListPortInfo]:
        """Return the serial ports of this host; see `list_ports_linux.comports`."""
        found = ports_present()
        names = [*found, *(list_links(list(found)) if include_links else ())]
        ports = [ListPortInfo(name) for name in names]
        for port in ports:
            if port.device in found:
                fill(port, found[port.device])
        return ports
