"""pySerial's answers, made into PortInfo."""

import sys
from types import SimpleNamespace
from typing import Any

import anyserial_discovery
import pytest
from anyserial.discovery import PortInfo
from anyserial_discovery._pyserial import list_ports


def found(device: str, **fields: Any) -> Any:
    """Make what pySerial's ListPortInfo is."""
    empty = dict.fromkeys(("vid", "pid", "serial_number", "location", "manufacturer", "product", "interface"))
    name = device.rpartition("/")[2]
    return SimpleNamespace(**{**empty, "device": device, "name": name, "description": "n/a", "hwid": "n/a", **fields})


def test_every_field_is_taken_over_in_anyserials_form() -> None:
    ports = list_ports(
        [
            found(
                "/dev/ttyUSB10", vid=1, pid=2, serial_number="", description="ttyUSB10", product=None, location="1-2"
            ),
            found(
                "/dev/ttyUSB2",
                vid=0x0403,
                pid=0x6010,
                serial_number="FT4X8ZAB",
                manufacturer="FTDI",
                product="Dual RS232-HS",
                interface="Port B",
                description="Dual RS232-HS - Port B",
                location="1-1.1:1.1",
                hwid="USB VID:PID=0403:6010 SER=FT4X8ZAB LOCATION=1-1.1:1.1",
            ),
            found("/dev/ttyS0", hwid="PNP0501", description="ttyS0"),
            found("/dev/ttyACM0", vid=1, pid=2, location="1-1:odd"),
        ]
    )
    assert ports == [
        PortInfo(device="/dev/ttyACM0", name="ttyACM0", vid=1, pid=2, location="1-1:odd", transport="usb"),
        PortInfo(device="/dev/ttyS0", name="ttyS0", hwid="PNP0501"),
        PortInfo(
            device="/dev/ttyUSB2",
            name="ttyUSB2",
            description="Dual RS232-HS",
            hwid="USB VID:PID=0403:6010 SER=FT4X8ZAB LOCATION=1-1.1:1.1",
            vid=0x0403,
            pid=0x6010,
            serial_number="FT4X8ZAB",
            manufacturer="FTDI",
            product="Dual RS232-HS",
            location="1-1.1",
            interface="Port B",
            transport="usb",
            interface_number=1,
        ),
        PortInfo(device="/dev/ttyUSB10", name="ttyUSB10", vid=1, pid=2, location="1-2", transport="usb"),
    ]


def test_the_real_library_answers() -> None:
    pytest.importorskip("serial.tools.list_ports")
    assert all(port.device.startswith("/dev/") for port in anyserial_discovery.list_ports("pyserial"))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "serial"]:
        monkeypatch.delitem(sys.modules, name)

    def missing(name: str, *_: object) -> None:
        if name.partition(".")[0] == "serial":
            raise ModuleNotFoundError(f"No module named {name!r}", name="serial")

    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=missing), *sys.meta_path])
    with pytest.raises(ImportError, match=r"pip install 'anyserial-discovery\[pyserial\]'"):
        anyserial_discovery.list_ports("pyserial")
