import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import anyserial_discovery
import pytest
from anyserial_cli import main

TABLE = """\
DEVICE        TRANSPORT  VID:PID    SERIAL    LOCATION  IF  DESCRIPTION
/dev/ttyS0    platform                                      UART (no node here)
/dev/ttyACM0  usb        0001:0002                          a\\x1b[2Jb\\nc
/dev/ttyUSB0  usb        0403:6001  A50285BI  1-1.2     0   FT232R USB UART
"""

DETAILS = """\
/dev/ttyUSB0
  name              ttyUSB0
  description       FT232R USB UART
  hwid              USB VID:PID=0403:6001 SER=A50285BI LOCATION=1-1.2
  vid               0403
  pid               6001
  serial_number     A50285BI
  manufacturer      FTDI
  product           FT232R USB UART
  location          1-1.2
  interface         UART
  driver            ftdi_sio
  transport         usb
  interface_number  0
  by_id             /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0
  by_path           /dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0-port0
  present           yes
"""


def test_the_table(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr() == (TABLE, "")


def test_a_column_that_says_nothing_is_left_out(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "ttyS0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "DEVICE      TRANSPORT  DESCRIPTION",
        "/dev/ttyS0  platform   UART (no node here)",
    ]


def test_every_field(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "-v", "--vid", "0403"]) == 0
    assert capsys.readouterr().out == DETAILS
    assert main(["list", "-v"]) == 0
    out = capsys.readouterr().out
    assert "  present           no\n\n/dev/ttyACM0\n" in out
    assert "\x1b" not in out


def test_json_has_every_field_of_every_port(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [asdict(port) for port in host.ports]


@pytest.mark.parametrize(
    ("options", "output"), [([], ""), (["-v"], ""), (["--json"], "[]\n")], ids=["table", "verbose", "json"]
)
def test_no_port_is_status_3(host: Any, capsys: pytest.CaptureFixture[str], options: list[str], output: str) -> None:
    host.ports = []
    assert main(["list", *options]) == 3
    assert capsys.readouterr() == (output, "anyserial: no serial ports found\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--vid", "fffe"], "--vid fffe excluded all 3 ports that are here"),
        (["ttyUSB7", "--interface-number", "0"], "DEVICE ttyUSB7 --interface-number 0 excluded all 3"),
        (["--product", "A\x1b"], r"--product A\x1b excluded all 3"),
    ],
)
def test_filters_that_left_nothing_are_named(
    host: Any, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert main(["list", *options]) == 3
    assert f"anyserial: no serial ports found: {told}" in capsys.readouterr().err


FTDI_ID = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"
CHOSEN: list[tuple[list[str], list[str]]] = [
    (["--vid", "0403"], ["/dev/ttyUSB0"]),
    (["--vid", "0x403", "--pid", "6001"], ["/dev/ttyUSB0"]),
    (["--vid", "0403", "--pid", "6002"], []),
    (["--serial-number", "A50285BI"], ["/dev/ttyUSB0"]),
    (["--location", "1-1.2", "--manufacturer", "FTDI", "--product", "FT232R USB UART"], ["/dev/ttyUSB0"]),
    (["--interface-number", "0"], ["/dev/ttyUSB0"]),
    (["--interface-number", "1"], []),
    (["ttyACM0"], ["/dev/ttyACM0"]),
    (["/dev/ttyACM0"], ["/dev/ttyACM0"]),
    ([FTDI_ID], ["/dev/ttyUSB0"]),
    (["/dev/ttyUSB7"], []),
]


@pytest.mark.parametrize("device", ["ttyACM0", "/dev/ttyACM0", FTDI_ID, "/dev/ttyUSB7", "acm", ""])
def test_a_port_is_chosen_as_find_chooses_it(host: Any, capsys: pytest.CaptureFixture[str], device: str) -> None:
    main(["list", "--json", device])
    found = anyserial_discovery.find_port(device=device)
    assert json.loads(capsys.readouterr().out) == ([] if found is None else [asdict(found)])


@pytest.mark.parametrize(("options", "devices"), CHOSEN)
def test_choosing(host: Any, capsys: pytest.CaptureFixture[str], options: list[str], devices: list[str]) -> None:
    assert main(["list", "--json", *options]) == (0 if devices else 3)
    assert [port["device"] for port in json.loads(capsys.readouterr().out)] == devices


def test_the_backend_is_passed_on(host: Any) -> None:
    main(["list", "--backend", "pyserial"])
    assert host.asked == ["pyserial"]


WRONG = [
    (["list", "--vid", "xyz"], "--vid: 'xyz' is not a hexadecimal number such as 0403"),
    (["list", "--pid", "10000"], "--pid: '10000' is not from 0 to ffff"),
    (["list", "--interface-number", "-1"], "--interface-number"),
    (["list", "--interface-number", "256"], "'256' is not a number from 0 to 255"),
    (["list", "-v", "--json"], "not allowed with"),
    (["list", "--backend", "x"], "'native', 'pyudev', 'pyserial'"),
    (["watch", "--count", "0"], "'0' is not a number above 0"),
    (["watch", "--timeout", "soon"], "'soon' is not a number of seconds"),
    (["watch", "--timeout", "-1"], "--timeout"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage_is_status_2_and_says_what(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["list", "watch"])
def test_the_help_teaches_by_example_and_gives_the_statuses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"  anyserial {name}" in out
    assert "  3    no port was found" in out


def test_a_library_that_is_missing_is_status_1_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(backend: str) -> Any:
        raise ImportError("pip install 'anyserial-discovery[pyudev]'")

    monkeypatch.setattr(anyserial_discovery, "list_ports", fail)
    assert main(["list"]) == 1
    assert capsys.readouterr() == ("", "anyserial: pip install 'anyserial-discovery[pyudev]'\n")


def test_a_closed_pipe_is_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "anyserial", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 1
