"""What the command's tests talk to: a pty served by a thread, and a host whose ports the test makes up."""

import os
import select
import subprocess
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyserial_discovery
import pytest
from anyserial import PortEvent, PortInfo

type Behaviour = Callable[[int, bytes], None]


class Device:
    """The far end of a pty, which hands every piece that arrives to a behaviour, until it is stopped."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self.received = b""
        self._behaviour = behaviour
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._far, self._stop], [], [])
            if self._stop in ready:
                return
            data = os.read(self._far, 4096)
            self.received += data
            self._behaviour(self._far, data)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._far, data) :]

    def stop(self) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        for fd in (self._far, self._near, self._stop):
            os.close(fd)


@pytest.fixture
def make_device() -> Iterator[Callable[[Behaviour], Device]]:
    """Make a device; it ends with the test."""
    devices: list[Device] = []

    def make(behaviour: Behaviour) -> Device:
        devices.append(Device(behaviour))
        return devices[-1]

    yield make
    for device in devices:
        device.stop()


class Relay:
    """A device that is a program: what the port sends is its input, and its output is received."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self._device = Device(self._to_program)
        self.path = self._device.path
        self._thread = threading.Thread(target=self._from_program)
        self._thread.start()

    def _to_program(self, _far: int, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(data)

    def _from_program(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read(4096):
            self._device.write(data)

    def stop(self) -> None:
        self._process.kill()
        self._thread.join()
        self._device.stop()
        self._process.communicate()


@pytest.fixture
def make_relay() -> Iterator[Callable[[list[str], Path], Relay]]:
    """Make a device of a program; it ends with the test."""
    relays: list[Relay] = []

    def make(command: list[str], folder: Path) -> Relay:
        relays.append(Relay(command, folder))
        return relays[-1]

    yield make
    for relay in relays:
        relay.stop()


FTDI = PortInfo(
    device="/dev/ttyUSB0",
    name="ttyUSB0",
    description="FT232R USB UART",
    hwid="USB VID:PID=0403:6001 SER=A50285BI LOCATION=1-1.2",
    vid=0x0403,
    pid=0x6001,
    serial_number="A50285BI",
    manufacturer="FTDI",
    product="FT232R USB UART",
    location="1-1.2",
    interface="UART",
    driver="ftdi_sio",
    transport="usb",
    interface_number=0,
    by_id="/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
    by_path="/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0-port0",
)
UART = PortInfo(device="/dev/ttyS0", name="ttyS0", description="UART", transport="platform", present=False)
# A device that means mischief.
ODD = PortInfo(device="/dev/ttyACM0", name="ttyACM0", description="a\x1b[2Jb\nc", transport="usb", vid=1, pid=2)


class Host:
    def __init__(self) -> None:
        self.ports = [UART, ODD, FTDI]
        self.events: deque[PortEvent] = deque()
        self.asked: list[str] = []
        self.forbidden: set[str] = set()
        self.closed = 0

    def access(self, path: object, *_: object, **__: object) -> bool:
        return path not in self.forbidden

    def list_ports(self, backend: str = "native") -> list[PortInfo]:
        self.asked.append(backend)
        return list(self.ports)

    def open_watcher(self, *, interval: float) -> "Host":
        return self

    def fileno(self) -> None:
        return None

    def timeout(self) -> float:
        return 0.01

    def process(self) -> None:
        return

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(anyserial_discovery, "list_ports", host.list_ports)
    monkeypatch.setattr(anyserial_discovery, "open_watcher", host.open_watcher)
    monkeypatch.setattr(os, "access", host.access)
    return host
