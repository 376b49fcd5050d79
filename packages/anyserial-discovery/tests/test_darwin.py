"""Registries of macOS, written down as `ioreg -l` shows them."""

from pathlib import Path

import pytest
from anyserial.discovery import PortInfo
from anyserial_discovery._darwin import list_ports, port_info_for
from anyserial_discovery._iokit import Entry, Service, Value


def service(name: str, *parents: Entry) -> Service:
    return Service({"IOCalloutDevice": f"/dev/cu.{name}", "IODialinDevice": f"/dev/tty.{name}"}, list(parents))


def host_device(**properties: Value) -> Entry:
    return Entry(
        "IOUSBHostDevice",
        frozenset({"IOUSBHostDevice"}),
        {key.replace("_", " "): value for key, value in properties.items()},
    )


def interface(number: int, **properties: Value) -> Entry:
    return Entry("IOUSBHostInterface", frozenset({"IOUSBHostInterface"}), {"bInterfaceNumber": number, **properties})


FTDI = host_device(
    idVendor=0x0403,
    idProduct=0x6010,
    locationID=0x14120000,
    USB_Serial_Number="FT4X8ZAB",
    USB_Vendor_Name="FTDI",
    USB_Product_Name="Dual RS232-HS",
)
PICO = host_device(
    idVendor=0x2E8A,
    idProduct=0x000A,
    locationID=0x01100000,
    kUSBSerialNumberString="E6605838",
    kUSBVendorString="Raspberry Pi",
    kUSBProductString="Pico",
)
PCI = Entry("IOPCIDevice", frozenset({"IOPCIDevice"}))
REGISTRY = [
    service("usbserial-FT4X8ZAB1", Entry("AppleUSBFTDI"), interface(1, kUSBString="Dual RS232-HS"), FTDI, PCI),
    service("usbserial-FT4X8ZAB0", Entry("AppleUSBFTDI"), interface(0), FTDI, PCI),
    service("usbmodem101", Entry("AppleUSBACMData"), interface(1), PICO, PCI),
    # Bluetooth, whose adapter is itself on USB.
    service("Bluetooth-Incoming-Port", Entry("IOBluetoothSerialClient"), host_device(idVendor=0x05AC), PCI),
    service("debug-console", Entry("AppleSamsungSerial"), Entry("AppleARMIODevice")),
    service("Oxford-1", Entry("OxfordSerial"), PCI),
    service("old", Entry("OldDriver"), Entry("IOUSBDevice", frozenset({"IOUSBDevice"}))),
    Service({"IODialinDevice": "/dev/tty.only"}, []),
    Service({}, [Entry("Broken")]),
]


def ftdi(number: int, name: str | None) -> PortInfo:
    return PortInfo(
        device=f"/dev/cu.usbserial-FT4X8ZAB{number}",
        name=f"cu.usbserial-FT4X8ZAB{number}",
        description="Dual RS232-HS",
        hwid="USB VID:PID=0403:6010 SER=FT4X8ZAB LOCATION=20-1.2",
        vid=0x0403,
        pid=0x6010,
        serial_number="FT4X8ZAB",
        manufacturer="FTDI",
        product="Dual RS232-HS",
        location="20-1.2",
        interface=name,
        driver="AppleUSBFTDI",
        transport="usb",
        interface_number=number,
    )


def plain(name: str, driver: str | None, transport: str, description: str) -> PortInfo:
    return PortInfo(
        device=f"/dev/{name}", name=name, description=description, driver=driver, transport=transport, present=True
    )


PORTS = [
    plain("cu.Bluetooth-Incoming-Port", "IOBluetoothSerialClient", "bluetooth", "Bluetooth serial port"),
    plain("cu.Oxford-1", "OxfordSerial", "pci", "PCI UART"),
    plain("cu.debug-console", "AppleSamsungSerial", "platform", "Serial port"),
    plain("cu.old", "OldDriver", "usb", "USB serial port"),
    PortInfo(
        device="/dev/cu.usbmodem101",
        name="cu.usbmodem101",
        description="Pico",
        hwid="USB VID:PID=2E8A:000A SER=E6605838 LOCATION=1-1",
        vid=0x2E8A,
        pid=0x000A,
        serial_number="E6605838",
        manufacturer="Raspberry Pi",
        product="Pico",
        location="1-1",
        driver="AppleUSBACMData",
        transport="usb",
        interface_number=1,
    ),
    ftdi(0, None),
    ftdi(1, "Dual RS232-HS"),
    plain("tty.only", None, "platform", "Serial port"),
]


def test_every_field_of_every_port() -> None:
    assert list_ports(REGISTRY, lambda _: True) == PORTS


def test_a_service_without_its_node_is_not_present() -> None:
    found = list_ports(REGISTRY, lambda path: "FT4X" not in path)
    assert [port.name for port in found if not port.present] == ["cu.usbserial-FT4X8ZAB0", "cu.usbserial-FT4X8ZAB1"]


@pytest.mark.parametrize(
    ("location_id", "location"),
    [
        (0x14120000, "20-1.2"),
        (0x14100000, "20-1"),
        (0x01142300, "1-1.4.2.3"),
        (0x01A00000, "1-10"),
        (0x80000000, "128"),
        (-0x7FF00000, "128-1"),
    ],
)
def test_location(location_id: int, location: str) -> None:
    device = host_device(idVendor=1, idProduct=2, locationID=location_id)
    (port,) = list_ports([service("x", Entry("Driver"), device)], lambda _: True)
    assert port.location == location


def test_port_info_by_either_node_and_through_links(tmp_path: Path) -> None:
    link = tmp_path / "mine"
    link.symlink_to("/dev/tty.usbserial-FT4X8ZAB1")
    for path in ("/dev/cu.usbserial-FT4X8ZAB1", "/dev/tty.usbserial-FT4X8ZAB1", str(link)):
        assert port_info_for(path, REGISTRY, lambda _: True) == ftdi(1, "Dual RS232-HS")
    assert port_info_for("/dev/ttys003", REGISTRY, lambda _: True) is None
