"""The hardware in pySerial's form, a line for each bus that has one.

What is known of a port is found elsewhere.
"""

from anyserial._spi import printable

__all__ = ("bluetooth_hwid", "pci_hwid", "usb_hwid")


def usb_hwid(vid: int | None, pid: int | None, serial_number: str | None, location: str | None) -> str | None:
    """Return ``USB VID:PID=0403:6001 SER=A12345 LOCATION=1-1.2``.

    Args:
        vid: The vendor's id.
        pid: The product's id.
        serial_number: None for a device that has none.
        location: Where it is plugged in; pySerial names the interface with it
            (``1-1.2:1.0``) where the device has several.

    Returns:
        None when an id is not known.
    """
    if vid is None or pid is None:
        return None
    return _line(f"USB VID:PID={vid:04X}:{pid:04X}", SER=serial_number, LOCATION=location)


def pci_hwid(vendor: int | None, device: int | None, location: str) -> str:
    """Return ``PCI VID:PID=1B36:0002 LOCATION=0000:00:10.0``; the slot alone when an id is not known."""
    if vendor is None or device is None:
        return location
    return _line(f"PCI VID:PID={vendor:04X}:{device:04X}", LOCATION=location)


def bluetooth_hwid(address: str | None, channel: str | None) -> str | None:
    """Return ``BLUETOOTH ADDRESS=00:1A:7D:DA:71:13 CHANNEL=1``; None without an address."""
    return None if address is None else _line("BLUETOOTH", ADDRESS=address, CHANNEL=channel)


def _line(start: str, **fields: str | None) -> str:
    # The line is for people too, and a device chooses its serial number.
    return printable(" ".join([start, *(f"{key}={value}" for key, value in fields.items() if value is not None)]))
