"""The ports as pySerial lists them, for platforms that anyserial's own code does not know.

pySerial leaves out what it has no field for; what it calls ``n/a`` is None here. No
platform's own rules belong here.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._order import port_order

__all__ = ("list_ports",)


def list_ports(found: Iterable[Any] | None = None) -> list[PortInfo]:
    """List every port that pySerial finds, sorted by name.

    Args:
        found: What ``serial.tools.list_ports.comports()`` returns; None calls it.

    Raises:
        ImportError: pySerial is not installed.
    """
    ports = [_port(each) for each in (_comports() if found is None else found)]
    ports.sort(key=port_order)
    return ports


def _comports() -> Iterable[Any]:
    try:
        from serial.tools.list_ports import comports  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "serial":
            raise
        raise ImportError(
            "the discovery backend 'pyserial' needs pySerial, which is not installed: "
            "pip install 'anyserial-discovery[pyserial]'",
            name="serial",
        ) from exc
    return comports()


def _port(found: Any) -> PortInfo:
    port = PortInfo(
        device=found.device,
        name=found.name,
        description=_shown(found.description),
        hwid=_shown(found.hwid),
        vid=found.vid,
        pid=found.pid,
        serial_number=found.serial_number or None,
        manufacturer=found.manufacturer or None,
        product=found.product or None,
        location=found.location or None,
        interface=found.interface or None,
        transport=None if found.vid is None else "usb",
    )
    if port.description == port.name:
        port = replace(port, description=None)
    if port.product is not None:
        port = replace(port, description=printable(port.product))
    # "1-1.2:1.0": pySerial names the interface with the location where there are several.
    location, colon, interface = (port.location or "").partition(":")
    number = interface.rpartition(".")[2]
    if colon and number.isdecimal():
        port = replace(port, location=location, interface_number=int(number))
    return port


def _shown(text: str | None) -> str | None:
    return None if text is None or text in {"", "n/a"} else printable(text)
