"""The ports as libudev tells of them, by pyudev.

For hosts whose udev database knows more than the files in sysfs, or where sysfs is not
at its usual place. The fields mean what they mean in `_linux`. Nothing outside this
module knows pyudev.
"""

import importlib
from dataclasses import replace
from typing import Any

from anyserial._spi import printable
from anyserial.discovery import PortInfo

from anyserial_discovery._hwid import bluetooth_hwid, pci_hwid, usb_hwid
from anyserial_discovery._kinds import describe_bus, virtual_kind
from anyserial_discovery._order import port_order

__all__ = ("list_ports",)


def list_ports(context: Any = None) -> list[PortInfo]:
    """List every port that has a node, sorted by name.

    Args:
        context: A ``pyudev.Context``; None makes one.

    Raises:
        ImportError: pyudev, or the library libudev that it needs, is not installed.
    """
    if context is None:
        context = _context()
    ports = [port for device in context.list_devices(subsystem="tty") if (port := _port(device)) is not None]
    ports.sort(key=port_order)
    return ports


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


def _port(device: Any) -> PortInfo | None:
    node = device.device_node
    # Type 0 is a name without hardware.
    if node is None or _text(device, "type") == "0":
        return None
    links = sorted(device.device_links)
    port = PortInfo(
        device=node,
        name=device.sys_name,
        by_id=_link(links, "/dev/serial/by-id/"),
        by_path=_link(links, "/dev/serial/by-path/"),
    )
    virtual = virtual_kind(device.sys_name)
    if virtual is not None:
        return _virtual(port, device, *virtual)
    parent = device.parent
    while parent is not None and parent.subsystem == "serial-base":
        parent = parent.parent
    if parent is None:
        # A terminal or a console.
        return None
    interface = parent if parent.device_type == "usb_interface" else parent.find_parent("usb", "usb_interface")
    adapter = parent.find_parent("usb", "usb_device")
    if interface is None or adapter is None:
        return _uart(port, parent)
    return _usb(port, parent, interface, adapter)


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
