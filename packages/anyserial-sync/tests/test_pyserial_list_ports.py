"""``serial.tools.list_ports``: what discovery finds, as pySerial tells it."""

import os
import sys
from pathlib import Path

import pytest
from anyserial.discovery import PortInfo
from anyserial_sync._pyserial.tools import list_ports, list_ports_common, list_ports_linux
from anyserial_sync._pyserial.tools.list_ports_common import ListPortInfo

ADAPTER = PortInfo(
    device="/dev/ttyUSB10",
    name="ttyUSB10",
    description="FT232R",
    hwid="USB VID:PID=0403:6001 SER=A1 LOCATION=1-1:1.0",
    vid=0x0403,
    pid=0x6001,
    serial_number="A1",
    manufacturer="FTDI",
    product="FT232R",
    location="1-1",
    interface="Port A",
)
NAMELESS = PortInfo(device="/dev/ttyACM2", name="ttyACM2", hwid="USB VID:PID=2341:0043", vid=0x2341, pid=0x43)
UART = PortInfo(device="/dev/ttyS0", name="ttyS0", description="UART", hwid="PNP0501", location="00:05")
UNKNOWN = PortInfo(device="/dev/ttyX0")
ABSENT = PortInfo(device="/dev/ttyS9", present=False)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> list[PortInfo]:
    """What discovery finds."""
    ports = [ADAPTER, NAMELESS, UART, UNKNOWN, ABSENT]
    monkeypatch.setattr(list_ports_common, "list_serial_ports", lambda: ports)
    return ports


def test_every_port_that_has_a_node_is_listed() -> None:
    ports = {port.device: port for port in list_ports.comports()}
    assert list(ports) == ["/dev/ttyUSB10", "/dev/ttyACM2", "/dev/ttyS0", "/dev/ttyX0"]
    assert {type(port) for port in ports.values()} == (
        {list_ports_linux.SysFS} if sys.platform == "linux" else {ListPortInfo}
    )
    adapter = ports["/dev/ttyUSB10"]
    assert (adapter.vid, adapter.pid, adapter.serial_number) == (0x0403, 0x6001, "A1")
    assert (adapter.manufacturer, adapter.product, adapter.interface) == ("FTDI", "FT232R", "Port A")
    # With the interface, as pySerial has it where a device has several.
    assert adapter.location == "1-1:1.0"
    assert list(adapter) == ["/dev/ttyUSB10", "FT232R - Port A", "USB VID:PID=0403:6001 SER=A1 LOCATION=1-1:1.0"]
    assert str(adapter) == "/dev/ttyUSB10 - FT232R - Port A"
    assert list(ports["/dev/ttyACM2"]) == ["/dev/ttyACM2", "ttyACM2", "USB VID:PID=2341:0043"]
    assert list(ports["/dev/ttyS0"]) == ["/dev/ttyS0", "UART", "PNP0501"]
    assert (ports["/dev/ttyS0"].vid, ports["/dev/ttyS0"].location) == (None, "00:05")
    assert list(ports["/dev/ttyX0"]) == ["/dev/ttyX0", "ttyX0", "n/a"]


def test_three_things_can_be_unpacked() -> None:
    device, description, hwid = list_ports.comports()[2]
    assert (device, description, hwid) == ("/dev/ttyS0", "UART", "PNP0501")


@pytest.mark.parametrize(
    ("regexp", "devices"),
    [("usb10", ["/dev/ttyUSB10"]), ("^UART", ["/dev/ttyS0"]), ("2341:0043|ser=a1", ["/dev/ttyUSB10", "/dev/ttyACM2"])],
)
def test_grep_looks_at_all_three(regexp: str, devices: list[str]) -> None:
    assert [port.device for port in list_ports.grep(regexp)] == devices


def test_ports_are_compared_by_device_with_numbers_as_numbers() -> None:
    names = ["/dev/ttyUSB10", "/dev/ttyUSB9", "/dev/ttyACM1", "/dev/1"]
    ports = sorted(map(ListPortInfo, names))
    assert [port.device for port in ports] == ["/dev/1", "/dev/ttyACM1", "/dev/ttyUSB9", "/dev/ttyUSB10"]
    assert len({ListPortInfo("/dev/a"), ListPortInfo("/dev/a")}) == 1
    assert ListPortInfo("/dev/a") != "/dev/a"
    assert list_ports_common.numsplit("ttyS12a3") == ["ttyS", 12, "a", 3]
    with pytest.raises(IndexError):
        _ = ports[0][3]


def test_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[PortInfo]) -> None:
    node = tmp_path / "ttyReal"
    node.touch()
    link = tmp_path / "modem"
    link.symlink_to(node)
    (tmp_path / "elsewhere").symlink_to(os.devnull)
    real = Path
    monkeypatch.setattr(list_ports_common, "Path", lambda name: tmp_path if name == "/dev" else real(name))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    found[:] = [PortInfo(device=str(node))]
    assert [port.device for port in list_ports.comports()] == [str(node)]
    ports = list_ports.comports(include_links=True)
    assert [port.device for port in ports] == [str(node), str(link)]
    assert ports[1].hwid == f"LINK={node}"


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def output(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["list_ports", *arguments])
        list_ports.main()
        out, err = capsys.readouterr()
        assert err.endswith("ports found\n") or "-q" in arguments
        return out

    devices = ["/dev/ttyACM2", "/dev/ttyS0", "/dev/ttyUSB10", "/dev/ttyX0"]
    assert output().split() == output("-q").split() == devices
    assert output("-n", "2").split() == ["/dev/ttyS0"]
    assert output("-v", "pnp") == f"{'/dev/ttyS0':20}\n    desc: UART\n    hwid: PNP0501\n"
