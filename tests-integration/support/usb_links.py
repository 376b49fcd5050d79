"""Links over USB: adapters played by a process of their own, and a CDC-ACM gadget of the kernel.

A `ChipLink` is an FTDI, CP210x, PL2303 or CH341 as its Linux driver sees it: it has modem lines,
damages bytes, tells what it was told. An `AcmLink` has the kernel's gadget at its far end, which
has no lines but its being opened. The chips' protocols are in `usb_chips`.
"""

import errno
import fcntl
import marshal
import os
import select
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from anyserial import SerialConfig
from serial_links import PATIENCE, Link, Programmed
from usb_gadget import Gadget, Identity, load, run

__all__ = ("LINKS", "AcmLink", "ChipLink", "ChipState", "UsbLink")

HERE = Path(__file__).parent
RUN = Path("/run/anyserial")
SLICE = 0.1  # seconds that one question may wait, so that another thread's gets its turn
PLAY = "import sys; sys.path[0] = sys.argv.pop(1); import usb_player; usb_player.main()"
TIOCGSERIAL, TIOCSSERIAL, TIOCCBRK = 0x541E, 0x541F, 0x5428
SERIAL_STRUCT, FLAGS_OFFSET, ASYNC_LOW_LATENCY = 72, 16, 1 << 13


class ChipState(NamedTuple):
    """What a chip was told, and what it holds.

    Attributes:
        flow: "", "rtscts", "dtrdsr" or "xonxoff".
        latency_timer: Milliseconds; None for a chip without one.
        unsent: Bytes it took from the host and holds.
        version: Counts the changes of all this.
        pending: Packets for the host, which does not take them while the port is closed or throttled.
        received: Bytes that the port sent and no `receive` took.
        requests: Control requests since the last reset, 1000 at most.
    """

    baudrate: int
    byte_size: str
    parity: str
    stop_bits: str
    flow: str
    rts: bool
    dtr: bool
    sending_break: bool
    latency_timer: int | None
    unsent: int
    version: int
    pending: int
    received: int
    requests: int


class ChipProcess:
    """The process that plays a chip. Its failure is raised here."""

    def __init__(self, driver: str, mount: Path) -> None:
        command = [sys.executable, "-S", "-c", PLAY, str(HERE), driver, str(mount)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()
        self._answer()

    def ask(self, name: str, *arguments: Any, wait: float = 0.0) -> Any:
        """Ask for something, and for at most *wait* seconds wait until it is there."""
        with self._lock:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):  # what it died of is read below
                self._process.stdin.write(marshal.dumps((name, arguments, wait)))
                self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        try:
            kind, value = marshal.load(self._process.stdout)  # noqa: S302  # of a process that this one started
        except EOFError:
            raise RuntimeError(f"the process that plays the chip is gone: {self._process.wait(PATIENCE)}") from None
        if kind == "error":
            raise RuntimeError(f"the process that plays the chip failed:\n{value}")
        return value

    def close(self) -> None:
        """End it."""
        with self._process:  # closes the pipes, which ends it, and waits for that
            pass


class UsbLink(Link):
    """A port of a USB device that is made here."""

    node: str
    identity: Identity
    """What the device says it is."""

    def __init__(self, gadget: Gadget) -> None:
        self._gadget = gadget
        self.identity = gadget.identity
        self._path = ""

    @property
    def path(self) -> str:
        return self._path

    def plug(self) -> None:
        self._path = self._gadget.plug(self.node)

    def unplug(self) -> None:
        self._gadget.unplug()

    def configure(self, config: SerialConfig) -> bool:
        """Nothing to do: bytes come as bytes."""
        del config
        return True


class ChipLink(UsbLink):
    """An adapter with one of the four chips.

    Args:
        driver: The kernel's driver of it.
        identity: What it says it is.
    """

    node = "ttyUSB*"
    inputs = (("cts",), ("dsr",), ("ri",), ("cd",))

    def __init__(self, driver: str, identity: Identity) -> None:
        self.driver = driver
        load("usb_f_fs", driver)
        with ExitStack() as cleanup:
            super().__init__(Gadget(identity, "ffs", "full-speed"))
            cleanup.callback(self._gadget.close)
            mount = RUN / self._gadget.instance
            mount.mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "functionfs", self._gadget.instance, str(mount))
            cleanup.callback(run, "umount", str(mount))
            self._process = ChipProcess(driver, mount)
            cleanup.callback(self._process.close)
            cleanup.callback(self._gadget.unplug)
            self.plug()
            self.reset()
            self._cleanup = cleanup.pop_all()

    def close(self) -> None:
        self._cleanup.close()

    def reset(self) -> None:
        if not self._gadget.plugged:
            self.plug()
        used = self.state()
        self._process.ask("reset")
        # Closing takes a PL2303 0.1 s or more: only where something was left, or may have been (low latency).
        if (
            used.unsent
            or used.pending
            or used.rts
            or used.dtr
            or used.sending_break
            or (used.latency_timer and used.requests)
        ):
            self._settle()
            self._process.ask("reset")

    def _settle(self) -> None:
        """Bring the driver back to where it starts: opened and closed, with nothing on its way."""
        fd = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            attributes = termios.tcgetattr(fd)
            attributes[2] = termios.CS8 | termios.CREAD | termios.HUPCL | termios.CLOCAL
            attributes[4] = attributes[5] = termios.B9600
            termios.tcsetattr(fd, termios.TCSANOW, attributes)
            if self.state().sending_break:
                fcntl.ioctl(fd, TIOCCBRK)
            serial = bytearray(fcntl.ioctl(fd, TIOCGSERIAL, bytes(SERIAL_STRUCT)))
            (flags,) = struct.unpack_from("=i", serial, FLAGS_OFFSET)
            if flags & ASYNC_LOW_LATENCY:
                struct.pack_into("=i", serial, FLAGS_OFFSET, flags & ~ASYNC_LOW_LATENCY)
                fcntl.ioctl(fd, TIOCSSERIAL, bytes(serial))
            if self.state().latency_timer not in {None, 16}:
                Path("/sys/class/tty", Path(self._path).name, "device/latency_timer").write_text("16")
            self.wait(lambda state: not state.pending)
            # What it has of output leaves on its own, now that nothing is held.
            drain(fd)
            termios.tcflush(fd, termios.TCIOFLUSH)
        finally:
            os.close(fd)
        self.wait(lambda state: not state.rts and not state.dtr)

    # Data

    def send(self, data: bytes) -> None:
        self._process.ask("send", data, None)

    def send_damaged(self, data: bytes, kind: str) -> None:
        """Let *data* come in, each byte with an error: "parity", "framing", "overrun" or "break"."""
        self._process.ask("send", data, kind)

    def receive(self, size: int, timeout: float = PATIENCE) -> bytes:
        deadline = time.monotonic() + timeout
        while True:
            wait = min(SLICE, deadline - time.monotonic())
            data: bytes | None = self._process.ask("output", size, wait=wait)
            if data is not None:
                return data
            if time.monotonic() >= deadline:
                there = self.state().received
                came: bytes = self._process.ask("output", there)
                raise TimeoutError(f"{there} of {size} bytes within {timeout} s: {came[-60:]!r}")

    def hold(self, on: bool) -> None:
        """Take no more than one packet of what the port sends, and let nothing of that go on."""
        self._process.ask("hold", on)

    # Lines

    def set_inputs(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        given = {"cts": cts, "dsr": dsr, "ri": ri, "cd": cd}
        self._process.ask("inputs", {name: on for name, on in given.items() if on is not None})

    def outputs(self) -> dict[str, bool]:
        state = self.state()
        return {"rts": state.rts, "dtr": state.dtr}

    def send_break(self) -> None:
        self.send_damaged(b"\0", "break")

    # What the chip knows

    def state(self) -> ChipState:
        """What the chip was told by now; a request may reach it a moment after the call that caused it."""
        return ChipState(**self._process.ask("state", -1))

    def wait(self, condition: Callable[[ChipState], bool], timeout: float = PATIENCE) -> ChipState:
        """Wait until the condition holds, and return the state in which it does."""
        deadline = time.monotonic() + timeout
        state = self.state()
        while not condition(state):
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError(f"the condition does not hold within {timeout} s: {state}")
            if (changed := self._process.ask("state", state.version, wait=min(SLICE, left))) is not None:
                state = ChipState(**changed)
        return state

    def wait_outputs(self, timeout: float = PATIENCE, **expected: bool) -> None:
        self.wait(lambda state: all(getattr(state, name) is on for name, on in expected.items()), timeout)

    def programmed(self) -> Programmed:
        """The settings that the chip was told last."""
        return Programmed(*self.state()[:4])

    def sending_break(self) -> bool:
        """Whether the chip was told to hold its line in break."""
        return self.state().sending_break

    @property
    def latency_timer(self) -> int | None:
        """The latency timer of the chip, in milliseconds; None if it has none."""
        return self.state().latency_timer

    def requests(self) -> list[tuple[int, int, int, int, bytes]]:
        """The last 1000 control requests since `reset`: type, request, value, index and data."""
        requests: list[tuple[int, int, int, int, bytes]] = self._process.ask("requests")
        return requests

    def levels(self) -> list[tuple[bool, bool]]:
        """The levels that DTR and RTS went through since `reset`."""
        levels: list[tuple[bool, bool]] = self._process.ask("levels")
        return levels

    def stall_requests(self, on: bool) -> None:
        """Refuse every control request, so that the driver's calls end with EPIPE or EIO; or go on."""
        self._process.ask("stall", on)

    def silence_requests(self, on: bool) -> None:
        """Leave every control request without an answer, so that the driver's calls wait (5 s); or go on."""
        self._process.ask("silence", on)


class AcmLink(UsbLink):
    """A CDC-ACM device whose other side is a tty of this machine too (ttyGS).

    That side has no modem lines: DSR and DCD follow its being open, CTS is always on, and what the
    port does with RTS and DTR cannot be seen.
    """

    driver = "cdc_acm"
    node = "tty/ttyACM*"
    inputs = (("dsr", "cd"),)
    always_on = frozenset({"cts"})  # the driver says so; there is no such line
    stuck = 1 << 15  # the gadget takes some 12 KiB before anybody reads

    def __init__(self) -> None:
        load("usb_f_acm", "cdc_acm")
        identity = Identity(0x1D6B, 0x0104, 0x0100, "Anyserial", "Virtual modem", "ANYSERIAL-ACM-")
        with ExitStack() as cleanup:
            super().__init__(Gadget(identity, "acm"))
            cleanup.callback(self._gadget.close)
            self.far_path = f"/dev/ttyGS{(self._gadget.function / 'port_num').read_text().strip()}"
            self._is_open = self._is_held = False
            # While it is not open, its node is held: the descriptor stays the same from test to test.
            self._far = os.open(self.far_path, os.O_PATH | os.O_CLOEXEC)
            cleanup.callback(os.close, self._far)
            cleanup.callback(self._gadget.unplug)
            self.plug()
            self._cleanup = cleanup.pop_all()

    def close(self) -> None:
        self._cleanup.close()

    def plug(self) -> None:
        super().plug()
        self._open_far(True)

    def _open_far(self, on: bool) -> None:
        fd = os.open(self.far_path, (os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK if on else os.O_PATH) | os.O_CLOEXEC)
        try:
            os.dup2(fd, self._far, inheritable=False)
        finally:
            os.close(fd)
        self._is_open = on
        if on:
            tty.setraw(self._far)
            termios.tcflush(self._far, termios.TCIOFLUSH)

    def reset(self) -> None:
        if not self._gadget.plugged:
            self.plug()
        fd = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            self.set_inputs(dsr=True)
            termios.tcflush(fd, termios.TCIOFLUSH)
            self._is_held = False
            with suppress(BlockingIOError):
                while os.read(self._far, 65536):
                    pass
        finally:
            os.close(fd)

    def send(self, data: bytes) -> None:
        deadline = time.monotonic() + PATIENCE
        while data:
            if not select.select([], [self._far], [], deadline - time.monotonic())[1]:
                raise TimeoutError(f"{len(data)} bytes that the port does not take")
            data = data[os.write(self._far, data) :]

    def receive(self, size: int, timeout: float = PATIENCE) -> bytes:
        if self._is_held:
            raise ValueError("hold(False) first")
        data, deadline = b"", time.monotonic() + timeout
        while len(data) < size:
            if not select.select([self._far], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{len(data)} of {size} bytes within {timeout} s: {data[-60:]!r}")
            data += os.read(self._far, size - len(data))
        return data

    def hold(self, on: bool) -> None:
        """Read nothing at the far end, which takes some 12 KiB all the same; or go on."""
        self._is_held = on

    def set_inputs(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        if cts is not None or ri is not None or cd not in {None, dsr}:
            raise ValueError("of a CDC-ACM gadget only DSR changes, and DCD with it")
        if dsr is not None and dsr != self._is_open:
            self._open_far(dsr)

    def outputs(self) -> dict[str, bool]:
        raise NotImplementedError("the gadget does not show RTS and DTR")

    def send_break(self) -> None:
        termios.tcsendbreak(self._far, 0)


def drain(fd: int) -> None:
    """Wait for tcdrain, which is EINTR now and then after an event loop has run in this thread."""
    while True:
        try:
            return termios.tcdrain(fd)
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                raise


def _chip(driver: str, vid: int, pid: int, release: int, product: str) -> Callable[[], ChipLink]:
    identity = Identity(vid, pid, release, "Anyserial", product, f"ANYSERIAL-{driver.upper()}-")
    return lambda: ChipLink(driver, identity)


LINKS: dict[str, Callable[[], Link]] = {
    "ftdi_sio": _chip("ftdi_sio", 0x0403, 0x6001, 0x0600, "Virtual FT232R"),
    "cp210x": _chip("cp210x", 0x10C4, 0xEA60, 0x0100, "Virtual CP2102"),
    "pl2303": _chip("pl2303", 0x067B, 0x2303, 0x0300, "Virtual PL2303TA"),
    "ch341": _chip("ch341", 0x1A86, 0x7523, 0x0263, "Virtual CH340G"),
    "cdc_acm": AcmLink,
}
