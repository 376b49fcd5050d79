import pytest
from anyserial_discovery._hwid import bluetooth_hwid, pci_hwid, usb_hwid

ADDRESS = "00:1A:7D:DA:71:13"
LINES = [
    (usb_hwid(0x0403, 0x6001, "A12345", "1-1.2"), "USB VID:PID=0403:6001 SER=A12345 LOCATION=1-1.2"),
    (usb_hwid(0, 0xFFFF, None, "1-1.2:1.0"), "USB VID:PID=0000:FFFF LOCATION=1-1.2:1.0"),
    (usb_hwid(1, 2, None, None), "USB VID:PID=0001:0002"),
    (usb_hwid(1, None, "A", "1-1"), None),
    (usb_hwid(None, 1, "A", "1-1"), None),
    # A line for people: the device chose its serial number.
    (usb_hwid(1, 2, "A\x1b[2J\n", None), r"USB VID:PID=0001:0002 SER=A\x1b[2J\n"),
    (pci_hwid(0x1B36, 2, "0000:00:10.0"), "PCI VID:PID=1B36:0002 LOCATION=0000:00:10.0"),
    (pci_hwid(None, 2, "0000:00:10.0"), "0000:00:10.0"),
    (bluetooth_hwid(ADDRESS, "1"), f"BLUETOOTH ADDRESS={ADDRESS} CHANNEL=1"),
    (bluetooth_hwid(ADDRESS, None), f"BLUETOOTH ADDRESS={ADDRESS}"),
    (bluetooth_hwid(None, "1"), None),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_the_hardware_in_pyserials_form(line: str | None, expected: str | None) -> None:
    assert line == expected
