"""The order in which ports are listed: by name, with numbers as numbers.

Nothing here looks at a device.
"""

import re

from anyserial.discovery import PortInfo

__all__ = ("port_order",)

_DIGITS = re.compile(r"(\d+)")


def port_order(port: PortInfo) -> list[str | tuple[int, str]]:
    """Return a sort key: ``ttyUSB2`` comes before ``ttyUSB10``."""
    parts = _DIGITS.split(port.device)
    return [part if index % 2 == 0 else (int(part), part) for index, part in enumerate(parts)]
