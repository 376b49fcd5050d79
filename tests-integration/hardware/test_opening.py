"""What an open does to bytes that arrive before it and meanwhile."""

import anyio
import pytest
from anyserial import SerialConfig, open_serial_port
from usb_links import UsbLink

pytestmark = pytest.mark.anyio

PATIENCE = 30
# What a cooked tty changes: DEL erases, CR becomes NL, XOFF, ^C, ^D and XON vanish, and so on.
TALK = b"12\x7f3\r\x13\x03\x04\x11\x15\x16\x17\n"
END = b"that was all"


async def received(path: str, config: SerialConfig, link: UsbLink) -> bytes:
    """Open the port while the device talks, and return all that comes."""
    data = b""
    async with await open_serial_port(path, config) as port:
        link.send(TALK * 20 + END)
        while not data.endswith(END):
            data += await port.receive()
    return data


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
async def test_the_first_open_of_a_device_delivers_nothing_that_was_changed(link: UsbLink) -> None:
    """A device that was just plugged in has a tty that nobody has set yet: cooked, and with echo."""
    with anyio.fail_after(PATIENCE):
        for _ in range(3):
            link.unplug()
            link.plug()
            link.send(TALK * 40)
            data = await received(link.path, SerialConfig(), link)
            assert data in TALK * 60 + END
