"""The serial ports of macOS, from the I/O Registry.

A serial service has two nodes: the callout device ``/dev/cu.*``, which opens at once,
and the dial-in device ``/dev/tty.*``, whose open waits for a carrier. The callout
device is the port. What is above the service in the registry tells the rest. How the
registry is asked is not known here: that is `_iokit`.
"""

import os
from collections.abc import Callable, Iterable

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._hwid import usb_hwid
from anyserial_discovery._iokit import Entry, Registry, Service
from anyserial_discovery._order import port_order

__all__ = ("list_ports", "port_info_for")


def list_ports(
    services: Iterable[Service] | None = None, exists: Callable[[str], bool] = os.path.exists
) -> list[PortInfo]:
    """List every port, sorted by name.

    Args:
        services: What the registry holds; None asks the running one.
        exists: Tells whether a node is there.
    """
    if services is None:
        services = Registry().services()
    ports = [port for service in services if (port := _describe(service, exists)) is not None]
    ports.sort(key=port_order)
    return ports


def port_info_for(
    path: str, services: Iterable[Service] | None = None, exists: Callable[[str], bool] = os.path.exists
) -> PortInfo | None:
    """Describe the port that a path leads to, by either of its nodes."""
    node = os.path.realpath(path)
    if node.startswith("/dev/tty."):
        node = "/dev/cu." + node.removeprefix("/dev/tty.")
    return next((port for port in list_ports(services, exists) if port.device == node), None)


def _describe(service: Service, exists: Callable[[str], bool]) -> PortInfo | None:
    device = service.properties.get("IOCalloutDevice") or service.properties.get("IODialinDevice")
    if not isinstance(device, str):
        return None
    name = device.rpartition("/")[2]
    driver = service.parents[0].class_name if service.parents else None
    usb = _nearest(service, "IOUSBHostDevice", "IOUSBDevice")
    # A Bluetooth adapter may itself be a USB device, which is not the port.
    if any("Bluetooth" in parent.class_name for parent in service.parents) or "Bluetooth" in name:
        return PortInfo(
            device=device,
            name=name,
            description="Bluetooth serial port",
            driver=driver,
            transport="bluetooth",
            present=exists(device),
        )
    if usb is None:
        pci = _nearest(service, "IOPCIDevice") is not None
        return PortInfo(
            device=device,
            name=name,
            description="PCI UART" if pci else "Serial port",
            driver=driver,
            transport="pci" if pci else "platform",
            present=exists(device),
        )
    interface = _nearest(service, "IOUSBHostInterface", "IOUSBInterface")
    vid, pid = _number(usb, "idVendor"), _number(usb, "idProduct")
    serial_number = _text(usb, "USB Serial Number", "kUSBSerialNumberString")
    product = _text(usb, "USB Product Name", "kUSBProductString")
    location_id = _number(usb, "locationID")
    location = None if location_id is None else _location(location_id)
    return PortInfo(
        device=device,
        name=name,
        description=printable(product or "USB serial port"),
        hwid=usb_hwid(vid, pid, serial_number, location),
        vid=vid,
        pid=pid,
        serial_number=serial_number,
        manufacturer=_text(usb, "USB Vendor Name", "kUSBVendorString"),
        product=product,
        location=location,
        interface=None if interface is None else _text(interface, "USB Interface Name", "kUSBString"),
        driver=driver,
        transport="usb",
        interface_number=None if interface is None else _number(interface, "bInterfaceNumber"),
        present=exists(device),
    )


def _nearest(service: Service, *families: str) -> Entry | None:
    return next((parent for parent in service.parents if parent.families.intersection(families)), None)


def _text(entry: Entry, *keys: str) -> str | None:
    for key in keys:
        value = entry.properties.get(key)
        if isinstance(value, str):
            return value
    return None


def _number(entry: Entry, key: str) -> int | None:
    value = entry.properties.get(key)
    return value if isinstance(value, int) else None


def _location(location_id: int) -> str:
    """Spell a locationID as bus and chain of hub ports: 0x14120000 is ``20-1.2``.

    The high byte is the bus; then comes one port in each hexadecimal digit, up to the
    first 0.
    """
    location_id &= 0xFFFFFFFF
    digits = f"{location_id & 0xFFFFFF:06x}".partition("0")[0]
    bus = str(location_id >> 24)
    return f"{bus}-{'.'.join(str(int(digit, 16)) for digit in digits)}" if digits else bus
