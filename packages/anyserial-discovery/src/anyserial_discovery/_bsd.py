"""The serial ports of OpenBSD and NetBSD, by the names of their nodes.

Neither tells a program without rights which device a tty belongs to, so there is no
metadata, and a node may be there for hardware that is not. The callout device is the
port: ``cua*`` on OpenBSD (cua(4)), ``dty*`` on NetBSD (com(4)). No port is opened to
learn more.
"""

import os
import re
from collections.abc import Callable

from anyserial.discovery import PortInfo

from anyserial_discovery._order import port_order

__all__ = ("list_ports",)

# A capital U is a USB port (ucom(4)).
_NODES = {
    "netbsd": re.compile(r"dty(?P<usb>U)?[0-9a-f]+"),
    "openbsd": re.compile(r"cua(?P<usb>U)?[0-9a-f]+"),
}


def list_ports(
    platform: str,
    nodes: Callable[[], list[str]] = lambda: os.listdir("/dev"),  # noqa: PTH208 - names
) -> list[PortInfo]:
    """List every port, sorted by name.

    Args:
        platform: ``sys.platform``.
        nodes: Gives the names in /dev.
    """
    pattern = next(pattern for name, pattern in _NODES.items() if platform.startswith(name))
    ports = [
        PortInfo(
            device=f"/dev/{name}",
            name=name,
            description="USB serial port" if match["usb"] else "Serial port",
            transport="usb" if match["usb"] else None,
        )
        for name in nodes()
        if (match := pattern.fullmatch(name)) is not None
    ]
    ports.sort(key=port_order)
    return ports
