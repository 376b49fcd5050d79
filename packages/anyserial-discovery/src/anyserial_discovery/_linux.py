"""The serial ports of Linux, from sysfs.

Theory of operation. Every tty of the kernel is a link in ``/sys/class/tty``, and where
the link leads tells what it is: ``.../1-1.2/1-1.2:1.0/ttyUSB0/tty/ttyUSB0`` stands on
interface 1-1.2:1.0 of USB device 1-1.2. The directory ``tty`` is in between unless the
device above belongs to a class itself (get_device_parent in drivers/base/core.c), as a
connected Bluetooth port's does. The attributes of the directories on the way tell the
rest. Linux 6.12 puts two devices of the bus ``serial-base`` between a UART and its tty;
they are skipped. A modem's port of the class ``wwan`` is not a tty, but the kernel makes
the one for AT commands behave as one (wwan_core.c).

``/devices/virtual`` holds what has no device: consoles, pseudo terminals, and serial
ports of drivers that give theirs none. The driver's kind tells them apart
(`_tty_drivers`).

A node is a port's by its number, whatever its name: in a container ``/dev/ttyUSB0`` may
be another port's node, and ``/dev/modem`` this one's.

Only attributes are read, never a node: opening a port moves its modem lines. A device
may vanish at any moment; the port is then left out as a whole.
"""

import re
from dataclasses import replace
from typing import Any

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._host import Host
from anyserial_discovery._hwid import bluetooth_hwid, pci_hwid, usb_hwid
from anyserial_discovery._kinds import MODEM_PORT, SERIAL_PORT, describe_bus, virtual_kind
from anyserial_discovery._order import port_order
from anyserial_discovery._tty_drivers import Driver, driver_of, parse_drivers
from anyserial_discovery._udev_links import BY_ID, BY_PATH, Links, without_shared_names
from anyserial_discovery._udev_names import has_serial_links, id_name, path_name, serial_name

__all__ = ("Sysfs",)

# A port's name is looked for in the first, then in the second.
_CLASSES = ("tty", "wwan")

# <bus>-<port>.<port>...:<configuration>.<interface>, Documentation/ABI/testing/sysfs-bus-usb.
_USB_INTERFACE = re.compile(r"\d+-\d+(?:\.\d+)*:\d+\.\d+")

_USB_ATTRIBUTES = ("idVendor", "idProduct", "serial", "manufacturer", "product", "bNumInterfaces")

# Virtual terminals, and the names of the current terminal: never ports.
_TERMINAL = re.compile(r"tty\d*|console|ptmx")

Known = dict[str, Any]


def _hex(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "replace").strip() or None


class Sysfs:
    """One look at the host: what several ports share is read once.

    Every method raises OSError when the system is out of descriptors or memory.

    Args:
        host: Where to look; None for the running system.
    """

    __slots__ = ("_by_id", "_by_path", "_directories", "_drivers", "_host", "_id_names", "_nodes", "_subsystems")

    def __init__(self, host: Host | None = None) -> None:
        self._host = Host() if host is None else host
        self._directories: dict[str, tuple[bytes | None, ...]] = {}
        self._subsystems: dict[str, tuple[str, bool] | None] = {}
        self._by_id = Links(self._host, BY_ID)
        self._by_path = Links(self._host, BY_PATH)
        self._id_names: dict[str, str] = {}
        self._nodes: dict[tuple[int, int], str] | None = None
        self._drivers: list[Driver] | None = None

    def names(self) -> list[str]:
        """Return the kernel's names of everything that may be a port, unordered.

        Raises:
            PermissionError: This user may not list the ttys.
        """
        return [name for cls in _CLASSES for name in self._host.names(f"/sys/class/{cls}", needed=True)]

    def list_ports(self) -> list[PortInfo]:
        """List every port, sorted by name.

        Raises:
            PermissionError: This user may not list the ttys.
        """
        self._by_id.read()
        self._by_path.read()
        found = [port for name in self.names() if (port := self._describe(name)) is not None]
        found.sort(key=port_order)
        return without_shared_names(found, self._id_names)

    def describe(self, name: str, node: str | None = None) -> PortInfo | None:
        """Describe one port by its kernel name, None when it is not a port.

        The result is the one that `list_ports` has for it.

        Args:
            name: The kernel's name.
            node: A node that is known to be the port's, for one that has none under its own name.
        """
        port = self._describe(name, node)
        if port is None or port.by_id is None or port.by_id != self._id_names.get(name):
            return port
        # A name by udev's rules: only the others can tell whether it is unique.
        return replace(port, by_id=None) if self._has_twin(name) else port

    def port_info_for(self, path: str, like: PortInfo | None = None) -> PortInfo | None:
        """Describe the port that a path leads to, None when that is not a port.

        By the device number, so that links and nodes under other names are seen
        through. `PortInfo.device` is then the node that was found, should the port
        have none under its own name.

        Args:
            path: A node, or a link to one.
            like: What was known of the port before. If all the rest is the same, it is
                returned without asking the other ports whether `by_id` is unique.
        """
        number = self._host.device_number(path)
        target = None if number is None else self._target(number)
        if target is None:
            return None
        name = target.rpartition("/")[2]
        if all(self._host.link(f"/sys/class/{cls}/{name}") != target for cls in _CLASSES):
            return None
        node = self._host.real_path(path)
        if like is not None:
            port = self._describe(name, node)
            if port is not None and replace(port, by_id=like.by_id) == like:
                return like
        return self.describe(name, node)

    def name_of(self, node: str) -> str | None:
        """Return the kernel's name of the device whose node that is; it need not be a port."""
        number = self._host.device_number(node)
        target = None if number is None else self._target(number)
        return None if target is None else target.rpartition("/")[2]

    def mark(self, name: str) -> tuple[int, str, int] | None:
        """Return what differs when another device has a name: None when it has no device or no node.

        The kernel makes a new directory and a new node for each device.
        """
        for cls in _CLASSES:
            directory = self._host.identity(f"/sys/class/{cls}/{name}")
            target = self._host.link(f"/sys/class/{cls}/{name}")
            if directory is not None and target is not None:
                device, present = self._node(name, target)
                node = self._host.identity(device) if present else None
                return None if node is None else (directory, device, node)
        return None

    # Nodes

    def _target(self, number: tuple[int, int]) -> str | None:
        # The same text as in the class's directory: both are links three levels below /sys.
        return self._host.link("/sys/dev/char/{}:{}".format(*number))

    def _node(self, name: str, target: str, node: str | None = None) -> tuple[str, bool]:
        """Return the node of a port and whether there is one here."""
        # A "!" in a kernel name stands for a directory of /dev.
        device = "/dev/" + name.replace("!", "/")
        found = self._host.device_number(device)
        if found is not None and self._target(found) == target:
            return device, True
        if node is not None:
            return node, True
        number = self._number("/sys" + target.removeprefix("../.."))
        if number is None:
            return device, False
        if number == found:
            return device, True
        if self._nodes is None:
            self._nodes = self._host.nodes()
        other = self._nodes.get(number)
        return (device, False) if other is None else (other, True)

    def _number(self, path: str) -> tuple[int, int] | None:
        major, _, minor = (self._host.text(f"{path}/dev") or "").partition(":")
        return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None

    # What a tty is

    def _find(self, name: str) -> tuple[str, str] | None:
        """Return the class that has a name, and what its link holds."""
        for cls in _CLASSES:
            target = self._host.link(f"/sys/class/{cls}/{name}")
            if target is not None:
                return cls, target
        return None

    def _describe(self, name: str, node: str | None = None) -> PortInfo | None:
        found = None if _TERMINAL.fullmatch(name) else self._find(name)
        if found is None:
            return None
        cls, target = found
        known = self._on_its_device(name, cls, "/sys" + target.removeprefix("../.."))
        if known is None:
            return None
        if known["transport"] != "usb":
            known["by_id"], known["by_path"] = self._by_id.to(name), self._by_path.to(name)
        device, present = self._node(name, target, node)
        # A device that went, or came again, while it was being read.
        if self._host.link(f"/sys/class/{cls}/{name}") != target:
            return None
        return PortInfo(device=device, name=name, present=present, **known)

    # These return fields of PortInfo: making it once costs less than changing it twice.

    def _on_its_device(self, name: str, cls: str, path: str) -> Known | None:
        """Describe a port by what its directory stands on; None when it is not a port."""
        is_modem = cls == "wwan"
        if is_modem and self._host.text(f"{path}/type") != "AT":
            # The modem itself, or a port that speaks packets.
            return None
        # ".../<device>/tty/<name>"
        device = path.rpartition("/")[0].removesuffix(f"/{cls}")
        kind = virtual_kind(name)
        if kind is not None:
            found = self._virtual(name, path, *kind)
        elif (usb := self._usb_directories(device)) is not None:
            found = self._usb(name, device, *usb)
        elif (hardware := self._hardware(device)) is not None:
            found = self._uart(path, *hardware)
        else:
            found = self._without_device(path, is_modem=is_modem)
        if is_modem and found is not None:
            found["description"] = MODEM_PORT
        return found

    # USB

    def _usb_directories(self, device: str) -> tuple[str, str] | None:
        """Return the nearest USB interface and its device at or above a directory."""
        parts = device.split("/")
        for index in range(len(parts) - 1, 0, -1):
            if _USB_INTERFACE.fullmatch(parts[index]) is not None:
                return "/".join(parts[: index + 1]), "/".join(parts[:index])
        return None

    def _attributes(self, adapter: str) -> tuple[bytes | None, ...]:
        shared = self._directories.get(adapter)
        if shared is None:
            shared = self._directories[adapter] = tuple([self._attribute(adapter, key) for key in _USB_ATTRIBUTES])
        return shared

    def _attribute(self, adapter: str, key: str) -> bytes | None:
        raw = self._host.content(f"{adapter}/{key}")
        return None if raw is None else raw.rstrip(b"\r\n")

    def _usb(self, name: str, device: str, interface: str, adapter: str) -> Known | None:
        text = self._host.text
        vendor, product_id, serial_number, manufacturer, product, interfaces = map(_text, self._attributes(adapter))
        number = text(f"{interface}/bInterfaceNumber")
        vid, pid, interface_number = _hex(vendor), _hex(product_id), _hex(number)
        if vid is None or pid is None or interface_number is None:
            # The kernel always has these: the device is going.
            self._directories.pop(adapter, None)
            return None
        location = adapter.rpartition("/")[2]
        interface_name = interface.rpartition("/")[2]
        place = location if interfaces in {None, "1"} else interface_name
        by_path = None
        if has_serial_links(name):
            port_number = None if device == interface else text(f"{device}/port_number")
            self._id_names[name] = self._id_name(adapter, interface_number, port_number)
            by_path = path_name(interface_name, self._parents(adapter), port_number)
        return Known(
            description=printable(product or f"USB {vid:04x}:{pid:04x}"),
            hwid=usb_hwid(vid, pid, serial_number, place),
            vid=vid,
            pid=pid,
            serial_number=serial_number,
            manufacturer=manufacturer,
            product=product,
            location=location,
            interface=text(f"{interface}/interface"),
            driver=self._base(f"{device}/driver") or self._base(f"{interface}/driver"),
            transport="usb",
            interface_number=interface_number,
            by_id=self._by_id.choose(name, self._id_names.get(name, "").removeprefix(f"{BY_ID}/") or None),
            by_path=self._by_path.choose(name, by_path),
        )

    def _id_name(self, adapter: str, interface_number: int, port_number: str | None) -> str:
        vendor, product_id, serial_number, manufacturer, product, _ = self._attributes(adapter)
        name = id_name(
            vendor=(vendor or b"") if manufacturer is None else manufacturer,
            product=(product_id or b"") if product is None else product,
            serial_number=serial_number,
            interface_number=interface_number,
            port_number=port_number,
        )
        return f"{BY_ID}/{name}"

    def _has_twin(self, name: str) -> bool:
        """Tell whether another USB port has the same by-id name by udev's rules."""
        place = self._usb_place(name)
        if place is None:
            return False
        own = serial_name(self._attributes(place[2])[2])
        # Only one driver counts the ports of an interface, which shows in the name.
        kind = name.rstrip("0123456789")
        for other in self._host.names("/sys/class/tty"):
            twin = self._usb_place(other) if other.startswith(kind) and other != name else None
            if twin is None:
                continue
            device, interface, adapter = twin
            # One attribute first: most adapters differ in the serial number.
            if adapter not in self._directories and serial_name(self._attribute(adapter, "serial")) != own:
                continue
            number = _hex(self._host.text(f"{interface}/bInterfaceNumber"))
            port_number = None if device == interface else self._host.text(f"{device}/port_number")
            if number is not None and self._id_name(adapter, number, port_number) == self._id_names[name]:
                return True
        return False

    def _usb_place(self, name: str) -> tuple[str, str, str] | None:
        """Return the directories of a USB tty's port, its interface and its device."""
        target = self._host.link(f"/sys/class/tty/{name}") if has_serial_links(name) else None
        if target is None:
            return None
        device = ("/sys" + target.removeprefix("../..")).rpartition("/")[0].removesuffix("/tty")
        usb = self._usb_directories(device)
        return None if usb is None else (device, *usb)

    # UARTs

    def _hardware(self, directory: str) -> tuple[str, str] | None:
        """Return the nearest device of a bus at or above a directory, and the bus."""
        while directory.count("/") > 2:  # noqa: PLR2004 - down to /sys/devices
            subsystem = self._subsystem(directory)
            if subsystem is not None and subsystem[1] and subsystem[0] != "serial-base":
                return directory, subsystem[0]
            directory = directory.rpartition("/")[0]
        return None

    def _uart(self, path: str, device: str, bus: str) -> Known | None:
        # serial_core's own attribute: PORT_UNKNOWN is a name without hardware.
        if self._host.text(f"{path}/type") == "0":
            return None
        location = device.rpartition("/")[2]
        hwid = location
        transport, description = describe_bus(bus)
        if bus == "pci":
            vendor, model = _hex(self._host.text(f"{device}/vendor")), _hex(self._host.text(f"{device}/device"))
            hwid = pci_hwid(vendor, model, location)
        elif bus == "pnp":
            hwid = self._host.text(f"{device}/id") or location
        return Known(
            description=description,
            hwid=hwid,
            location=location,
            driver=self._base(f"{device}/driver"),
            transport=transport,
        )

    # Ports without a device

    def _virtual(self, name: str, path: str, transport: str, description: str) -> Known | None:
        location = hwid = None
        if transport == "bluetooth":
            location = self._host.text(f"{path}/address")
            hwid = bluetooth_hwid(location, self._host.text(f"{path}/channel"))
        elif name.startswith("hvc"):
            # The kernel makes eight of them; one that is not a console has nothing behind it
            # that could be seen from here.
            active = self._host.text("/sys/devices/virtual/tty/console/active") or ""
            if name not in active.split():
                return None
        return Known(description=description, hwid=hwid, location=location, transport=transport)

    def _without_device(self, path: str, *, is_modem: bool) -> Known | None:
        found = Known(description=SERIAL_PORT, transport="virtual")
        if is_modem:
            # It is not a tty, so that no tty driver has it.
            return found
        number = self._number(path)
        if number is None or self._host.text(f"{path}/type") == "0":
            return None
        if self._drivers is None:
            self._drivers = parse_drivers(self._host.text("/proc/tty/drivers") or "")
        driver = driver_of(number, self._drivers)
        if driver is None or driver.kind != "serial":
            return None
        found["driver"] = driver.name
        return found

    # Names and parents

    def _base(self, link: str) -> str | None:
        target = self._host.link(link)
        return None if target is None else target.rpartition("/")[2]

    def _subsystem(self, directory: str) -> tuple[str, bool] | None:
        """Return the subsystem of a device and whether that is a bus; classes group by function."""
        if directory not in self._subsystems:
            target = self._host.link(f"{directory}/subsystem")
            self._subsystems[directory] = None if target is None else (target.rpartition("/")[2], "/bus/" in target)
        return self._subsystems[directory]

    def _parents(self, directory: str) -> list[tuple[str, str]]:
        parents: list[tuple[str, str]] = []
        while directory.count("/") > 2:  # noqa: PLR2004 - down to /sys/devices
            name = directory.rpartition("/")[2]
            subsystem = self._subsystem(directory)
            if subsystem is not None:
                parents.append((name, subsystem[0]))
            directory = directory.rpartition("/")[0]
        return parents
