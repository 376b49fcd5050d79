"""The ports as libudev reports them, by pyudev.

For hosts whose udev database knows more than the files in sysfs, or where sysfs is not
at its usual place. The fields mean what they mean in `_linux`. Nothing outside this
module knows pyudev.
"""

import importlib
import os
from dataclasses import replace
from typing import Any

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._host import Host
from anyserial_discovery._hwid import bluetooth_hwid, pci_hwid, usb_hwid
from anyserial_discovery._kinds import MODEM_PORT, SERIAL_PORT, describe_bus, virtual_kind
from anyserial_discovery._order import port_order
from anyserial_discovery._tty_drivers import Driver, driver_of, parse_drivers
from anyserial_discovery._udev_links import BY_ID, BY_PATH, without_shared_names
from anyserial_discovery._udev_names import has_serial_links, id_name

__all__ = ("list_ports",)

# As in `_linux`: what may be a port, and what lies between one and its device.
_SUBSYSTEMS = ("tty", "wwan")
_BETWEEN = frozenset({"serial-base", "wwan", "wwan_hwsim"})


def list_ports(context: Any = None, drivers: list[Driver] | None = None) -> list[PortInfo]:
    """List every port that has a node, sorted by name.

    Args:
        context: A ``pyudev.Context``; None makes one.
        drivers: The kernel's tty drivers; None asks it.

    Raises:
        ImportError: pyudev, or the library libudev that it needs, is not installed.
    """
    if context is None:
        context = _context()
    devices = [device for subsystem in _SUBSYSTEMS for device in context.list_devices(subsystem=subsystem)]
    drivers = parse_drivers(Host().text("/proc/tty/drivers") or "") if drivers is None else drivers
    id_names: dict[str, str] = {}
    ports = [port for device in devices if (port := _port(device, drivers, id_names)) is not None]
    ports.sort(key=port_order)
    return without_shared_names(ports, id_names)


def _context() -> Any:
    try:
        # By name: pyudev comes without types.
        pyudev: Any = importlib.import_module("pyudev")
    except ModuleNotFoundError as exc:
        if exc.name != "pyudev":
            raise
        raise ImportError(
            "the discovery backend 'pyudev' needs pyudev, which is not installed: "
            "pip install 'anyserial-discovery[pyudev]'",
            name="pyudev",
        ) from exc
    return pyudev.Context()


def _port(device: Any, drivers: list[Driver], id_names: dict[str, str]) -> PortInfo | None:
    node = device.device_node
    kind = _text(device, "type")
    is_modem = device.subsystem == "wwan"
    # Type 0 is a name without hardware; of a modem's ports only those for AT commands are serial.
    if node is None or kind == "0" or (is_modem and kind != "AT"):
        return None
    links = sorted(device.device_links)
    port = PortInfo(
        device=node,
        name=device.sys_name,
        by_id=_link(links, f"{BY_ID}/"),
        by_path=_link(links, f"{BY_PATH}/"),
    )
    virtual = virtual_kind(device.sys_name)
    if virtual is not None:
        return _virtual(port, device, *virtual)
    parent = device.parent
    while parent is not None and parent.subsystem in _BETWEEN:
        parent = parent.parent
    found: PortInfo | None
    if parent is None:
        found = _without_device(port, device, drivers, is_modem=is_modem)
    else:
        interface = parent if parent.device_type == "usb_interface" else parent.find_parent("usb", "usb_interface")
        adapter = parent.find_parent("usb", "usb_device")
        on_usb = interface is not None and adapter is not None
        found = _usb(port, parent, interface, adapter) if on_usb else _uart(port, parent)
        if on_usb and has_serial_links(device.sys_name):
            id_names[device.sys_name] = _id_name(parent, interface, adapter)
    return replace(found, description=MODEM_PORT) if is_modem and found is not None else found


def _without_device(port: PortInfo, device: Any, drivers: list[Driver], *, is_modem: bool) -> PortInfo | None:
    found = replace(port, description=SERIAL_PORT, transport="virtual")
    if is_modem:
        return found
    driver = driver_of((os.major(device.device_number), os.minor(device.device_number)), drivers)
    return replace(found, driver=driver.name) if driver is not None and driver.kind == "serial" else None


def _virtual(port: PortInfo, device: Any, transport: str, description: str) -> PortInfo | None:
    if device.sys_name.startswith("hvc"):
        # Nothing in the database tells those that have something behind them.
        return None
    port = replace(port, transport=transport, description=description)
    address, channel = _text(device, "address"), _text(device, "channel")
    if transport != "bluetooth" or address is None:
        return port
    return replace(port, location=address, hwid=bluetooth_hwid(address, channel))


def _uart(port: PortInfo, parent: Any) -> PortInfo:
    transport, description = describe_bus(parent.subsystem)
    hwid = parent.sys_name
    if transport == "pci":
        hwid = pci_hwid(_number(parent, "vendor"), _number(parent, "device"), parent.sys_name)
    elif parent.subsystem == "pnp":
        hwid = _text(parent, "id") or hwid
    return replace(
        port,
        description=description,
        hwid=hwid,
        location=parent.sys_name,
        driver=parent.driver,
        transport=transport,
    )


def _usb(port: PortInfo, parent: Any, interface: Any, adapter: Any) -> PortInfo | None:
    vid, pid = _number(adapter, "idVendor"), _number(adapter, "idProduct")
    if vid is None or pid is None:
        return None
    serial_number, product = _text(adapter, "serial"), _text(adapter, "product")
    several = _text(adapter, "bNumInterfaces") not in {None, "1"}
    return replace(
        port,
        description=printable(product or f"USB {vid:04x}:{pid:04x}"),
        hwid=usb_hwid(vid, pid, serial_number, interface.sys_name if several else adapter.sys_name),
        vid=vid,
        pid=pid,
        serial_number=serial_number,
        manufacturer=_text(adapter, "manufacturer"),
        product=product,
        location=adapter.sys_name,
        interface=_text(interface, "interface"),
        driver=parent.driver,
        transport="usb",
        interface_number=_number(interface, "bInterfaceNumber"),
    )


def _id_name(parent: Any, interface: Any, adapter: Any) -> str:
    vendor, product = _raw(adapter, "manufacturer"), _raw(adapter, "product")
    name = id_name(
        vendor=(_raw(adapter, "idVendor") or b"") if vendor is None else vendor,
        product=(_raw(adapter, "idProduct") or b"") if product is None else product,
        serial_number=_raw(adapter, "serial"),
        interface_number=_number(interface, "bInterfaceNumber") or 0,
        port_number=None if parent.sys_name == interface.sys_name else _text(parent, "port_number"),
    )
    return f"{BY_ID}/{name}"


def _raw(device: Any, attribute: str) -> bytes | None:
    value: bytes | None = device.attributes.get(attribute)
    return None if value is None else value.rstrip(b"\r\n")


def _text(device: Any, attribute: str) -> str | None:
    # Bytes, and KeyError where the attribute is not there or its device is gone.
    value: bytes | None = device.attributes.get(attribute)
    return None if value is None else value.decode("utf-8", "replace").strip() or None


def _number(device: Any, attribute: str) -> int | None:
    text = _text(device, attribute)
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


def _link(links: list[str], directory: str) -> str | None:
    found = [link for link in links if link.startswith(directory)]
    return next((link for link in found if "-usbv" not in link), found[0] if found else None)
