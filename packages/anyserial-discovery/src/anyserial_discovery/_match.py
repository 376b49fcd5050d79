"""Finding ports among many: what matches the filters.

The only place that decides whether a port is the one that was asked for by its fields.
Find and every command use it. Where the ports come from is not known here.
"""

from collections.abc import Iterable
from typing import cast

from anyserial._spi import checked_filters
from anyserial.discovery import PortInfo, canonical_port_name

from anyserial_discovery._host import Host

__all__ = ("Filters",)


class Filters:
    """Everything that a port has to match.

    Args:
        host: Where nodes are looked at; None for the running system.
        filters: Name and value by the fields of `PortInfo`; None asks nothing.

    Raises:
        TypeError: A value has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
    """

    __slots__ = ("_device", "_fields", "_host")

    def __init__(self, host: Host | None = None, /, **filters: object) -> None:
        self._host = Host() if host is None else host
        wanted = checked_filters(filters)
        self._device = cast("str | None", wanted.pop("device", None))
        self._fields: list[tuple[str, object]] = list(wanted.items())

    def first(self, ports: Iterable[PortInfo]) -> PortInfo | None:
        """Return the first port that matches everything, or None; one that has a node here before one that has none."""
        absent: PortInfo | None = None
        for port in ports:
            if self.match(port):
                if port.present:
                    return port
                absent = absent or port
        return absent

    def match(self, port: PortInfo) -> bool:
        """Tell whether a port matches everything.

        Raises:
            OSError: The system is out of descriptors or memory.
        """
        if any(getattr(port, name) != value for name, value in self._fields):
            return False
        return self._device is None or self._is_device(port, self._device)

    def _is_device(self, port: PortInfo, device: str) -> bool:
        # Two names are of one device when their nodes have one number, however many nodes there are.
        number = self._host.device_number(device)
        if number is not None:
            return port.present and self._host.device_number(port.device) == number
        # What is not a node here is compared as it is: the kernel's name, and without udev the names
        # below /dev/serial.
        if device in {port.device, port.name, port.by_id, port.by_path}:
            return True
        return port.present and canonical_port_name(device) == canonical_port_name(port.device)
