"""The serial ports of Linux, from sysfs.

Theory of operation. Every tty of the kernel is a link in ``/sys/class/tty``, and where
the link leads tells what it is: ``.../1-1.2/1-1.2:1.0/ttyUSB0/tty/ttyUSB0`` stands on
interface 1-1.2:1.0 of USB device 1-1.2; ``/devices/virtual`` holds what has no device,
among it all consoles and pseudo terminals. So one ``readlink`` sorts out what is a
port, and the attributes of the directories on the way tell the rest. Linux 6.12 puts
two devices of the bus ``serial-base`` between a UART and its tty; they are skipped.

Only attributes are read, never a node: opening a port moves its modem lines. A device
may vanish at any moment; the port is then left out as a whole.
"""

import re
from collections import Counter
from dataclasses import replace

from anyserial.discovery import PortInfo

from anyserial_discovery._host import Host
from anyserial_discovery._kinds import describe_bus, virtual_kind
from anyserial_discovery._order import port_order
from anyserial_discovery._udev_names import id_name, path_name

__all__ = ("Sysfs",)

_CLASS = "/sys/class/tty"
_BY_ID = "/dev/serial/by-id"
_BY_PATH = "/dev/serial/by-path"

# <bus>-<port>.<port>...:<configuration>.<interface>, Documentation/ABI/testing/sysfs-bus-usb.
_USB_INTERFACE = re.compile(r"\d+-\d+(?:\.\d+)*:\d+\.\d+")

_USB_ATTRIBUTES = ("idVendor", "idProduct", "serial", "manufacturer", "product", "bNumInterfaces")

# Virtual terminals and what stands for the terminal at hand: never ports.
_TERMINAL = re.compile(r"tty\d*|console|ptmx")


def _hex(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


class Sysfs:
    """One look at the host: what several ports share is read once.

    Args:
        host: Where to look; None for the running system.
    """

    __slots__ = ("_directories", "_host", "_links", "_names", "_ports", "_subsystems")

    def __init__(self, host: Host | None = None) -> None:
        self._host = Host() if host is None else host
        self._directories: dict[str, tuple[str | None, ...]] = {}
        self._subsystems: dict[str, str | None] = {}
        self._links: dict[str, dict[str, str]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._ports: list[PortInfo] | None = None

    def list_ports(self) -> list[PortInfo]:
        """List every port, sorted by name."""
        if self._ports is None:
            for directory in (_BY_ID, _BY_PATH):
                self._named(directory)
            found = [port for name in self._host.names(_CLASS) if (port := self._describe(name)) is not None]
            found.sort(key=port_order)
            self._ports = _without_shared_names(found)
        return self._ports

    def describe(self, name: str) -> PortInfo | None:
        """Describe one tty by its kernel name, None when it is no port.

        The result is the one that `list_ports` has for it.
        """
        port = self._describe(name)
        if port is None or port.by_id is None or self._leads_to(_BY_ID, port.by_id) == name:
            return port
        # A computed name: only the others can tell whether it is unique.
        return replace(port, by_id=None) if self._has_twin(name) else port

    def port_info_for(self, path: str) -> PortInfo | None:
        """Describe the port that a path leads to, None when that is no port.

        By the device number, so that links and nodes under other names are seen
        through. `PortInfo.device` is then the node that was found, should the port
        have none under its own name.
        """
        number = self._host.device_number(path)
        if number is None:
            return None
        target = self._host.link("/sys/dev/char/{}:{}".format(*number))
        if target is None:
            return None
        parent, _, name = target.rpartition("/")
        if not parent.endswith("/tty"):
            return None
        port = self.describe(name)
        if port is not None and not port.present:
            return replace(port, device=self._host.real_path(path), present=True)
        return port

    def _has_twin(self, name: str) -> bool:
        """Tell whether another USB port has the same computed by-id name."""
        place = self._usb_place(name)
        if place is None:
            return False
        _, _, adapter = place
        own = self._attributes(adapter)
        # The same device has the same driver, and that gives the same kind of name.
        kind = name.rstrip("0123456789")
        for other in self._host.names(_CLASS):
            twin = self._usb_place(other) if other.startswith(kind) and other != name else None
            if twin is None:
                continue
            _, _, adapter = twin
            # One attribute first: most adapters differ in the vendor.
            if adapter not in self._directories and self._host.text(f"{adapter}/idVendor") != own[0]:
                continue
            if self._attributes(adapter)[:-1] == own[:-1] and self._numbers(twin) == self._numbers(place):
                return True
        return False

    def _usb_place(self, name: str) -> tuple[str, str, str] | None:
        """Return the directories of a USB tty's port, its interface and its device."""
        target = None if _TERMINAL.fullmatch(name) else self._host.link(f"{_CLASS}/{name}")
        if target is None:
            return None
        device = "/sys" + target.removeprefix("../..").rpartition("/tty/")[0]
        usb = self._usb_directories(device)
        return None if usb is None else (device, *usb)

    def _numbers(self, place: tuple[str, str, str]) -> tuple[str | None, str | None]:
        device, interface, _ = place
        return self._host.text(f"{interface}/bInterfaceNumber"), self._host.text(f"{device}/port_number")

    def _describe(self, name: str) -> PortInfo | None:
        if _TERMINAL.fullmatch(name):
            return None
        target = self._host.link(f"{_CLASS}/{name}")
        if target is None:
            return None
        path = "/sys" + target.removeprefix("../..")
        # ".../<device>/tty/<name>"
        device = path.rpartition("/tty/")[0]
        known = virtual_kind(name)
        if known is not None:
            port = self._virtual(name, path, *known)
        elif device == "/sys/devices/virtual":
            return None
        elif (usb := self._usb_directories(device)) is not None:
            port = self._usb(name, device, *usb)
        else:
            port = self._uart(name, path, device)
        # A device that went, or came again, while it was being read.
        if port is None or self._host.link(f"{_CLASS}/{name}") != target:
            return None
        return port

    def _node(self, name: str) -> tuple[str, bool]:
        # A "!" in a kernel name stands for a directory of /dev.
        device = "/dev/" + name.replace("!", "/")
        return device, self._host.device_number(device) is not None

    # USB

    def _usb_directories(self, device: str) -> tuple[str, str] | None:
        """Return the nearest USB interface and its device at or above a directory."""
        parts = device.split("/")
        for index in range(len(parts) - 1, 0, -1):
            if _USB_INTERFACE.fullmatch(parts[index]) is not None:
                return "/".join(parts[: index + 1]), "/".join(parts[:index])
        return None

    def _attributes(self, adapter: str) -> tuple[str | None, ...]:
        shared = self._directories.get(adapter)
        if shared is None:
            shared = self._directories[adapter] = tuple(
                [self._host.text(f"{adapter}/{key}") for key in _USB_ATTRIBUTES]
            )
        return shared

    def _usb(self, name: str, device: str, interface: str, adapter: str) -> PortInfo | None:
        text = self._host.text
        vendor, product_id, serial_number, manufacturer, product, interfaces = self._attributes(adapter)
        number = text(f"{interface}/bInterfaceNumber")
        vid, pid, interface_number = _hex(vendor), _hex(product_id), _hex(number)
        if vid is None or pid is None or interface_number is None:
            # The kernel always has these: the device is going.
            self._directories.pop(adapter, None)
            return None
        location = adapter.rpartition("/")[2]
        interface_name = interface.rpartition("/")[2]
        port_number = None if device == interface else text(f"{device}/port_number")
        hwid = f"USB VID:PID={vid:04X}:{pid:04X}"
        if serial_number is not None:
            hwid += f" SER={serial_number}"
        # pySerial names the interface where the device has several.
        hwid += f" LOCATION={location if interfaces in {None, '1'} else interface_name}"
        node, present = self._node(name)
        return PortInfo(
            device=node,
            name=name,
            description=product or f"USB {vid:04x}:{pid:04x}",
            hwid=hwid,
            vid=vid,
            pid=pid,
            serial_number=serial_number,
            manufacturer=manufacturer,
            product=product,
            location=location,
            interface=text(f"{interface}/interface"),
            driver=self._base(f"{device}/driver"),
            transport="usb",
            interface_number=interface_number,
            by_id=self._name(
                _BY_ID,
                name,
                id_name(
                    vendor=manufacturer or f"{vid:04x}",
                    product=product or f"{pid:04x}",
                    serial_number=serial_number,
                    interface_number=interface_number,
                    port_number=port_number,
                ),
            ),
            by_path=self._name(_BY_PATH, name, path_name(interface_name, self._parents(adapter), port_number)),
            present=present,
        )

    # UARTs

    def _uart(self, name: str, path: str, device: str) -> PortInfo | None:
        # serial_core's own attribute: PORT_UNKNOWN is a name that no hardware stands behind.
        if self._host.text(f"{path}/type") == "0":
            return None
        subsystem = self._subsystem(device)
        while subsystem == "serial-base":
            device = device.rpartition("/")[0]
            subsystem = self._subsystem(device)
        if subsystem is None:
            return None
        location = device.rpartition("/")[2]
        hwid = location
        transport, description = describe_bus(subsystem)
        if subsystem == "pci":
            vendor, model = _hex(self._host.text(f"{device}/vendor")), _hex(self._host.text(f"{device}/device"))
            if vendor is not None and model is not None:
                hwid = f"PCI VID:PID={vendor:04X}:{model:04X} LOCATION={location}"
        elif subsystem == "pnp":
            hwid = self._host.text(f"{device}/id") or location
        node, present = self._node(name)
        return PortInfo(
            device=node,
            name=name,
            description=description,
            hwid=hwid,
            location=location,
            driver=self._base(f"{device}/driver"),
            transport=transport,
            by_id=self._link_to(_BY_ID, name),
            by_path=self._link_to(_BY_PATH, name),
            present=present,
        )

    # Ports without a device

    def _virtual(self, name: str, path: str, transport: str, description: str) -> PortInfo | None:
        location = hwid = None
        if transport == "bluetooth":
            location = self._host.text(f"{path}/address")
            channel = self._host.text(f"{path}/channel")
            if location is not None:
                hwid = f"BLUETOOTH ADDRESS={location}" + ("" if channel is None else f" CHANNEL={channel}")
        elif name.startswith("hvc"):
            # The kernel makes eight of them; one that is no console has nothing behind it
            # that could be seen from here.
            active = self._host.text("/sys/devices/virtual/tty/console/active") or ""
            if name not in active.split():
                return None
        node, present = self._node(name)
        return PortInfo(
            device=node,
            name=name,
            description=description,
            hwid=hwid,
            location=location,
            transport=transport,
            by_id=self._link_to(_BY_ID, name),
            by_path=self._link_to(_BY_PATH, name),
            present=present,
        )

    # Names and parents

    def _base(self, link: str) -> str | None:
        target = self._host.link(link)
        return None if target is None else target.rpartition("/")[2]

    def _subsystem(self, directory: str) -> str | None:
        if directory not in self._subsystems:
            self._subsystems[directory] = self._base(f"{directory}/subsystem")
        return self._subsystems[directory]

    def _parents(self, directory: str) -> list[tuple[str, str]]:
        parents: list[tuple[str, str]] = []
        while directory.count("/") > 2:  # noqa: PLR2004 - down to /sys/devices
            name = directory.rpartition("/")[2]
            subsystem = self._subsystem(directory)
            if subsystem is not None:
                parents.append((name, subsystem))
            directory = directory.rpartition("/")[0]
        return parents

    def _named(self, directory: str) -> dict[str, str]:
        """Map the path of each of udev's links in a directory to the node it names."""
        links = self._links.get(directory)
        if links is None:
            links = self._links[directory] = {}
            names = self._names[directory] = {}
            for name in sorted(self._host.names(directory)):
                target = self._host.link(f"{directory}/{name}")
                if target is None:
                    continue
                path, node = f"{directory}/{name}", target.rpartition("/")[2]
                links[path] = node
                # Newer udevs make a second path that names the USB revision.
                if node not in names or "-usbv" in names[node]:
                    names[node] = path
        return links

    def _leads_to(self, directory: str, path: str) -> str | None:
        """Return the node that one of udev's links names, without looking at the others."""
        links = self._links.get(directory)
        return self._base(path) if links is None else links.get(path)

    def _link_to(self, directory: str, node: str) -> str | None:
        self._named(directory)
        return self._names[directory].get(node)

    def _name(self, directory: str, node: str, computed: str | None) -> str | None:
        """Return a USB port's name: as udev's rules have it, as its links have it, or as it will be."""
        path = None if computed is None else f"{directory}/{computed}"
        if path is not None and self._leads_to(directory, path) == node:
            return path
        links = self._named(directory)
        found = self._names[directory].get(node)
        # udev that comes too late for a device makes a path without the USB part, and leaves it there.
        if found is not None and (directory != _BY_PATH or "-usb" in found):
            return found
        # A name that leads elsewhere is another device's.
        return None if path in links else path


def _without_shared_names(ports: list[PortInfo]) -> list[PortInfo]:
    """Take a computed name back from devices that cannot be told apart by it."""
    seen = Counter(port.by_id for port in ports)
    return [port if port.by_id is None or seen[port.by_id] == 1 else replace(port, by_id=None) for port in ports]
