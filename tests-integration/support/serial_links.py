"""The lines that the hardware tests run on: a port under test, and what is at the other end of it.

A `Link` is what a test asks for. `TtyLink` is the one whose far end is a tty too: the two UARTs
of the virtual machine, the two sides of a USB gadget, a pair of real ports. What plays a USB chip
is in `usb_links`. The far end is never driven by anyserial, so that a mistake cannot cancel
itself out; here it is pySerial, and a plain descriptor where that stands in the way.
"""

import fcntl
import os
import struct
import sys
import termios
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Protocol, runtime_checkable

import serial
from anyserial import SerialConfig

__all__ = ("Link", "Programmed", "TellsProgrammed", "TtyLink", "wait_programmed")

TCGETS2, TERMIOS2 = 0x802C542A, 44  # the request, and the size of its structure, whose last field is the rate
REFUSALS = (ValueError, OSError, termios.error)  # what pySerial raises for a setting that is refused
PATIENCE = 10.0  # seconds until what does not come is given up


class Programmed(NamedTuple):
    """What the hardware was told, as it tells it itself: baud, "5" to "8", "none" to "space", "1" to "2"."""

    baudrate: int
    byte_size: str
    parity: str
    stop_bits: str


@runtime_checkable
class TellsProgrammed(Protocol):
    """A link that can tell what the hardware of the port under test was told."""

    def programmed(self) -> Programmed:
        """What it was told, so far: a USB adapter hears of it a moment after the system call."""
        ...


def wait_programmed(link: "Link", expected: Programmed, timeout: float = 1.0) -> Programmed:
    """What the hardware was told: *expected* as soon as that comes, else what there is after *timeout*.

    A rate counts as the one expected if it is within 1 %: hardware divides a clock.
    """
    assert isinstance(link, TellsProgrammed)
    deadline = time.monotonic() + timeout
    while True:
        told = link.programmed()
        near = abs(told.baudrate - expected.baudrate) <= expected.baudrate * 0.01
        if told[1:] == expected[1:] and near:
            return expected
        if time.monotonic() > deadline:
            return told
        time.sleep(0.002)


class Link(ABC):
    """A port under test and the far end of its line.

    Calls block, for a moment as a rule; `receive` and the `wait_` calls for up to their timeout.
    """

    driver: str
    """The kernel's driver of the port under test; "pair" for two ports that somebody named."""
    inputs: tuple[tuple[str, ...], ...]
    """The modem lines that the far end can change, those together that only change together."""
    always_on: frozenset[str] = frozenset()
    """The modem lines that are on whatever the far end does."""
    stuck: int = 200
    """How many bytes of output are more than the device takes while it is held, and less than the driver does."""

    @property
    @abstractmethod
    def path(self) -> str:
        """The node of the port under test, which may be another after `plug`."""

    @abstractmethod
    def reset(self) -> None:
        """Bring both ends to where every test starts: plugged in, quiet, nothing held, inputs off, defaults set."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the far end, for good."""

    def lacks(self, names: Iterable[str]) -> str | None:
        """What of *names* is missing, as a reason to skip a test; of a virtual link nothing is."""
        del names
        return None

    # Data

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Let *data* come in at the port under test."""

    @abstractmethod
    def receive(self, size: int, timeout: float = PATIENCE) -> bytes:
        """The next *size* bytes that the port under test sent; TimeoutError says what came instead."""

    @abstractmethod
    def hold(self, on: bool) -> None:
        """Take nothing more of what the port sends (`rts_cts` needed where it is a UART), or go on."""

    @abstractmethod
    def configure(self, config: SerialConfig) -> bool:
        """Let the far end understand a port with this config; False if it cannot."""

    # Lines

    @abstractmethod
    def set_inputs(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        """Change the modem lines that come in at the port; of a null modem cts, and dsr with cd."""

    @abstractmethod
    def outputs(self) -> dict[str, bool]:
        """What arrives of the port's "rts" and "dtr"."""

    def wait_outputs(self, timeout: float = PATIENCE, **expected: bool) -> None:
        """Wait until the outputs named are as *expected*."""
        deadline = time.monotonic() + timeout
        while not expected.items() <= (seen := self.outputs()).items():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the far end sees {seen}, not {expected}")
            time.sleep(0.002)

    @abstractmethod
    def send_break(self) -> None:
        """Let one break come in at the port."""

    # Plugging

    @abstractmethod
    def unplug(self) -> None:
        """Pull the port's device out; returns when the kernel has been told."""

    @abstractmethod
    def plug(self) -> None:
        """Put it back; returns when the node is there."""


class TtyLink(Link):
    """A link whose far end is a tty of this machine, in a null modem with the port under test."""

    inputs: tuple[tuple[str, ...], ...] = (("cts",), ("dsr", "cd"))

    def __init__(self, driver: str, path: str, far_path: str) -> None:
        self.driver = driver
        self._path = path
        self.far_path = far_path
        self._far = serial.Serial(far_path, timeout=0)

    @property
    def path(self) -> str:
        return self._path

    def reset(self) -> None:
        self._far.apply_settings(
            {
                "baudrate": 115200,
                "bytesize": 8,
                "parity": "N",
                "stopbits": 1,
                "rtscts": False,
                "xonxoff": False,
            }
        )
        self.set_inputs(cts=True, dsr=True)
        self._far.reset_output_buffer()
        quieten(self._path)
        while self._far.read(4096):
            pass

    def close(self) -> None:
        self._far.close()

    def send(self, data: bytes) -> None:
        self._far.write(data)
        self._far.flush()

    def receive(self, size: int, timeout: float = PATIENCE) -> bytes:
        self._far.timeout = timeout
        data = self._far.read(size)
        self._far.timeout = 0
        if len(data) < size:
            raise TimeoutError(f"{len(data)} of {size} bytes within {timeout} s: {data[-60:]!r}")
        return data

    def hold(self, on: bool) -> None:
        self.set_inputs(cts=not on)

    def configure(self, config: SerialConfig) -> bool:
        before = self._far.get_settings()
        try:
            self._far.apply_settings(
                {
                    "baudrate": config.baudrate,
                    "bytesize": int(config.byte_size),
                    "parity": config.parity[0].upper(),
                    "stopbits": float(config.stop_bits),
                    "rtscts": config.flow_control.rts_cts,
                }
            )
        except REFUSALS:
            # What it was refused pySerial would try again with every other setting.
            for name, value in before.items():
                with suppress(*REFUSALS):
                    setattr(self._far, name, value)
            return False
        control = termios.tcgetattr(self._far.fileno())[2]
        size = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}[control & termios.CSIZE]
        near = abs(rate_of(self._far.fileno()) - config.baudrate) <= config.baudrate * 0.02
        return near and size == int(config.byte_size)

    def set_inputs(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        if ri is not None or cd not in {None, dsr}:
            raise ValueError("a null modem has no RI, and DCD goes with DSR")
        if cts is not None:
            self._far.rts = cts
        if dsr is not None:
            self._far.dtr = dsr

    def outputs(self) -> dict[str, bool]:
        return {"rts": bool(self._far.cts), "dtr": bool(self._far.dsr)}

    def send_break(self) -> None:
        self._far.send_break(0.25)

    def unplug(self) -> None:
        raise NotImplementedError("nobody is there to pull the plug")

    def plug(self) -> None:
        raise NotImplementedError("nobody is there to put the plug in")


def rate_of(fd: int) -> int:
    """The rate that a tty sends at, in baud, as its driver reports it."""
    if sys.platform == "linux":
        (rate,) = struct.unpack_from("=I", fcntl.ioctl(fd, TCGETS2, bytes(TERMIOS2)), TERMIOS2 - 4)
        return int(rate)
    return termios.tcgetattr(fd)[5]


def quieten(path: str) -> None:
    """Give a port the settings of a tty that nobody has used yet, made raw, and empty its queues."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        cc = termios.tcgetattr(fd)[6]
        control = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, termios.B9600, termios.B9600, cc])
        termios.tcflush(fd, termios.TCIOFLUSH)
    finally:
        os.close(fd)
