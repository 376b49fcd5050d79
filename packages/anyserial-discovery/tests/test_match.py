from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyserial_discovery
import pytest
from anyserial.discovery import PortInfo
from anyserial_discovery._match import Filters

ID = "/dev/serial/by-id/usb-FTDI_A-if00-port0"
A = PortInfo(
    device="/dev/ttyUSB0",
    vid=0x0403,
    pid=0x6010,
    serial_number="A",
    manufacturer="FTDI",
    product="Dual",
    location="1-1",
    interface_number=0,
    by_id=ID,
    by_path="/dev/serial/by-path/x-port0",
)
B = PortInfo(
    device="/dev/ttyUSB1",
    vid=0x0403,
    pid=0x6010,
    serial_number="A",
    manufacturer="FTDI",
    product="Dual",
    location="1-1",
    interface_number=1,
)
C = PortInfo(device="/dev/ttyS0", vid=None)
# What a container knows of and was not given, and the same where there is a node of it.
D = PortInfo(device="/dev/ttyUSB7", name="ttyUSB7", serial_number="D", location="1-7", present=False)
E = PortInfo(device="/dev/ttyUSB8", name="ttyUSB8", serial_number="D", location="1-8")
PORTS = [A, B, C, D, E]

FOUND: list[tuple[dict[str, Any], PortInfo | None]] = [
    ({}, A),
    ({"vid": None, "device": None}, A),
    ({"vid": 0x0403}, A),
    ({"vid": 0x0403, "interface_number": 1}, B),
    ({"interface_number": 0}, A),
    ({"vid": 0}, None),
    ({"vid": 0x0403, "pid": 0x6001}, None),
    ({"serial_number": "A", "location": "1-1", "manufacturer": "FTDI", "product": "Dual", "interface_number": 1}, B),
    ({"serial_number": "a"}, None),
    ({"device": "/dev/ttyS0"}, C),
    ({"device": Path("/dev/ttyS0")}, C),
    ({"device": "/dev/ttyS0", "vid": 0x0403}, None),
    # No such files here: the names are compared as they are.
    ({"device": ID}, A),
    ({"device": "/dev/serial/by-path/x-port0"}, A),
    ({"device": "ttyUSB0"}, None),
    ({"device": ""}, None),
    # The kernel's name, of a port that has one.
    ({"device": "ttyUSB7"}, D),
    ({"device": "ttyUSB7", "vid": 0x0403}, None),
    # One that has a node here comes before one that has none, unless that is the one asked for.
    ({"serial_number": "D"}, E),
    ({"serial_number": "D", "location": "1-7"}, D),
]


@pytest.mark.parametrize(("filters", "port"), FOUND)
def test_the_first_port_that_matches_everything(filters: dict[str, Any], port: PortInfo | None) -> None:
    assert Filters(**filters).first(PORTS) == port


def test_a_link_matches_the_node_that_it_leads_to(tmp_path: Path) -> None:
    node, link = tmp_path / "ttyX0", tmp_path / "usb-name"
    node.touch()
    link.symlink_to("ttyX0")
    port = PortInfo(device=str(node))
    assert Filters(device=link).first([A, port]) == port
    assert Filters(device=str(link)).first([A, port]) == port


@pytest.mark.parametrize(("filters", "port"), FOUND)
def test_each_port_is_asked_by_the_same_rules(filters: dict[str, Any], port: PortInfo | None) -> None:
    matches = anyserial_discovery.matcher(**filters)
    matching = [other for other in PORTS if matches(other)]
    assert (port in matching) if port is not None else matching == []


def test_a_node_is_matched_by_its_number(make_tree: Callable[..., Any]) -> None:
    tree = make_tree()
    tree.put("/dev/ttyUSB0 : 188:1")
    tree.put("/dev/modem : 188:1")
    # As in a container: the node of one port under the name of the other, and under a third.
    other = PortInfo(device="/dev/ttyUSB0", name="ttyUSB0", serial_number="0", present=False)
    port = PortInfo(device="/dev/ttyUSB0", name="ttyUSB1", serial_number="1")
    for device in ("/dev/ttyUSB0", "/dev/modem"):
        assert Filters(tree, device=device).first([other, port]) == port
        assert Filters(tree, device=device, serial_number="0").first([other, port]) is None
    assert Filters(tree, device="ttyUSB0").first([other, port]) == other
    assert Filters(tree, device="/dev/ttyUSB1").first([other, port]) is None


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"/dev/ttyS0"


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"vid": "0403"}, TypeError, "vid must be an int from 0 to 0xffff, not str '0403'"),
    ({"pid": 1.0}, TypeError, "pid must be an int from 0 to 0xffff, not float 1.0"),
    ({"vid": True}, TypeError, "vid must be an int from 0 to 0xffff, not bool True"),
    ({"vid": -1}, ValueError, "vid must be from 0 to 0xffff, not -0x1"),
    ({"pid": 0x10000}, ValueError, "pid must be from 0 to 0xffff, not 0x10000"),
    ({"interface_number": 256}, ValueError, "interface_number must be from 0 to 0xff, not 0x100"),
    ({"serial_number": 1234}, TypeError, "serial_number must be a str, not int 1234"),
    ({"location": b"1-1"}, TypeError, "location must be a str, not bytes b'1-1'"),
    ({"manufacturer": []}, TypeError, "manufacturer must be a str, not list"),
    ({"product": 1}, TypeError, "product must be a str, not int 1"),
    ({"device": 1}, TypeError, "device must be a str or a path, not int 1"),
    ({"device": b"/dev/ttyS0"}, TypeError, "device must be a str or a path, not bytes"),
    ({"device": BytesPath()}, TypeError, "device must be a str or a path, not bytes"),
    ({"name": "ttyS0"}, TypeError, "there is no filter 'name'"),
]


@pytest.mark.parametrize(("filters", "error", "message"), REFUSED)
def test_a_wrong_filter_is_refused_by_name(filters: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Filters(**filters)
    assert message in str(caught.value)


def test_a_wrong_filter_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(TypeError, match="vid must be"):
        anyserial_discovery.find_port(backend="nobody", vid="x")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
