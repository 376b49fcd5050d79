"""A port that a line discipline of the kernel has: what slattach, slcand and pppd do to it."""

import fcntl
import os
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyserial.sync
import pytest
from anyserial import PortBusyError, SerialConfig, open_serial_port
from exact import receive_exactly
from serial_links import Link, rate_of
from usb_gadget import run

pytestmark = [pytest.mark.anyio, pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")]

PATIENCE = 30
SLIP = 1


@contextmanager
def slip(path: str) -> Generator[int]:
    """Run a SLIP link on the port, as slattach does; gives its descriptor."""
    run("modprobe", "slip")
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, termios.TIOCSETD, SLIP.to_bytes(4, sys.byteorder))
        yield fd
    finally:
        fcntl.ioctl(fd, termios.TIOCSETD, bytes(4))
        os.close(fd)


async def test_a_running_link_is_left_alone(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        with slip(link.path) as fd:
            before = termios.tcgetattr(fd), rate_of(fd)
            for config in (SerialConfig(baudrate=57600), SerialConfig(exclusive=True)):
                with pytest.raises(PortBusyError, match=rf"SLIP.*held by this process \(pid {os.getpid()}\)") as caught:
                    await open_serial_port(link.path, config)
                assert caught.value.filename == link.path
                with pytest.raises(PortBusyError, match="SLIP"):
                    anyserial.sync.open_serial_port(link.path, config)
            assert (termios.tcgetattr(fd), rate_of(fd)) == before
        async with await open_serial_port(link.path, SerialConfig(exclusive=True)):
            pass


async def test_a_link_that_begins_on_an_open_port_is_told_and_left_alone(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            with slip(link.path) as fd:
                before = rate_of(fd)
                with pytest.raises(PortBusyError, match="SLIP"):
                    port.input_waiting()
                with pytest.raises(PortBusyError, match="SLIP"):
                    await port.send(b"x")
                with pytest.raises(PortBusyError, match="SLIP"):
                    await port.configure(port.config.with_changes(baudrate=57600))
                assert rate_of(fd) == before
            link.send(b"in")
            assert await receive_exactly(port, 2) == b"in"
            await port.send(b"out")
            assert link.receive(3) == b"out"
