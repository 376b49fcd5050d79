"""Discovery: every field of every adapter, against what sysfs says and what was plugged in."""

import ctypes.util
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anyio
import anyserial.sync
import anyserial_discovery
import pytest
from anyserial import (
    PortEvent,
    PortInfo,
    PortNotFoundError,
    canonical_port_name,
    find_serial_port,
    list_serial_ports,
    open_serial_port,
    watch_serial_ports,
)
from dual_acm import IDENTITY, dual_acm
from serial_links import Link
from udev import running_udev
from usb_gadget import Gadget, Identity, load
from usb_links import UsbLink

pytestmark = pytest.mark.anyio

BY_ID, BY_PATH = "/dev/serial/by-id", "/dev/serial/by-path"
USB = ("ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
MACHINE = ("8250", *USB)
# Where the name that a driver gives itself is not that of its module.
DRIVERS = {"8250": "serial", "ch341": "ch341-uart"}
PCI_UART = "1B36:0002"  # QEMU's pci-serial
# What the USB host of the machine is, as udev says it.
PLATFORM = "platform-dummy_hcd"


@pytest.fixture
def udev() -> Iterator[None]:
    with running_udev():
        yield


def expected(link: Link) -> PortInfo:
    """What is to be known of the port under test."""
    name = Path(link.path).name
    if not isinstance(link, UsbLink):
        slot = Path("/sys/class/tty", name).resolve().relative_to("/sys/devices/pci0000:00").parts[0]
        return PortInfo(
            device=link.path,
            name=name,
            description="PCI UART",
            hwid=f"PCI VID:PID={PCI_UART} LOCATION={slot}",
            location=slot,
            driver=DRIVERS[link.driver],
            transport="pci",
        )
    # .../dummy_hcd.0/usb1/1-1/1-1:1.0/...
    host, _, location, interface = Path("/sys/class/tty", name).resolve().relative_to("/sys/devices/platform").parts[:4]
    who = link.identity
    ids, number = f"{who.vid:04X}:{who.pid:04X}", host.removeprefix("dummy_hcd.")
    words = f"{who.manufacturer} {who.product} {who.serial_number}".replace(" ", "_")
    # A usb-serial driver counts the ports of an interface; a modem has two interfaces for one port.
    port, place = ("", interface) if link.driver == "cdc_acm" else ("-port0", location)
    return PortInfo(
        device=link.path,
        name=name,
        description=who.product,
        hwid=f"USB VID:PID={ids} SER={who.serial_number} LOCATION={place}",
        vid=who.vid,
        pid=who.pid,
        serial_number=who.serial_number,
        manufacturer=who.manufacturer,
        product=who.product,
        location=location,
        # What f_acm calls itself; the chips' interfaces have no name.
        interface="CDC Abstract Control Model (ACM)" if link.driver == "cdc_acm" else None,
        driver=DRIVERS.get(link.driver, link.driver),
        transport="usb",
        interface_number=0,
        by_id=f"{BY_ID}/usb-{words}-if00{port}",
        by_path=f"{BY_PATH}/{PLATFORM}.{number}-usb-0:1:1.0{port}",
    )


async def test_a_port_knows_what_discovery_knows(link: Link) -> None:
    info = await find_serial_port(device=link.path)
    async with await open_serial_port(link.path) as port:
        assert port.port_info == info
    if info is not None:  # of a pty, say
        assert info.device == canonical_port_name(link.path)
        assert info in await list_serial_ports()
        async with await open_serial_port(info) as port:
            assert port.port_info is info


@pytest.mark.drivers(*MACHINE)
async def test_every_field(link: Link) -> None:
    [info] = [port for port in await list_serial_ports() if port.device == link.path]
    assert asdict(info) == asdict(expected(link))
    assert anyserial.sync.find_serial_port(device=link.path) == info


@pytest.mark.drivers("8250", "cdc_acm")
async def test_what_is_listed_and_what_is_not(link: Link) -> None:
    types = {path.name: int((path / "type").read_text()) for path in Path("/sys/class/tty").glob("ttyS*")}
    listed = {port.name: port for port in await list_serial_ports()}
    assert 0 in types.values(), "the machine has a name without a UART"
    assert {name: name in listed for name in types} == {name: kind != 0 for name, kind in types.items()}
    assert all(port.present and Path(port.device).is_char_device() for port in listed.values())
    # The far side of a gadget is a port of this machine too; a terminal is none.
    gadget_ports = {path.name for path in Path("/sys/class/tty").glob("ttyGS*")}
    assert {name for name, port in listed.items() if port.transport == "gadget"} == gadget_ports
    assert bool(gadget_ports) == (link.driver == "cdc_acm")
    assert not {"tty", "tty0", "tty1", "console", "ptmx"} & listed.keys()


@pytest.mark.drivers("8250")
async def test_what_the_kernel_took_away_is_not_listed(link: Link) -> None:
    path = link.path
    link.unplug()
    # The kernel has the name again, and nothing behind it.
    assert Path(path).is_char_device()
    assert await find_serial_port(device=path) is None
    link.plug()
    assert await find_serial_port(device=path) == expected(link)


@pytest.mark.drivers(*USB)
async def test_a_device_without_a_node_is_listed_as_such(link: Link) -> None:
    node, number = Path(link.path), Path(link.path).stat().st_rdev
    named = node.with_name("modem")
    node.unlink()
    try:
        info = await find_serial_port(device=str(node))
        assert info == replace(expected(link), present=False)
        assert info is not None
        with pytest.raises(PortNotFoundError):
            await open_serial_port(info)
        with pytest.raises(PortNotFoundError, match="this system has no node of it"):
            anyserial_discovery.locate(info)
        # Under another name, as in a container that was given it under that name.
        async with watch_serial_ports() as events:
            present = [await anext(events) for port in await list_serial_ports() if port.present]
            assert link.path not in {event.port.device for event in present}
            os.mknod(named, 0o600 | stat.S_IFCHR, number)
            info = replace(expected(link), device=str(named))
            with anyio.fail_after(5):
                assert await anext(events) == PortEvent(kind="added", port=info)
            assert await find_serial_port(serial_number=info.serial_number) == info
            assert await find_serial_port(device=named) == info
            assert await find_serial_port(device=node) is None
            assert anyserial_discovery.locate(expected(link)) == info
            async with await open_serial_port(named) as port:
                assert port.port_info == info
            named.unlink()
            with anyio.fail_after(5):
                assert await anext(events) == PortEvent(kind="removed", port=info)
    finally:
        named.unlink(missing_ok=True)
        # The kernel removes only the nodes that it made: one of this test's own would outlive every unplug.
        link.unplug()
        link.plug()


@pytest.mark.drivers(*MACHINE)
async def test_every_filter_finds_it_and_a_wrong_one_does_not(link: Link, tmp_path: Path) -> None:
    info = expected(link)
    shortcut = tmp_path / "instrument"
    shortcut.symlink_to(link.path)
    names = ("vid", "pid", "serial_number", "location", "interface_number", "manufacturer", "product")
    filters: dict[str, Any] = {name: value for name in names if (value := getattr(info, name)) is not None}
    for name, value in filters.items():
        assert await find_serial_port(**{name: value}) == info, name
        wrong: Any = value + 1 if isinstance(value, int) else f"{value}x"
        assert await find_serial_port(**{**filters, name: wrong}) is None, name
    assert await find_serial_port(**filters) == info
    for device in (link.path, Path(link.path), shortcut, info.by_id, info.by_path):
        if device is not None:
            assert await find_serial_port(device=device) == info
            assert await find_serial_port(device=device, vid=0xFFFF) is None


@pytest.mark.drivers("cdc_acm")
async def test_the_ports_of_one_device_differ(link: Link) -> None:
    with dual_acm() as (gadget, *paths):
        first, second = [port for port in await list_serial_ports() if port.device in paths]
        assert [first.device, second.device] == paths
        for port, number in ((first, 0), (second, 2)):
            assert (port.vid, port.pid, port.product) == (IDENTITY.vid, IDENTITY.pid, IDENTITY.product)
            assert port.serial_number == gadget.identity.serial_number
            assert port.interface_number == number
            # udev takes what a file name should not have for an underscore.
            assert port.by_id == f"{BY_ID}/usb-Anyserial_Dual_modem__2_ports_ANYSERIAL_DUAL_{gadget.number}-if0{number}"
            assert port.by_path == f"{BY_PATH}/{PLATFORM}.{gadget.number}-usb-0:1:1.{number}"
            assert port.hwid is not None
            assert port.hwid.endswith(f"LOCATION={port.location}:1.{number}")
            assert await find_serial_port(serial_number=port.serial_number, interface_number=number) == port
        same = replace(second, device=first.device, name=first.name, hwid=first.hwid, interface_number=0,
                       by_id=first.by_id, by_path=first.by_path)  # fmt: skip
        assert same == first
        with running_udev():
            assert [port for port in await list_serial_ports() if port.device in paths] == [first, second]
            for port in (first, second):
                assert port.by_id is not None
                assert canonical_port_name(port.by_id) == port.device


# The same device again


@pytest.mark.drivers("cdc_acm")
async def test_a_port_is_found_again_when_another_has_its_name(link: Link) -> None:
    info = await find_serial_port(device=link.path)
    assert info is not None
    assert anyserial_discovery.locate(info) is info
    link.unplug()
    with dual_acm() as (gadget, first, _):
        assert first == info.device
        with pytest.raises(PortNotFoundError) as caught:
            anyserial_discovery.locate(info)
        text = str(caught.value)
        assert f"serial number {info.serial_number}) is not plugged in: {first} is now {IDENTITY.product}" in text
        assert str(gadget.identity.serial_number) in text
        link.plug()
        assert link.path != info.device
        found = anyserial_discovery.locate(info)
        assert found == replace(info, device=link.path, name=Path(link.path).name)
    # The name is free again, and nothing is at it.
    assert anyserial_discovery.locate(info) == found
    link.unplug()
    with pytest.raises(PortNotFoundError, match=r"'/dev/ttyACM.*serial number .*\) is not plugged in"):
        anyserial_discovery.locate(info)
    link.plug()
    assert anyserial_discovery.locate(found).device == link.path


@contextmanager
def modem(manufacturer: str, product: str, serial_number: str) -> Generator[str]:
    """Plug in a modem that calls itself so, for the length of a block; its node."""
    load("usb_f_acm", "cdc_acm")
    gadget = Gadget(Identity(0x1D6B, 0x0106, 0x0100, manufacturer, product, "S"), "acm")
    try:
        (gadget.function.parent.parent / "strings/0x409/serialnumber").write_text(serial_number)
        yield gadget.plug("tty/ttyACM*")
    finally:
        gadget.close()


@pytest.mark.drivers("cdc_acm")
async def test_two_devices_with_one_serial_number(link: Link) -> None:
    with modem("Anyserial", "Twin", "0001") as first, modem("Anyserial", "Twin", "0001") as second:
        expected_name = f"{BY_ID}/usb-Anyserial_Twin_0001-if00"
        for context in (nullcontext(), running_udev()):
            with context:
                twins = [port for port in await list_serial_ports() if port.device in {first, second}]
                assert [(port.serial_number, port.by_id) for port in twins] == [("0001", None)] * 2
                assert await find_serial_port(device=first) in twins
                assert [anyserial_discovery.locate(port) for port in twins] == twins
                # Which of the two udev linked is nobody's identity, but it is a path to that one.
                if Path(BY_ID).exists():
                    assert Path(expected_name).exists()
                    assert await find_serial_port(device=expected_name) in twins
        with pytest.raises(PortNotFoundError, match=r"2 ports may be .*they cannot be told apart"):
            anyserial_discovery.locate(replace(twins[0], location="9-9", by_id=expected_name))


# Names


@pytest.mark.drivers("cdc_acm")
@pytest.mark.parametrize(
    ("manufacturer", "product"),
    [
        ("M" * 80, "P" * 63 + " and more"),
        ("m" * 62 + "\u00fc", " p \t" + "\u00fc" * 31 + "x"),
        (r"a\x20b \y", r"\xzz/\\x"),
        ("no\u00a0break", "\u65e5\u672c\u8a9e \U0001f600"),
        ("A\x1b[2J\vB", " \v v"),
    ],
)
async def test_unusual_names_are_those_that_udev_gives(link: Link, manufacturer: str, product: str) -> None:
    with modem(manufacturer, product, "n 1") as device:
        [computed] = [port for port in await list_serial_ports() if port.device == device]
        with running_udev():
            [linked] = [str(path) for path in Path(BY_ID).iterdir() if str(path.resolve()) == device]
            assert computed.by_id == linked
            assert await find_serial_port(device=device) == computed


@pytest.mark.drivers(*USB)
async def test_the_names_are_those_that_udev_gives(link: Link, udev: None) -> None:
    info = expected(link)
    for directory, path in ((BY_ID, info.by_id), (BY_PATH, info.by_path)):
        assert path is not None
        # A newer udev has a second path, which names the USB revision.
        assert path in {str(found) for found in Path(directory).iterdir() if found.resolve() == Path(link.path)}
        assert canonical_port_name(path) == link.path
        assert await find_serial_port(device=path) == info
        async with await open_serial_port(path) as port:
            assert (port.path, port.port_info) == (path, info)
            await port.send(b"by name")
            assert link.receive(7) == b"by name"
        with anyserial.sync.open_serial_port(Path(path)) as blocking:
            assert (blocking.path, blocking.port_info) == (path, info)
    assert await find_serial_port(device=link.path) == info


@pytest.mark.drivers("8250")
async def test_udev_has_no_names_for_uarts(link: Link, udev: None) -> None:
    assert await find_serial_port(device=link.path) == expected(link)


@pytest.mark.drivers("ftdi_sio")
async def test_without_udev_a_name_identifies_and_does_not_open(link: Link) -> None:
    info = expected(link)
    assert info.by_id is not None
    assert not Path(BY_ID).exists()
    assert canonical_port_name(info.by_id) == info.by_id
    assert await find_serial_port(device=info.by_id) == info
    with pytest.raises(PortNotFoundError) as caught:
        await open_serial_port(info.by_id)
    assert caught.value.filename == info.by_id


# Other libraries


@pytest.mark.drivers(*MACHINE)
async def test_libudev_knows_the_same(link: Link) -> None:
    if ctypes.util.find_library("udev") is None:
        pytest.skip("no libudev here")
    info = expected(link)
    native = {port.device: replace(port, by_id=None, by_path=None) for port in await list_serial_ports()}
    assert {port.device: port for port in await list_serial_ports(backend="pyudev")} == native
    with running_udev():
        assert await find_serial_port(device=os.fspath(link.path), backend="pyudev") == info


@pytest.mark.drivers(*MACHINE)
async def test_pyserial_knows_less_and_nothing_else(link: Link) -> None:
    info = expected(link)
    found = await find_serial_port(device=link.path, backend="pyserial")
    assert found is not None
    told = {name: value for name, value in asdict(found).items() if value is not None}
    assert told.items() <= asdict(info).items()
    if link.driver != "8250":
        missing = asdict(info).keys() - told.keys() - {name for name, value in asdict(info).items() if value is None}
        several = {"interface_number"} if link.driver != "cdc_acm" else set[str]()
        assert missing == {"driver", "by_id", "by_path"} | several
