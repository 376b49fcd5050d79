"""Recorded and hand-built trees of Linux: every field of every port."""

import errno
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from anyserial.discovery import PortInfo
from anyserial_discovery._linux import Sysfs
from anyserial_discovery._match import Filters

type MakeTree = Callable[..., Any]

ID = "/dev/serial/by-id/"
PATH = "/dev/serial/by-path/"


def usb(name: str, **fields: Any) -> PortInfo:
    defaults = dict[str, Any](device=f"/dev/{name}", name=name, transport="usb", interface_number=0)
    if "product" in fields:
        defaults["description"] = fields["product"]
    return PortInfo(**(defaults | fields))


def uart(name: str, **fields: Any) -> PortInfo:
    defaults = dict[str, Any](device=f"/dev/{name}", name=name, description="UART", transport="platform")
    return PortInfo(**(defaults | fields))


def virtual(name: str, transport: str, description: str, **fields: Any) -> PortInfo:
    return PortInfo(device=f"/dev/{name}", name=name, transport=transport, description=description, **fields)


def pci_uart(name: str, slot: str, ids: str, driver: str) -> PortInfo:
    return uart(
        name,
        description="PCI UART",
        transport="pci",
        location=slot,
        hwid=f"PCI VID:PID={ids} LOCATION={slot}",
        driver=driver,
    )


def gadget_device(name: str, number: int, suffix: str = "", **fields: Any) -> PortInfo:
    return usb(
        name,
        vid=0x1D6B,
        pid=0x0104,
        serial_number="RIG-ACM",
        manufacturer="Rig",
        product="Rig gadget",
        location="3-1",
        hwid=f"USB VID:PID=1D6B:0104 SER=RIG-ACM LOCATION=3-1:1.{number}",
        interface_number=number,
        by_id=f"{ID}usb-Rig_Rig_gadget_RIG-ACM-if{number:02}{suffix}",
        by_path=f"{PATH}platform-dummy_hcd.0-usb-0:1:1.{number}{suffix}",
        **fields,
    )


def emulated_ftdi(name: str, number: int) -> PortInfo:
    return usb(
        name,
        vid=0x0403,
        pid=0x6001,
        serial_number=f"RIG-USB{number}",
        manufacturer="QEMU",
        product="QEMU USB SERIAL",
        location=f"1-{number + 1}",
        hwid=f"USB VID:PID=0403:6001 SER=RIG-USB{number} LOCATION=1-{number + 1}",
        driver="ftdi_sio",
        by_id=f"{ID}usb-QEMU_QEMU_USB_SERIAL_RIG-USB{number}-if00-port0",
        by_path=f"{PATH}pci-0000:00:05.0-usb-0:{number + 1}:1.0-port0",
    )


# The same on both kernels, although 6.12 puts the serial-base bus in between.
RECORDED = [
    gadget_device("ttyACM0", 0, interface="CDC Abstract Control Model (ACM)", driver="cdc_acm"),
    gadget_device("ttyACM1", 2, interface="CDC Abstract Control Model (ACM)", driver="cdc_acm"),
    *(virtual(f"ttyGS{number}", "gadget", "USB gadget serial port") for number in range(3)),
    uart("ttyS0", hwid="PNP0501", location="00:00", driver="serial"),
    pci_uart("ttyS1", "0000:00:10.0", "1B36:0002", "serial"),
    pci_uart("ttyS2", "0000:00:11.0", "1B36:0002", "serial"),
    emulated_ftdi("ttyUSB0", 0),
    emulated_ftdi("ttyUSB1", 1),
    gadget_device("ttyUSB2", 4, "-port0", driver="generic"),
]


def dual_ftdi(name: str, interface: int) -> PortInfo:
    return usb(
        name,
        vid=0x0403,
        pid=0x6010,
        serial_number="FT4X8ZAB",
        manufacturer="FTDI",
        product="Dual RS232-HS",
        interface="Dual RS232-HS",
        interface_number=interface,
        location="1-1.1",
        hwid=f"USB VID:PID=0403:6010 SER=FT4X8ZAB LOCATION=1-1.1:1.{interface}",
        driver="ftdi_sio",
        by_id=f"{ID}usb-FTDI_Dual_RS232-HS_FT4X8ZAB-if0{interface}-port0",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:1.1:1.{interface}-port0",
    )


def ch340(name: str, location: str) -> PortInfo:
    # Without a serial number two of them share the computed by-id name: neither has one.
    return usb(
        name,
        vid=0x1A86,
        pid=0x7523,
        product="USB Serial",
        location=location,
        hwid=f"USB VID:PID=1A86:7523 LOCATION={location}",
        driver="ch341",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:{location[2:]}:1.0-port0",
    )


def pl2303(name: str, location: str) -> PortInfo:
    return usb(
        name,
        vid=0x067B,
        pid=0x2303,
        serial_number="SAME, 1",
        manufacturer="Prolific  Technology Inc.",
        product="USB-Serial/Controller",
        location=location,
        hwid=f"USB VID:PID=067B:2303 SER=SAME, 1 LOCATION={location}",
        driver="pl2303",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:{location[2:]}:1.0-port0",
    )


def two_ports_on_one_interface(name: str, port: int) -> PortInfo:
    return usb(
        name,
        vid=0x0451,
        pid=0x3410,
        serial_number="TI-1",
        manufacturer="Texas Instruments",
        product="Two ports",
        location="1-3",
        hwid="USB VID:PID=0451:3410 SER=TI-1 LOCATION=1-3",
        driver="mos7840",
        by_id=f"{ID}usb-Texas_Instruments_Two_ports_TI-1-if00-port{port}",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:3:1.0-port{port}",
    )


USB = [
    usb(
        "ttyACM0",
        description="USB 2341:0043",
        vid=0x2341,
        pid=0x0043,
        serial_number="75830303934351F0B1C2",
        manufacturer="Arduino (www.arduino.cc)",
        location="1-1.3",
        hwid="USB VID:PID=2341:0043 SER=75830303934351F0B1C2 LOCATION=1-1.3:1.0",
        driver="cdc_acm",
        by_id=f"{ID}usb-Arduino__www.arduino.cc__0043_75830303934351F0B1C2-if00",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:1.3:1.0",
    ),
    usb(
        "ttyACM1",
        vid=0x0D28,
        pid=0x0204,
        serial_number="9900000031864e45",
        manufacturer="Arm",
        product="DAPLink CMSIS-DAP",
        interface="mbed Serial Port",
        interface_number=1,
        location="1-2",
        hwid="USB VID:PID=0D28:0204 SER=9900000031864e45 LOCATION=1-2:1.1",
        driver="cdc_acm",
        by_id=f"{ID}usb-Arm_DAPLink_CMSIS-DAP_9900000031864e45-if01",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:2:1.1",
        present=False,
    ),
    dual_ftdi("ttyUSB0", 0),
    dual_ftdi("ttyUSB1", 1),
    usb(
        "ttyUSB2",
        vid=0x10C4,
        pid=0xEA60,
        serial_number="0001",
        manufacturer="Silicon Labs",
        product="CP2102 USB to UART Bridge Controller",
        interface="CP2102 USB to UART Bridge Controller",
        location="1-1.2",
        hwid="USB VID:PID=10C4:EA60 SER=0001 LOCATION=1-1.2",
        driver="cp210x",
        by_id=f"{ID}usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0",
        by_path=f"{PATH}pci-0000:00:14.0-usb-0:1.2:1.0-port0",
    ),
    ch340("ttyUSB3", "1-1.4.1"),
    ch340("ttyUSB4", "1-1.4.2"),
    pl2303("ttyUSB10", "1-1.4.3"),
    pl2303("ttyUSB11", "1-1.4.4"),
    two_ports_on_one_interface("ttyUSB20", 0),
    two_ports_on_one_interface("ttyUSB21", 1),
]

BOARD = [
    uart("ttyAMA0", hwid="fe201000.serial", location="fe201000.serial", driver="uart-pl011"),
    uart("ttyS0", hwid="fe215040.serial", location="fe215040.serial", driver="bcm2835-aux-uart"),
    usb(
        "ttyUSB0",
        vid=0x0403,
        pid=0x6001,
        serial_number="A50285BI",
        manufacturer="FTDI",
        product="FT232R USB UART",
        interface="FT232R USB UART",
        location="1-1.2",
        hwid="USB VID:PID=0403:6001 SER=A50285BI LOCATION=1-1.2",
        driver="ftdi_sio",
        by_id=f"{ID}usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
        by_path=f"{PATH}platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-port0",
    ),
]

UARTS = [
    *(pci_uart(f"ttyS{number}", "0000:05:00.0", "13A8:0354", "exar_serial") for number in range(4, 8)),
    uart("ttyS8", hwid="dw-apb-uart.2", location="dw-apb-uart.2", driver="dw-apb-uart"),
    uart(
        "ttySC0",
        description="SPI serial port",
        transport="spi",
        hwid="spi0.0",
        location="spi0.0",
        driver="sc16is7xx",
    ),
]

VIRTUAL = [
    virtual("gsmtty1", "virtual", "GSM 07.10 channel"),
    virtual("hvc0", "virtual", "Hypervisor console"),
    # Connected through a USB adapter, whose ids are not the port's.
    virtual(
        "rfcomm0",
        "bluetooth",
        "Bluetooth serial port",
        location="00:1A:7D:DA:71:14",
        hwid="BLUETOOTH ADDRESS=00:1A:7D:DA:71:14 CHANNEL=3",
    ),
    virtual(
        "rfcomm1",
        "bluetooth",
        "Bluetooth serial port",
        location="00:1A:7D:DA:71:13",
        hwid="BLUETOOTH ADDRESS=00:1A:7D:DA:71:13 CHANNEL=1",
    ),
    virtual("ttyGS0", "gadget", "USB gadget serial port"),
]

DRIVERS = [
    # Connected, so that it stands on a device of the class bluetooth.
    VIRTUAL[2],
    virtual("ttyDa000", "virtual", "Serial port", driver="Digi RealPort Driver"),
    virtual("ttyVS0", "virtual", "Serial port", driver="tty_vs"),
    virtual("ttyr00", "virtual", "Serial port", driver="npreal2"),
    virtual("ttyr01", "virtual", "Serial port", driver="npreal2"),
    *(
        uart(
            f"wwan0at{number}",
            description="Modem port for AT commands",
            transport="mhi",
            hwid="mhi0",
            location="mhi0",
            driver="mhi_wwan_ctrl",
        )
        for number in range(2)
    ),
    usb(
        "wwan1at0",
        vid=0x12D1,
        pid=0x1573,
        serial_number="M1",
        product="Modem",
        description="Modem port for AT commands",
        location="1-3",
        hwid="USB VID:PID=12D1:1573 SER=M1 LOCATION=1-3:1.4",
        driver="cdc_wdm",
        interface_number=4,
    ),
    virtual("wwan2at0", "virtual", "Modem port for AT commands"),
]

EXPECTED = {
    "linux-6.1": RECORDED,
    "linux-6.12": RECORDED,
    "usb": USB,
    "board": BOARD,
    "uarts": UARTS,
    "virtual": VIRTUAL,
    "drivers": DRIVERS,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_field_of_every_port(make_tree: MakeTree, name: str) -> None:
    found = Sysfs(make_tree(name)).list_ports()
    assert [asdict(port) for port in found] == [asdict(port) for port in EXPECTED[name]]


@pytest.mark.parametrize("name", EXPECTED)
def test_one_port_is_described_as_in_the_list(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    for port in EXPECTED[name]:
        assert port.name is not None
        assert Sysfs(tree).describe(port.name) == port


@pytest.mark.parametrize("name", EXPECTED)
def test_the_node_tells_the_port(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    tree.put("/dev/null : 1:3")
    for path in tree.numbers:
        found = [port for port in EXPECTED[name] if port.device == path and port.present]
        assert [port for port in [Sysfs(tree).port_info_for(path)] if port is not None] == found


def test_where_the_kernels_list_is_kept_from_us_the_ports_of_known_drivers_are_listed(make_tree: MakeTree) -> None:
    tree = make_tree("drivers")
    (tree.root / "proc/tty/drivers").unlink()
    assert Sysfs(tree).list_ports() == [port for port in DRIVERS if "tty" not in str(port.name)]


def test_a_class_that_may_not_be_listed_is_no_empty_list(make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    tree = make_tree("usb")
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError):
        Sysfs(tree).list_ports()


@pytest.mark.parametrize("name", EXPECTED)
def test_no_node_is_opened(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    Sysfs(tree).list_ports()
    assert tree.opened
    assert all(path.startswith("/sys/") or path == "/proc/tty/drivers" for path in tree.opened)


@pytest.mark.parametrize("name", ["linux-6.1", "linux-6.12"])
def test_without_udev_the_names_are_what_udev_gave(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    for link in (tree.root / "dev/serial").glob("*/*"):
        link.unlink()
    assert Sysfs(tree).list_ports() == EXPECTED[name]


def test_the_links_win_over_the_computed_names(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    tree.put(f"{ID}usb-my-own-name -> ../../ttyUSB2")
    port = Sysfs(tree).describe("ttyUSB2")
    assert port is not None
    assert port.by_id == f"{ID}usb-my-own-name"


def test_a_path_that_udev_left_behind_is_not_the_ports(make_tree: MakeTree) -> None:
    # Seen on a host whose udev was slower than the hand that unplugged.
    tree = make_tree("usb")
    tree.put(f"{PATH}pci-0000:00:14.0 -> ../../ttyUSB2")
    assert Sysfs(tree).list_ports() == USB
    tree.put(f"{USB[4].by_path} -> ../../ttyUSB2")
    assert Sysfs(tree).list_ports() == USB


def test_of_several_links_the_one_by_udevs_rules_is_taken(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    tree.put(f"{ID}a-name -> ../../ttyUSB2")
    tree.put(f"{USB[4].by_id} -> ../../ttyUSB2")
    assert Sysfs(tree).list_ports() == USB
    # Rules of another udev, whose paths are others.
    tree.put(f"{PATH}soc-usb-0:7:1.0 -> ../../ttyUSB2")
    port = Sysfs(tree).describe("ttyUSB2")
    assert port is not None
    assert port.by_path == f"{PATH}soc-usb-0:7:1.0"


def test_a_usb_device_on_no_known_bus_has_no_path(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    for path in ("", "/0000:00:14.0"):
        (tree.root / f"sys/devices/pci0000:00{path}/subsystem").unlink(missing_ok=True)
    assert [port.by_path for port in Sysfs(tree).list_ports()] == [None] * len(USB)


@pytest.mark.parametrize("name", ["1a86_USB_Serial", "Prolific_Technology_Inc._USB-Serial_Controller"])
@pytest.mark.parametrize("linked", ["both", "one", "none"])
def test_a_name_that_two_devices_share_is_no_name_whichever_of_them_udev_gave_it_to(
    make_tree: MakeTree, name: str, linked: str
) -> None:
    tree = make_tree("usb")
    if linked != "none":
        tree.put(f"{ID}usb-{name}-if00-port0 -> ../../ttyUSB{4 if name.startswith('1a86') else 10}")
    if linked == "both":
        # A rule of the user's own tells them apart.
        tree.put(f"{ID}the-left-one -> ../../ttyUSB3")
        expected = [replace(port, by_id=f"{ID}the-left-one") if port.name == "ttyUSB3" else port for port in USB]
    else:
        expected = USB
    assert Sysfs(tree).list_ports() == expected
    for port in expected:
        assert Sysfs(tree).describe(str(port.name)) == port


def test_a_serial_number_that_only_udev_takes_for_the_same_is_shared(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    for place in tree.root.rglob("1-1.4.[34]/serial"):
        place.write_text("SAME 1\n" if place.parent.name.endswith("3") else "SAME_1\n")
    found = {port.name: port for port in Sysfs(tree).list_ports()}
    for name in ("ttyUSB10", "ttyUSB11"):
        assert found[name].by_id is None
        assert Sysfs(tree).describe(name) == found[name]


def test_udev_names_no_port_of_another_driver(make_tree: MakeTree) -> None:
    # 60-serial.rules is for ttyUSB and ttyACM alone: a name that no udev will make identifies nothing.
    tree = make_tree("usb")
    place = next(tree.root.rglob("1-1.3:1.0/tty/ttyACM0"))
    place.rename(place.with_name("ttyXRUSB0"))
    target = str((tree.root / "sys/class/tty/ttyACM0").readlink()).replace("ttyACM0", "ttyXRUSB0")
    tree.remove("/sys/class/tty/ttyACM0")
    tree.put(f"/sys/class/tty/ttyXRUSB0 -> {target}")
    port = Sysfs(tree).describe("ttyXRUSB0")
    assert port is not None
    assert (port.vid, port.by_id, port.by_path) == (0x2341, None, None)
    tree.put(f"{ID}my-arduino -> ../../ttyXRUSB0")
    port = Sysfs(tree).describe("ttyXRUSB0")
    assert port is not None
    assert port.by_id == f"{ID}my-arduino"


def test_no_tty_class_is_no_ports(make_tree: MakeTree) -> None:
    assert Sysfs(make_tree()).list_ports() == []


@pytest.mark.parametrize("name", EXPECTED)
def test_a_device_that_vanishes_at_any_moment_is_left_out_as_a_whole(make_tree: MakeTree, name: str) -> None:
    """Take every port away before the first, second, third... access of the walk.

    A plain run takes each away at every third access, beginning with another one from port to port.
    """
    tree = make_tree(name)
    expected = EXPECTED[name]
    stride = 1 if os.environ.get("ANYSERIAL_STRESS") == "full" else 3
    for number, port in enumerate(expected):
        step = 1 + number % stride
        while (left := _list_without(tree, str(port.name), step)) is not None:
            # The device is in the list with all it has, or it is not. Its twin may now
            # have the by-id name that both had to do without.
            assert [replace(other, by_id=None) for other in left if other.name == port.name] in (
                [],
                [replace(port, by_id=None)],
            )
            assert [other.name for other in left if other.name != port.name] == [
                other.name for other in expected if other != port
            ]
            step += stride
        assert step > stride


def _list_without(tree: Any, name: str, step: int) -> list[PortInfo] | None:
    """List, with one port taken away at one access; None when the walk was over before."""
    count = 0
    link = next(place for place in tree.root.glob(f"sys/class/*/{name}"))
    target = str(link.readlink())
    path = "/sys" + target.removeprefix("../..")
    device = path if "/virtual/" in path or "/tty/" not in path else path.rpartition("/tty/")[0]

    def before(_: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            link.unlink()

    tree.before = before

    def hidden(path: str) -> bool:
        return count >= step and (path.startswith(device) or path.endswith(f"/{name}"))

    tree.hidden = hidden
    try:
        found = Sysfs(tree).list_ports()
    finally:
        if count >= step:
            link.symlink_to(target)
    return found if count >= step else None


def test_a_device_that_is_replaced_during_the_walk_is_not_mixed_up(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    link = tree.root / "sys/class/tty/ttyUSB2"

    def replace_it(path: str) -> None:
        if path.endswith("1-1.2/product"):
            link.unlink()
            link.symlink_to("../../devices/pci0000:00/0000:00:14.0/usb1/1-9/1-9:1.0/ttyUSB2/tty/ttyUSB2")

    tree.before = replace_it
    assert "ttyUSB2" not in [port.name for port in Sysfs(tree).list_ports()]


@pytest.mark.parametrize(
    "path", ["/dev/ttyUSB0", "/dev/mine", "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"]
)
def test_port_info_through_links(make_tree: MakeTree, path: str) -> None:
    tree = make_tree("board")
    tree.put("/dev/mine -> ttyUSB0")
    assert Sysfs(tree).port_info_for(path) == BOARD[2]


def give(tree: Any, nodes: dict[str, str]) -> None:
    """Make the tree a container that was given these nodes, by the names that they have in the host."""
    numbers = {path: tree.numbers[own] for path, own in nodes.items()}
    for path in list(tree.numbers):
        tree.remove(path)
    for path, (major, minor) in numbers.items():
        tree.put(f"{path} : {major}:{minor}")


@pytest.mark.parametrize(
    "nodes",
    [
        {"/dev/ttyUSB1": "/dev/ttyUSB1"},
        # docker run --device /dev/ttyUSB1:/dev/ttyUSB0
        {"/dev/ttyUSB0": "/dev/ttyUSB1"},
        {"/dev/modem": "/dev/ttyUSB1"},
        {"/dev/serial/modem": "/dev/ttyUSB1"},
        {"/dev/ttyUSB0": "/dev/ttyUSB1", "/dev/ttyUSB1": "/dev/ttyUSB0"},
        {"/dev/ttyUSB0": "/dev/null", "/dev/ttyUSB1": "/dev/ttyUSB1"},
        {"/dev/ttyUSB3": "/dev/ttyUSB3", "/dev/ttyUSB30": "/dev/ttyUSB3", "/dev/a": "/dev/ttyUSB3"},
    ],
    ids=lambda nodes: ",".join(f"{path}={own}" for path, own in nodes.items()),
)
def test_in_a_container_a_nodes_number_says_whose_it_is(make_tree: MakeTree, nodes: dict[str, str]) -> None:
    tree = make_tree("usb")
    tree.put("/dev/null : 1:3")
    give(tree, nodes)
    own = {port.device: port for port in USB}
    found = Sysfs(tree).list_ports()
    # The port's own name first, then the first by name; those that were not given are known and not here.
    given = {own[name].name: path for path, name in sorted(nodes.items(), reverse=True) if name in own}
    given |= {own[name].name: path for path, name in nodes.items() if name in own and path == name}
    assert {port.name: port.device for port in found if port.present} == given
    assert sorted(map(str, (port.name for port in found))) == sorted(map(str, (port.name for port in USB)))
    for port in found:
        assert replace(port, device="", present=True) == replace(own[f"/dev/{port.name}"], device="", present=True)
        assert Sysfs(tree).describe(str(port.name)) == port
        if port.present:
            assert Sysfs(tree).port_info_for(port.device) == port
            # Found by what it is, never by another's name.
            filters: dict[str, Any] = {"location": port.location, "interface_number": port.interface_number}
            if port.vid != 0x0451:  # whose two ports share these
                assert Filters(tree, **filters).first(found) == port
            assert Filters(tree, device=port.device).first(found) == port


def test_port_info_of_a_node_under_another_name(make_tree: MakeTree) -> None:
    # As in a container that was given the device under a name of its own.
    tree = make_tree("usb")
    tree.put("/dev/modem : 166:1")
    tree.put("/sys/dev/char/166:1x -> nowhere")
    assert Sysfs(tree).port_info_for("/dev/modem") == replace(USB[1], device="/dev/modem", present=True)


@pytest.mark.parametrize("path", ["/dev/ptmx", "/dev/tty1", "/dev/gone", "/dev/pts/0", "", "\0"])
def test_no_port_info_of_what_is_no_port(make_tree: MakeTree, path: str) -> None:
    tree = make_tree("virtual")
    tree.put("/dev/pts/0 : 136:0")
    if "\0" in path:
        tree.numbers = {}
    assert Sysfs(tree).port_info_for(path.replace("\0", "")) is None


@pytest.mark.parametrize("broken", ["", "zz", "\x00"])
def test_a_garbled_attribute_leaves_the_port_out(make_tree: MakeTree, broken: str) -> None:
    tree = make_tree("board")
    place = next((tree.root / "sys/devices/platform").rglob("1-1.2/idVendor"))
    place.write_text(broken)
    assert Sysfs(tree).list_ports() == BOARD[:2]


def test_text_that_is_not_utf8_is_kept_readable(make_tree: MakeTree) -> None:
    tree = make_tree("board")
    place = next((tree.root / "sys/devices/platform").rglob("1-1.2/manufacturer"))
    place.write_bytes(b"\xff\xfeFTDI\n")
    assert Sysfs(tree).list_ports()[2].manufacturer == "\ufffd\ufffdFTDI"
