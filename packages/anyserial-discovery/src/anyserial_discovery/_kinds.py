"""What the names of Linux's drivers and buses say about a port. Tables only."""

import re

__all__ = ("MODEM_PORT", "SERIAL_PORT", "describe_bus", "virtual_kind")

# What a port is called that has no name of its own.
MODEM_PORT = "Modem port for AT commands"
SERIAL_PORT = "Serial port"


# Ports without a device of which more is known than that they are serial, by the driver's prefix. A
# hypervisor's console is one whose driver does not call itself serial.
_VIRTUAL = {
    "gsmtty": ("virtual", "GSM 07.10 channel"),
    "hvc": ("virtual", "Hypervisor console"),
    "rfcomm": ("bluetooth", "Bluetooth serial port"),
    "tnt": ("virtual", "Null-modem port"),
    "ttyGS": ("gadget", "USB gadget serial port"),
}
_PREFIX = re.compile(r"[A-Za-z]+")

# Buses of devices that are part of the board. Any other bus speaks for itself.
_BOARD = {"acpi", "amba", "of_platform", "platform", "pnp"}
_DESCRIPTIONS = {"pci": "PCI UART", "platform": "UART"}


def virtual_kind(name: str) -> tuple[str, str] | None:
    """Return transport and description of a port without a device, by its kernel name."""
    prefix = _PREFIX.match(name)
    return None if prefix is None else _VIRTUAL.get(prefix[0])


def describe_bus(subsystem: str) -> tuple[str, str]:
    """Return transport and description of a UART on a bus."""
    transport = "platform" if subsystem in _BOARD else subsystem
    return transport, _DESCRIPTIONS.get(transport, f"{transport.upper()} serial port")
