"""Finding a port again: the adapters of recorded trees, unplugged and plugged in elsewhere."""

import errno
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyserial_discovery
import pytest
from anyserial.discovery import PortInfo
from anyserial.exceptions import PortNotFoundError, UnsupportedPlatformError
from anyserial_discovery import _platform
from anyserial_discovery._identity import locate
from anyserial_discovery._linux import Sysfs

type MakeTree = Callable[..., Any]

FTDI = PortInfo(
    device="/dev/ttyUSB0",
    name="ttyUSB0",
    description="FT232R USB UART",
    hwid="USB VID:PID=0403:6001 SER=A LOCATION=1-1",
    vid=0x0403,
    pid=0x6001,
    serial_number="A",
    location="1-1",
    driver="ftdi_sio",
    transport="usb",
    interface_number=0,
    by_id="/dev/serial/by-id/usb-FTDI_A-if00-port0",
    by_path="/dev/serial/by-path/pci-0-usb-0:1:1.0-port0",
)
NO_SERIAL = replace(
    FTDI,
    description="USB Serial",
    vid=0x1A86,
    pid=0x7523,
    serial_number=None,
    hwid="USB VID:PID=1A86:7523 LOCATION=1-1",
    by_id="/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0",
)
# What two adapters with one serial number are told by: they have no by-id name.
TWIN = replace(FTDI, by_id=None)
CARD = PortInfo(
    device="/dev/ttyS4",
    name="ttyS4",
    description="PCI UART",
    hwid="PCI VID:PID=13A8:0354 LOCATION=0000:05:00.0",
    location="0000:05:00.0",
    driver="exar_serial",
    transport="pci",
)
GADGET = PortInfo(device="/dev/ttyGS0", name="ttyGS0", description="USB gadget serial port", transport="gadget")
DUAL = [
    replace(
        FTDI,
        device=f"/dev/ttyUSB2{unit}",
        name=f"ttyUSB2{unit}",
        by_id=f"/dev/serial/by-id/usb-TI-if00-port{unit}",
        by_path=f"/dev/serial/by-path/pci-0-usb-0:1:1.0-port{unit}",
    )
    for unit in range(2)
]


def at(port: PortInfo, number: int, location: str | None = None, **changes: Any) -> PortInfo:
    """The port under another number, and in another socket."""
    name = f"{str(port.name).rstrip('0123456789')}{number}"
    moved = replace(port, device=f"/dev/{name}", name=name, **changes)
    if location is None:
        return moved
    by_path = None if port.by_path is None else port.by_path.replace("0:1:1.0", f"0:{location[2:]}:1.0")
    hwid = None if port.hwid is None else port.hwid.replace(str(port.location), location)
    return replace(moved, location=location, by_path=by_path, hwid=hwid)


def look(wanted: PortInfo, present: list[PortInfo]) -> PortInfo:
    """Find a port among those that are there."""
    nodes = {port.device: port for port in present if port.present}
    return locate(wanted, lambda path, _: nodes.get(path), lambda: present)


OTHER = replace(FTDI, serial_number="B", hwid="USB VID:PID=0403:6001 SER=B LOCATION=1-1", by_id="/dev/serial/by-id/b")

FOUND: list[tuple[str, PortInfo, list[PortInfo], int]] = [
    ("nothing has changed", FTDI, [FTDI, at(OTHER, 1, "1-2")], 0),
    ("plugged in the other way round", FTDI, [OTHER, at(FTDI, 1, "1-2")], 1),
    ("another number in its socket", FTDI, [at(OTHER, 0, "1-2"), at(FTDI, 1)], 1),
    ("another socket, the same number", FTDI, [at(FTDI, 0, "1-2")], 0),
    ("its name was shared once the twin came", FTDI, [replace(FTDI, by_id=None), at(TWIN, 1, "1-2")], 0),
    ("its socket is named by a newer udev", FTDI, [replace(FTDI, by_path="/dev/serial/by-path/new-port0")], 0),
    ("a container has its node under another name", FTDI, [replace(FTDI, device="/dev/modem")], 0),
    ("its name is another port's node", at(FTDI, 0), [replace(OTHER, device="/dev/ttyUSB0", name="ttyUSB1"),
                                                      replace(FTDI, device="/dev/modem")], 1),
    ("without a serial number, in its socket", NO_SERIAL, [at(NO_SERIAL, 0, "1-2"), at(NO_SERIAL, 1)], 1),
    ("a twin, in its socket", TWIN, [at(TWIN, 0, "1-2"), at(TWIN, 1)], 1),
    ("twins that were told when both were there, one left", TWIN, [at(FTDI, 1)], 0),
    ("the second port of an interface", DUAL[1], [at(DUAL[0], 21), at(DUAL[1], 22)], 1),
    ("the second port, in another socket", DUAL[1], [at(DUAL[0], 21, "1-2"), at(DUAL[1], 22, "1-2")], 1),
    ("another interface", replace(FTDI, interface_number=1), [FTDI, at(FTDI, 1, interface_number=1)], 1),
    ("a port of a card", CARD, [CARD, at(CARD, 5)], 0),
    ("the port of a card that was numbered again", CARD, [at(CARD, 7)], 0),
    ("a port without a location", GADGET, [GADGET, at(GADGET, 1)], 0),
    ("by hand, with a serial number", PortInfo(device="/dev/ttyUSB7", serial_number="A"), [OTHER, at(FTDI, 1)], 1),
    ("by hand, with ids, at that path", PortInfo(device="/dev/ttyUSB0", vid=0x0403, pid=0x6001), [OTHER], 0),
    ("as pySerial describes it", replace(FTDI, by_id=None, by_path=None, driver=None, name="ttyUSB0"),
     [OTHER, at(FTDI, 1, "1-2")], 1),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "present", "index"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_the_port_is_found_at_the_node_that_it_has_now(wanted: PortInfo, present: list[PortInfo], index: int) -> None:
    assert look(wanted, present) is present[index]
    # However old, and wherever it was kept.
    assert look(pickle.loads(pickle.dumps(wanted)), present) is present[index]  # noqa: S301


CALLED = "FT232R USB UART (0403:6001, serial number A)"
NOT_FOUND: list[tuple[str, PortInfo, list[PortInfo], str]] = [
    ("gone", FTDI, [], f"{CALLED} is not plugged in"),
    (
        "another in its place",
        FTDI,
        [OTHER],
        f"{CALLED} is not plugged in: /dev/ttyUSB0 is now FT232R USB UART (0403:6001, serial number B)",
    ),
    (
        "another kind in its place",
        CARD,
        [replace(CARD, location="0000:06:00.0", hwid="PCI")],
        "PCI UART (at 0000:05:00.0) is not plugged in: /dev/ttyS4 is now PCI UART (at 0000:06:00.0)",
    ),
    ("a USB port where a UART was", CARD, [replace(FTDI, device="/dev/ttyS4")], "/dev/ttyS4 is now FT232R"),
    (
        "without a serial number, in another socket",
        NO_SERIAL,
        [at(NO_SERIAL, 0, "1-2")],
        "USB Serial (1a86:7523, at 1-1) is not plugged in: /dev/ttyUSB0 is now USB Serial (1a86:7523, at 1-2)",
    ),
    ("one with a serial number where one without was", NO_SERIAL, [replace(NO_SERIAL, serial_number="1")], "is now"),
    ("the twin alone", TWIN, [at(FTDI, 0, "1-2")], "is not plugged in: /dev/ttyUSB0 is now"),
    (
        "two twins in other sockets",
        FTDI,
        [at(TWIN, 0, "1-2"), at(TWIN, 1, "1-3")],
        f"2 ports may be {CALLED} (/dev/ttyUSB0 at 1-2, /dev/ttyUSB1 at 1-3): they cannot be told apart",
    ),
    (
        "by hand, with a serial number that two have",
        PortInfo(device="/dev/ttyUSB0", serial_number="A"),
        [TWIN, at(TWIN, 1, "1-2")],
        "they cannot be told apart",
    ),
    ("by hand, with other ids", PortInfo(device="/dev/ttyUSB0", vid=1, pid=2), [FTDI], "ttyUSB0 is now FT232R"),
    ("by hand, with ids, at another path", PortInfo(device="/dev/ttyUSB7", vid=0x0403, pid=0x6001), [FTDI], "is not"),
    ("no node here", FTDI, [replace(FTDI, present=False)], "is plugged in, but this system has no node of it"),
    ("the other interface", replace(FTDI, interface_number=1), [FTDI], "is now"),
    ("the other port of the interface", DUAL[1], [at(DUAL[0], 21)], "is not plugged in: /dev/ttyUSB21 is now"),
    ("several ports of a card, numbered again", CARD, [at(CARD, 7), at(CARD, 8)], "2 ports may be PCI UART"),
    ("a port without a location under another name", GADGET, [at(GADGET, 1)], "is not plugged in"),
    ("a name that would drive a terminal", replace(FTDI, serial_number="\x1b[2J\n"), [], r"serial number \x1b[2J\n)"),
]


@pytest.mark.parametrize(
    ("wanted", "present", "message"), [row[1:] for row in NOT_FOUND], ids=[r[0] for r in NOT_FOUND]
)
def test_what_may_be_another_port_is_not_taken_for_it(wanted: PortInfo, present: list[PortInfo], message: str) -> None:
    with pytest.raises(PortNotFoundError) as caught:
        look(wanted, present)
    assert message in str(caught.value.strerror)
    assert str(caught.value.strerror).isprintable()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, wanted.device)


@pytest.mark.parametrize("path", ["/dev/ttyUSB0", "/dev/serial/by-id/usb-x", "/dev/pts/3", "relative"])
def test_a_path_by_hand_is_that_path(path: str) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("nobody is asked")

    info = PortInfo(device=path)
    assert locate(info, never, never) is info
    named = PortInfo(device=path, name="x", description="mine")
    assert locate(named, never, never) is named


@pytest.mark.parametrize("name", ["usb", "board", "uarts", "virtual", "linux-6.12"])
def test_where_nothing_has_changed_only_the_node_is_looked_at(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    for port in Sysfs(tree).list_ports():
        if not port.present:
            continue
        tree.opened.clear()
        listed: list[str] = []

        def before(path: str, listed: list[str] = listed) -> None:
            listed.append(path)

        tree.before = before

        def never() -> Any:
            raise AssertionError("the ports are listed")

        assert locate(port, Sysfs(tree).port_info_for, never) is port
        others = {
            other for other in listed if other.startswith("/sys/class/tty/ttyU") and not other.endswith(str(port.name))
        }
        assert others == set()


def test_adapters_of_a_tree_that_changed_places(make_tree: MakeTree) -> None:
    tree = make_tree("linux-6.1")
    first, second = [port for port in Sysfs(tree).list_ports() if port.serial_number in {"RIG-USB0", "RIG-USB1"}]
    for number, device in (("0", "1-1"), ("1", "1-2")):
        place = next(tree.root.rglob(f"usb1/{device}/serial"))
        place.write_text(f"RIG-USB{1 - int(number)}\n")
    found = locate(first, Sysfs(tree).port_info_for, Sysfs(tree).list_ports)
    assert (found.device, found.serial_number, found.location) == ("/dev/ttyUSB1", "RIG-USB0", "1-2")
    assert locate(second, Sysfs(tree).port_info_for, Sysfs(tree).list_ports).device == "/dev/ttyUSB0"


def test_the_seam_asks_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> None:
        return

    monkeypatch.setattr(_platform, "resolver", lambda: nothing)
    monkeypatch.setattr(_platform, "lister", lambda: lambda: [at(FTDI, 3, "1-7")])
    assert anyserial_discovery.locate(FTDI).device == "/dev/ttyUSB3"
    with pytest.raises(PortNotFoundError, match="is not plugged in"):
        anyserial_discovery.locate(OTHER)


def test_on_a_platform_that_is_not_known_a_description_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Any:
        raise UnsupportedPlatformError("plan9")

    monkeypatch.setattr(_platform, "resolver", unknown)
    assert anyserial_discovery.locate(FTDI) is FTDI
