"""Finding a port again that was described before: which port is it now, and at which node.

Theory of operation. A `PortInfo` describes a device; the node that it had belongs to
whichever device came first. Which fields make the identity follows from what they hold:

| described is | the same port has | and |
|---|---|---|
| a USB port with a serial number | the same ids, serial number, interface and port of it | may be plugged in anywhere |
| a USB port without one, or with one that was shared | the same | the same location |
| any other port with a location | the same transport, location and hardware | the same name, of several |
| any other port | the same transport and name | |
| a path, with nothing more known | | is that path, whatever is there |

A serial number was shared when a port that has a by-path name had no by-id name.

The node is looked at first: if what is there is the port in its old place, that is all.
Else every port is looked at. If several fit and none is in the old place, none of them
is opened, because they cannot be told apart. Two adapters with one serial number that
have changed places cannot be told from two that have not.
"""

import errno
import re
from collections.abc import Callable

from anyserial._spi import printable
from anyserial.discovery import PortInfo
from anyserial.exceptions import PortNotFoundError

__all__ = ("locate",)

_USB_FIELDS = ("vid", "pid", "serial_number", "interface_number")
_OTHER_FIELDS = ("transport", "location", "hwid")

# A port of several on one interface: "...-port1" below /dev/serial, "cuaU2.1" on FreeBSD.
_UNIT = re.compile(r"-port(\d+)\Z|\A/dev/cuaU\d+\.(\d+)\Z")


def locate(
    info: PortInfo, at: Callable[[str, PortInfo], PortInfo | None], ports: Callable[[], list[PortInfo]]
) -> PortInfo:
    """Return the port that *info* describes, as it is now.

    Args:
        info: What was known of the port.
        at: Describes the port at a path, as *info* itself if nothing has changed.
        ports: Lists every port.

    Raises:
        PortNotFoundError: It is not there, or several ports may be it.
    """
    if not _is_more_than_a_path(info):
        return info
    here = at(info.device, info)
    if here is not None and _fits(here, info) and _is_in_place(here, info):
        return here
    found = [port for port in ports() if _fits(port, info)]
    if not _moves(info) or len(found) > 1:
        found = [port for port in found if _is_in_place(port, info)] or (found if _moves(info) else [])
    if len(found) == 1 and found[0].present:
        return found[0]
    raise PortNotFoundError(errno.ENOENT, _reason(info, found, here), info.device)


def _is_usb(info: PortInfo) -> bool:
    return not (info.vid is None and info.pid is None and info.serial_number is None)


def _is_more_than_a_path(info: PortInfo) -> bool:
    return _is_usb(info) or any(getattr(info, name) is not None for name in _OTHER_FIELDS)


def _moves(info: PortInfo) -> bool:
    """Tell whether the port is the same wherever it is found."""
    if _is_usb(info):
        return info.serial_number is not None and (info.by_id is not None or info.by_path is None)
    return info.location is not None


def _fits(port: PortInfo, info: PortInfo) -> bool:
    """Tell whether a port may be the one described, apart from where it is."""
    fields = _USB_FIELDS if _is_usb(info) else _OTHER_FIELDS
    if _is_usb(port) != _is_usb(info) or any(getattr(info, name) not in {None, getattr(port, name)} for name in fields):
        return False
    if not _is_usb(info):
        return True
    # A description that has the hardware has the serial number too, if there is one.
    if info.serial_number is None and info.hwid is not None and port.serial_number is not None:
        return False
    units = {_unit(port), _unit(info)} - {None}
    return len(units) <= 1


def _is_in_place(port: PortInfo, info: PortInfo) -> bool:
    """Tell whether a port that fits is where the one described was."""
    if not _is_usb(info):
        return port.device == info.device if info.name is None else port.name == info.name
    if info.location is not None:
        return port.location == info.location
    # Nothing but the path is known of where it was, and a serial number says more than that.
    return info.serial_number is None and port.device == info.device


def _unit(port: PortInfo) -> str | None:
    """Return which port of its interface it is, where that is known."""
    for name in (port.by_path, port.by_id, port.device):
        if name is not None and (found := _UNIT.search(name)) is not None:
            return found[1] or found[2]
    return None


def _reason(info: PortInfo, found: list[PortInfo], here: PortInfo | None) -> str:
    wanted = _called(info)
    if len(found) > 1:
        places = ", ".join(f"{port.device} at {port.location}" for port in found)
        return printable(
            f"{len(found)} ports may be {wanted} ({places}): they cannot be told apart; open one by its path"
        )
    if found:
        return printable(f"{wanted} is plugged in, but this system has no node of it")
    if here is None:
        return printable(f"{wanted} is not plugged in")
    return printable(f"{wanted} is not plugged in: {here.device} is now {_called(here)}")


def _called(port: PortInfo) -> str:
    known = [f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid is not None else None]
    known.append(f"serial number {port.serial_number}" if port.serial_number is not None else None)
    if port.serial_number is None or port.by_id is None:
        known.append(f"at {port.location}" if port.location is not None else None)
    details = ", ".join(filter(None, known))
    name = port.description or port.name or port.device
    return f"{name} ({details})" if details else name
