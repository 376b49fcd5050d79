"""The serial ports of FreeBSD and DragonFly: the nodes in /dev, and what sysctl says of them.

``sysctl dev`` names each driver's units with their ``%desc``, ``%location``, ``%parent`` and
``%pnpinfo``; a USB unit's ``%pnpinfo`` has its vendor, product, serial number and the name of
its tty (``ttyname=U0 ttyports=1``, sys/dev/usb/serial). usbconfig
reports what the device calls itself, to users who may read ``/dev/usb``; its ``ugen`` device is
in ``%location``. The callout device ``cua*`` is the port. No port is opened to learn more.
"""

import os
import re
from collections.abc import Callable

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._host import refuse_system_error
from anyserial_discovery._hwid import usb_hwid
from anyserial_discovery._order import port_order
from anyserial_discovery._usbconfig import Strings, parse_strings

__all__ = ("list_ports",)

# cuau0, cuaU0, cuaU0.1 (a port of several), cuaa0 (DragonFly); not cuau0.init or .lock.
_NODE = re.compile(r"cua[a-zA-Z]\d+(?:\.\d+)?")
_LINE = re.compile(r"dev\.(?P<driver>[a-z0-9_]+?)\.(?P<unit>\d+)\.%(?P<key>[a-z]+): ?(?P<value>.*)")
# A serial number is in quotation marks, and a quotation mark in it is not escaped.
_FIELD = re.compile(r"(?P<key>\w+)=(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>\S*))")
_SECONDS = 10.0


def list_ports(
    nodes: Callable[[], list[str]] = lambda: os.listdir("/dev"),  # noqa: PTH208 - names
    sysctl: Callable[[], str] = lambda: _run("/sbin/sysctl", "dev"),
    usbconfig: Callable[[], str] = lambda: _run("/usr/sbin/usbconfig", "dump_all_desc"),
) -> list[PortInfo]:
    """List every port, sorted by name.

    Args:
        nodes: Gives the names in /dev.
        sysctl: Gives what ``sysctl dev`` prints. Without an answer the ports are listed
            with their names only.
        usbconfig: Gives what ``usbconfig dump_all_desc`` prints; asked only where there
            is a USB port. Without an answer ports have no manufacturer, product and
            interface.

    Raises:
        OSError: The system is out of descriptors or memory.
    """
    known = _known(sysctl(), usbconfig)
    ports = [known.get(name) or _plain(name) for name in nodes() if _NODE.fullmatch(name)]
    ports.sort(key=port_order)
    return ports


def _run(*command: str) -> str:
    import subprocess  # noqa: PLC0415 - for this platform alone

    try:
        done = subprocess.run(  # noqa: S603 - the two programs above
            command, capture_output=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        refuse_system_error(error)
        return ""
    except subprocess.SubprocessError:
        return ""
    return done.stdout.decode("utf-8", "replace")


def _known(text: str, usbconfig: Callable[[], str]) -> dict[str, PortInfo]:
    units: dict[tuple[str, str], dict[str, str]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            units.setdefault((match["driver"], match["unit"]), {})[match["key"]] = match["value"]
    ports: dict[str, PortInfo] = {}
    strings: dict[str, Strings] | None = None
    for (driver, unit), fields in units.items():
        pnp = _fields(fields.get("pnpinfo", ""))
        if "ttyname" in pnp:
            strings = parse_strings(usbconfig()) if strings is None else strings
            place = _fields(fields.get("location", ""))
            called = strings.get(place.get("ugen", ""), Strings())
            for name in _usb_names(pnp):
                ports[name] = _usb(name, driver, (fields.get("desc", ""), place, pnp), called)
        elif driver == "uart":
            ports[f"cuau{unit}"] = _uart(f"cuau{unit}", fields)
    return ports


def _usb_names(pnp: dict[str, str]) -> list[str]:
    count = int(pnp["ttyports"]) if pnp.get("ttyports", "").isdecimal() else 1
    base = f"cua{pnp['ttyname']}"
    return [base] if count == 1 else [f"{base}.{port}" for port in range(count)]


def _usb(name: str, driver: str, told: tuple[str, dict[str, str], dict[str, str]], called: Strings) -> PortInfo:
    desc, place, pnp = told
    vid, pid = _number(pnp.get("vendor")), _number(pnp.get("product"))
    serial_number = pnp.get("sernum") or None
    location = None
    if "port" in place:
        location = f"{place.get('bus', '0')}:{place.get('hubaddr', '0')}.{place['port']}"
    interface_number = _number(place.get("interface"))
    # "<manufacturer and product>, class 0/0, rev 2.00/6.00, addr 3": no telling which is which.
    description = called.product or desc.partition(", class ")[0] or "USB serial port"
    return PortInfo(
        device=f"/dev/{name}",
        name=name,
        description=printable(description),
        hwid=usb_hwid(vid, pid, serial_number, location),
        vid=vid,
        pid=pid,
        serial_number=serial_number,
        manufacturer=called.manufacturer,
        product=called.product,
        location=location,
        interface=None if interface_number is None else called.interfaces.get(interface_number),
        driver=driver,
        transport="usb",
        interface_number=interface_number,
    )


def _uart(name: str, fields: dict[str, str]) -> PortInfo:
    place = _fields(fields.get("location", ""))
    is_pci = fields.get("parent", "").startswith(("pci", "puc"))
    return PortInfo(
        device=f"/dev/{name}",
        name=name,
        description=fields.get("desc") or "UART",
        location=place.get("dbsf") or place.get("handle"),
        driver="uart",
        transport="pci" if is_pci else "platform",
    )


def _plain(name: str) -> PortInfo:
    return PortInfo(device=f"/dev/{name}", name=name, description="Serial port")


def _fields(text: str) -> dict[str, str]:
    return {match["key"]: (match["quoted"] or match["bare"] or "").strip() for match in _FIELD.finditer(text)}


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None
