"""Finding ports among many: the filters, their checks and what matches.

The only place that decides whether a port is the one that was asked for by its fields.
Find and every command use it. Where the ports come from is not known here.
"""

import os
from collections.abc import Iterable
from typing import cast

from anyserial.discovery import PortInfo, canonical_port_name

from anyserial_discovery._host import Host

__all__ = ("Filters",)

_NUMBERS = {"vid": 0xFFFF, "pid": 0xFFFF, "interface_number": 0xFF}
_TEXTS = frozenset({"serial_number", "location", "manufacturer", "product"})


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
        self._device = _checked_path(filters.pop("device", None))
        self._fields: list[tuple[str, object]] = []
        for name, value in filters.items():
            if value is None:
                continue
            if name in _NUMBERS:
                _check_number(name, value)
            elif name in _TEXTS:
                if not isinstance(value, str):
                    raise TypeError(f"{name} must be a str, not {type(value).__name__} {value!r}")
            else:
                raise TypeError(f"there is no filter {name!r}")
            self._fields.append((name, value))

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
        # What is no node here is compared as it is: the kernel's name, and without udev the names
        # below /dev/serial.
        if device in {port.device, port.name, port.by_id, port.by_path}:
            return True
        return port.present and canonical_port_name(device) == canonical_port_name(port.device)


def _checked_path(device: object) -> str | None:
    if device is None or isinstance(device, str):
        return device
    path: object = os.fspath(cast("os.PathLike[str]", device)) if isinstance(device, os.PathLike) else device
    if not isinstance(path, str):
        raise TypeError(f"device must be a str or a path, not {type(path).__name__} {path!r}")
    return path


def _check_number(name: str, value: object) -> None:
    highest = _NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int from 0 to {highest:#x}, not {type(value).__name__} {value!r}")
    if not 0 <= value <= highest:
        raise ValueError(f"{name} must be from 0 to {highest:#x}, not {value:#x}")
