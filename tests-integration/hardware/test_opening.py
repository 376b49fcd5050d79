"""What an open does to bytes that arrive before it and meanwhile."""

import os

import anyio
import pytest
from anyserial import PortNotFoundError, SerialConfig, open_serial_port
from exact import receive_exactly
from serial_links import Link, TtyLink
from usb_links import UsbLink

pytestmark = pytest.mark.anyio

PATIENCE = 30
# What a cooked tty changes: DEL erases, CR becomes NL, XOFF, ^C, ^D and XON vanish, and so on.
TALK = b"12\x7f3\r\x13\x03\x04\x11\x15\x16\x17\n"
END = b"that was all"


async def received(path: str, config: SerialConfig, link: UsbLink) -> bytes:
    """Open the port while the device talks, and return all that comes."""
    data = b""
    while True:
        try:
            port = await open_serial_port(path, config)
        except PortNotFoundError:  # the node is there before the device behind it answers
            await anyio.sleep(0.002)
        else:
            break
    async with port:
        link.send(TALK * 20 + END)
        while not data.endswith(END):
            data += await port.receive()
    return data


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341")
async def test_the_first_open_of_a_device_delivers_nothing_that_was_changed(link: UsbLink) -> None:
    """A device that was just plugged in has a tty that nobody has set yet: cooked, and with echo."""
    with anyio.fail_after(PATIENCE):
        for _ in range(3):
            link.unplug()
            link.plug()
            link.send(TALK * 40)
            data = await received(link.path, SerialConfig(), link)
            assert data in TALK * 60 + END


def queue(link: Link) -> None:
    """Have the device hold bytes for a port that nobody has open."""
    if not isinstance(link, TtyLink):
        link.send(b"held" * 225)
        return
    far = os.open(link.far_path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(far, b"held" * 50)
    finally:
        os.close(far)


@pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341")
async def test_discarding_on_open_reaches_what_the_device_holds(link: Link) -> None:
    """A 16550 and a CH341 deliver it within 5 ms of the open, after everything is set."""
    config = SerialConfig(discard_input_on_open=True)
    with anyio.fail_after(PATIENCE):
        for _ in range(20):
            link.reset()
            queue(link)
            async with await open_serial_port(link.path, config) as port:
                link.send(END)
                assert await receive_exactly(port, len(END)) == END
                assert port.input_waiting() == 0
