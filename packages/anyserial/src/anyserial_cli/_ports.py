"""What `list` and `watch` share: choosing ports by their fields, and writing them down.

Nothing here looks for ports.
"""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial import PortInfo

__all__ = ("EPILOG", "FILTERS", "NOTHING", "add_filters", "as_json_object", "complete_ports", "matcher")

NOTHING = 3

EPILOG = """\
exit status:
  0    done
  1    the system refused, or something is not installed; the message says what
  2    the arguments are wrong
  3    no port was found, or time ran out
  130  interrupted (Ctrl-C)
"""

FILTERS = ("device", "vid", "pid", "serial_number", "location", "interface_number", "manufacturer", "product")
_MAX_ID = 0xFFFF
_MAX_INTERFACE = 0xFF


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose ports."""
    group = parser.add_argument_group("choosing ports", "Only ports that match everything given.")
    device = group.add_argument(
        "device", nargs="?", metavar="DEVICE", help="a port by any of its names, links included"
    )
    device.completer = complete_ports  # type: ignore[attr-defined]  # argcomplete's
    group.add_argument("--vid", type=_usb_id, metavar="HEX", help="USB vendor id, such as 0403")
    group.add_argument("--pid", type=_usb_id, metavar="HEX", help="USB product id, such as 6001")
    group.add_argument("--serial-number", metavar="TEXT", help="serial number of the USB device")
    group.add_argument("--location", metavar="TEXT", help="where it is plugged in, such as 1-1.2")
    group.add_argument("--interface-number", type=_interface, metavar="N", help="USB interface, from 0")
    group.add_argument("--manufacturer", metavar="TEXT", help="manufacturer of the USB device")
    group.add_argument("--product", metavar="TEXT", help="product name of the USB device")


def _usb_id(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a hexadecimal number such as 0403") from None
    if not 0 <= value <= _MAX_ID:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to ffff")
    return value


def _interface(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_INTERFACE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {_MAX_INTERFACE}")
    return int(text)


def matcher(arguments: argparse.Namespace) -> "Callable[[PortInfo], bool]":
    """Return what tells whether a port is one of those chosen: find's own rules."""
    import anyserial_discovery  # noqa: PLC0415 - not for parsing

    return anyserial_discovery.matcher(**{name: getattr(arguments, name) for name in FILTERS})


def complete_ports(**_: object) -> list[str]:
    """Return the ports of this host by their names, for a shell's completion."""
    import anyserial_discovery  # noqa: PLC0415 - not for parsing

    ports = [port for port in anyserial_discovery.list_ports("native") if port.present]
    return [name for port in ports for name in (port.device, port.by_id) if name]


def as_json_object(port: "PortInfo") -> dict[str, Any]:
    """Return every field of a port by its name in `PortInfo`."""
    return asdict(port)
