"""Finding one port among many: the filters, their checks and what matches.

Where the ports come from is not known here.
"""

import os
from collections.abc import Iterable
from typing import cast

from anyserial.discovery import PortInfo, canonical_port_name

__all__ = ("Filters",)

_NUMBERS = {"vid": 0xFFFF, "pid": 0xFFFF, "interface_number": 0xFF}


class Filters:
    """Everything that a port has to match.

    Args:
        filters: Name and value by the fields of `PortInfo`; None asks nothing.

    Raises:
        TypeError: A value has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
    """

    __slots__ = ("_device", "_fields")

    def __init__(self, **filters: object) -> None:
        self._device = _checked_path(filters.pop("device", None))
        self._fields: list[tuple[str, object]] = []
        for name, value in filters.items():
            if value is None:
                continue
            if name in _NUMBERS:
                _check_number(name, value)
            elif name in {"serial_number", "location", "manufacturer", "product"}:
                if not isinstance(value, str):
                    raise TypeError(f"{name} must be a str, not {type(value).__name__} {value!r}")
            else:
                raise TypeError(f"there is no filter {name!r}")
            self._fields.append((name, value))

    def first(self, ports: Iterable[PortInfo]) -> PortInfo | None:
        """Return the first port that matches everything, or None."""
        canonical = None if self._device is None else canonical_port_name(self._device)
        for port in ports:
            if any(getattr(port, name) != value for name, value in self._fields):
                continue
            if self._device is None or self._is_device(port, canonical):
                return port
        return None

    def _is_device(self, port: PortInfo, canonical: str | None) -> bool:
        # The names below /dev/serial are compared as they are, too: without udev they
        # are no files.
        return self._device in {port.device, port.by_id, port.by_path} or canonical == canonical_port_name(port.device)


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
