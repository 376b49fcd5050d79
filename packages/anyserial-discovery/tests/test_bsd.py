"""FreeBSD's sysctl, and the names of nodes on the other BSDs."""

import errno
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from anyserial.discovery import PortInfo
from anyserial_discovery import _bsd, _freebsd
from anyserial_discovery._usbconfig import Strings, parse_strings

# What `sysctl dev` prints, for the units that have something to do with ttys and some that have not.
SYSCTL = """\
dev.uftdi.1.ttyports: 1
dev.uftdi.1.ttyname: U1
dev.uftdi.1.%parent: uhub2
dev.uftdi.1.%pnpinfo: vendor=0x0403 product=0x6010 devclass=0x00 devsubclass=0x00 devproto=0x00 sernum="FT4X8ZAB" \
release=0x0700 mode=host intclass=0xff intsubclass=0xff intprotocol=0xff ttyname=U1 ttyports=1
dev.uftdi.1.%location: bus=0 hubaddr=2 port=3 devaddr=4 interface=1 ugen=ugen0.4
dev.uftdi.1.%driver: uftdi
dev.uftdi.1.%desc: FTDI Dual RS232-HS, class 0/0, rev 2.00/7.00, addr 4
dev.uftdi.%parent:
dev.u3g.0.%pnpinfo: vendor=0x12d1 product=0x1001 sernum="" ttyname=U2 ttyports=2
dev.u3g.0.%location: bus=1 hubaddr=1 port=1 devaddr=2 interface=0 ugen=ugen1.2
dev.u3g.0.%desc: HUAWEI Mobile, class 0/0, rev 1.10/0.00, addr 2
dev.umodem.0.%pnpinfo: vendor=bad product=0x0043 sernum="odd "quote" ttyname=U3 ttyports=x
dev.umodem.0.%desc:
dev.uart.1.%pnpinfo: vendor=0x8086 device=0x9d27 subvendor=0x17aa subdevice=0x2238 class=0x070002
dev.uart.1.%location: slot=22 function=3 dbsf=pci0:0:22:3
dev.uart.1.%parent: pci0
dev.uart.1.%desc: Intel AMT - SOL
dev.uart.0.%pnpinfo: _HID=PNP0501 _UID=1 _CID=none
dev.uart.0.%location: handle=\\_SB_.PCI0.SBRG.UAR1
dev.uart.0.%parent: acpi0
dev.uart.0.%desc: 16550 or compatible
dev.em.0.%desc: Intel(R) Legacy PRO/1000 MT
kern.ostype: FreeBSD
"""

# What `usbconfig dump_all_desc` prints, shortened.
USBCONFIG = """\
ugen0.1: <Intel XHCI root HUB> at usbus0, cfg=0 md=HOST spd=SUPER (5.0Gbps) pwr=SAVE (0mA)

  bLength = 0x0012\x20
  idVendor = 0x0000\x20
  iManufacturer = 0x0001  <Intel>
  iProduct = 0x0002  <XHCI root HUB>
  iSerialNumber = 0x0000  <no string>

ugen0.4: <FTDI Dual RS232-HS> at usbus0, cfg=0 md=HOST spd=HIGH (480Mbps) pwr=ON (500mA)

  bLength = 0x0012\x20
  bDeviceClass = 0x0000  <Probed by interface class>
  idVendor = 0x0403\x20
  idProduct = 0x6010\x20
  iManufacturer = 0x0001  <FTDI>
  iProduct = 0x0002  <Dual <RS232>-HS>
  iSerialNumber = 0x0003  <FT4X8ZAB>
  bNumConfigurations = 0x0001\x20


 Configuration index 0

    bLength = 0x0009\x20
    bNumInterfaces = 0x0002\x20
    iConfiguration = 0x0000  <no string>

    Interface 0
      bInterfaceNumber = 0x0000\x20
      bAlternateSetting = 0x0000\x20
      bInterfaceClass = 0x00ff  <Vendor specific>
      iInterface = 0x0002  <Port A>

     Endpoint 0
        bEndpointAddress = 0x0081  <IN>


    Interface 0 Alt 1
      bInterfaceNumber = 0x0000\x20
      bAlternateSetting = 0x0001\x20
      iInterface = 0x0004  <Another setting>

    Interface 1
      bInterfaceNumber = 0x0001\x20
      bAlternateSetting = 0x0000\x20
      iInterface = 0x0002  <Port B>

      Additional Descriptor

      bLength = 0x05
       RAW dump:\x20
       0x00 | 0x05, 0x24, 0x00, 0x10, 0x01


ugen1.2: <vendor 0x12d1 product 0x1001> at usbus1, cfg=0 md=HOST spd=FULL (12Mbps) pwr=ON (100mA)

  iManufacturer = 0x0001  <retrieving string failed>
  iProduct = 0x0002  <  >
    Interface 0
      bInterfaceNumber = 0x0000\x20
      bAlternateSetting = 0x0000\x20
      iInterface = 0x0000  <no string>
"""

NODES = [
    "null",
    "cuau0",
    "cuau0.init",
    "cuau0.lock",
    "cuau1",
    "cuaU1",
    "cuaU1.init",
    "cuaU2.0",
    "cuaU2.1",
    "cuaU3",
    "cuaU10",
    "ttyu0",
    "ttyU1",
    "ttyv0",
]


def modem(port: int) -> PortInfo:
    return PortInfo(
        device=f"/dev/cuaU2.{port}",
        name=f"cuaU2.{port}",
        description="HUAWEI Mobile",
        hwid="USB VID:PID=12D1:1001 LOCATION=1:1.1",
        vid=0x12D1,
        pid=0x1001,
        location="1:1.1",
        driver="u3g",
        transport="usb",
        interface_number=0,
    )


FREEBSD = [
    PortInfo(
        device="/dev/cuaU1",
        name="cuaU1",
        description="FTDI Dual RS232-HS",
        hwid="USB VID:PID=0403:6010 SER=FT4X8ZAB LOCATION=0:2.3",
        vid=0x0403,
        pid=0x6010,
        serial_number="FT4X8ZAB",
        location="0:2.3",
        driver="uftdi",
        transport="usb",
        interface_number=1,
    ),
    modem(0),
    modem(1),
    # What cannot be read costs only itself.
    PortInfo(
        device="/dev/cuaU3",
        name="cuaU3",
        description="USB serial port",
        pid=0x0043,
        serial_number="odd",
        driver="umodem",
        transport="usb",
    ),
    PortInfo(device="/dev/cuaU10", name="cuaU10", description="Serial port"),
    PortInfo(
        device="/dev/cuau0",
        name="cuau0",
        description="16550 or compatible",
        location="\\_SB_.PCI0.SBRG.UAR1",
        driver="uart",
        transport="platform",
    ),
    PortInfo(
        device="/dev/cuau1",
        name="cuau1",
        description="Intel AMT - SOL",
        location="pci0:0:22:3",
        driver="uart",
        transport="pci",
    ),
]


NAMED = replace(
    FREEBSD[0], description="Dual <RS232>-HS", manufacturer="FTDI", product="Dual <RS232>-HS", interface="Port B"
)


def test_freebsd() -> None:
    # As for a user that may not read /dev/usb.
    assert _freebsd.list_ports(lambda: NODES, lambda: SYSCTL, lambda: "") == FREEBSD
    assert (
        _freebsd.list_ports(lambda: NODES, lambda: SYSCTL, lambda: "No device match or lack of permissions.\n")
        == FREEBSD
    )


def test_freebsd_names_what_usbconfig_names() -> None:
    assert _freebsd.list_ports(lambda: NODES, lambda: SYSCTL, lambda: USBCONFIG) == [NAMED, *FREEBSD[1:]]


def test_every_string_of_usbconfig() -> None:
    assert parse_strings(USBCONFIG) == {
        "ugen0.1": Strings("Intel", "XHCI root HUB"),
        "ugen0.4": Strings("FTDI", "Dual <RS232>-HS", {0: "Port A", 1: "Port B"}),
        "ugen1.2": Strings(),
    }
    assert parse_strings("") == parse_strings("  iProduct = 0x0002  <no device>\n") == {}


def test_what_a_device_calls_itself_is_shown_in_one_harmless_line() -> None:
    odd = USBCONFIG.replace("Dual <RS232>-HS", "A\x1b[2J")
    port = _freebsd.list_ports(lambda: NODES, lambda: SYSCTL, lambda: odd)[0]
    assert (port.product, port.description) == ("A\x1b[2J", r"A\x1b[2J")


def test_usbconfig_is_not_asked_where_there_is_no_usb_port() -> None:
    def never() -> str:
        raise AssertionError("nobody asks")

    uarts = "".join(line for line in SYSCTL.splitlines(keepends=True) if line.startswith("dev.uart"))
    assert [port.name for port in _freebsd.list_ports(lambda: NODES, lambda: uarts, never) if port.driver] == [
        "cuau0",
        "cuau1",
    ]


def test_freebsd_without_an_answer_lists_names() -> None:
    found = _freebsd.list_ports(lambda: ["cuaa0", "cuaU0", "cuau0.lock"], lambda: "")
    assert found == [
        PortInfo(device="/dev/cuaU0", name="cuaU0", description="Serial port"),
        PortInfo(device="/dev/cuaa0", name="cuaa0", description="Serial port"),
    ]


def test_sysctl_is_run_without_a_shell_and_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(command: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        assert options["timeout"] > 0
        text = USBCONFIG if "usbconfig" in command[0] else SYSCTL
        return subprocess.CompletedProcess(command, 1, text.encode() + b"\xff", b"")

    monkeypatch.setattr(subprocess, "run", run)
    assert len([port for port in _freebsd.list_ports(lambda: NODES) if port.transport]) == 6
    assert asked == [("/sbin/sysctl", "dev"), ("/usr/sbin/usbconfig", "dump_all_desc")]

    for error in (FileNotFoundError(2, "no"), subprocess.TimeoutExpired("sysctl", 1)):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(subprocess, "run", fail)
        assert [port.name for port in _freebsd.list_ports(lambda: ["cuau0"])] == ["cuau0"]


def test_out_of_descriptors_a_program_that_cannot_be_run_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(OSError, match="Too many open files"):
        _freebsd.list_ports(lambda: ["cuau0"])


@pytest.mark.parametrize(
    ("platform", "nodes", "found"),
    [
        (
            "openbsd7",
            ["cua00", "cua01", "cuaU0", "cuac0", "tty00", "ttyU0", "cua", "cuaU", "null"],
            [("cua00", None), ("cua01", None), ("cuaU0", "usb"), ("cuac0", None)],
        ),
        (
            "netbsd10",
            ["dty00", "dtyU0", "dty0f", "tty00", "ttyE0", "dtyv0", "null"],
            [("dty00", None), ("dty0f", None), ("dtyU0", "usb")],
        ),
    ],
)
def test_openbsd_and_netbsd(platform: str, nodes: list[str], found: list[tuple[str, str | None]]) -> None:
    ports = _bsd.list_ports(platform, lambda: nodes)
    assert {(port.name, port.transport) for port in ports} == set(found)
    assert all(port.device == f"/dev/{port.name}" and port.hwid is None and port.driver is None for port in ports)
