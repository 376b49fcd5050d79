"""Backends of the tests' own: core is tested without any other part of anyserial.

`PtyBackend` is a `SerialBackend` on a real tty, which notes who calls what on which thread and lets a
test step into every call. `OwnBackend` is an `AsyncSerialBackend` in memory. `Far` is a pty.
"""

import errno
import fcntl
import os
import select
import struct
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

import anyio
from anyserial.capabilities import Capability, ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import (
    LineError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedFeatureError,
    errno_to_exception,
)

__all__ = ("BLOCKING", "CAPABILITIES", "Far", "OwnBackend", "PtyBackend", "no_counters", "until")

CAPABILITIES = SerialCapabilities(
    platform="test",
    backend="test",
    custom_baudrate=Capability.SUPPORTED,
    mark_space_parity=Capability.UNSUPPORTED,
    one_point_five_stop_bits=Capability.UNSUPPORTED,
    xon_xoff=Capability.SUPPORTED,
    rts_cts=Capability.UNKNOWN,
    dtr_dsr=Capability.UNSUPPORTED,
    modem_lines=Capability.SUPPORTED,
    break_signal=Capability.SUPPORTED,
    exclusive_access=Capability.UNSUPPORTED,
    low_latency=Capability.UNSUPPORTED,
    rs485=Capability.UNSUPPORTED,
    input_waiting=Capability.SUPPORTED,
    output_waiting=Capability.SUPPORTED,
    port_discovery=Capability.UNSUPPORTED,
)
QUIET = ModemLines(cts=False, dsr=False, ri=False, cd=False)

# What may block, and so may not be called on an event loop's thread.
BLOCKING = frozenset(
    (
        "open",
        "close",
        "configure",
        "reset_input_buffer",
        "reset_output_buffer",
        "drain",
        "transmitter_empty",
        "set_break",
        "modem_lines",
        "control_lines",
        "set_control_lines",
        "line_counters",
    )
)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does, which has no event to wait for; at most five seconds."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.001)


class Far:
    """The far end of a pty."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self._ends = [self.master, self.slave]

    def write(self, data: bytes) -> None:
        """Send, and return only once the port can read it."""
        os.write(self.master, data)
        assert select.select([self.slave], [], [], 5)[0], "nothing arrived within 5 s"

    def read(self, count: int) -> bytes:
        """Receive so many bytes."""
        data = b""
        while len(data) < count:
            assert select.select([self.master], [], [], 5)[0], f"only {data!r} arrived within 5 s"
            data += os.read(self.master, count - len(data))
        return data

    def hang_up(self) -> None:
        """Close both ends, as if the device were unplugged."""
        while self._ends:
            os.close(self._ends.pop())


class PtyBackend:
    """A `SerialBackend` over the tty at a path.

    ``calls`` has the name and the thread of every call. ``hooks[name]`` is called first in
    the call of that name: it may raise, block, or do nothing. The lines, the queue and the
    transmitter are the test's to set.
    """

    @property
    def kind(self) -> Literal["descriptor"]:
        return "descriptor"

    def __init__(self) -> None:
        self._fd = -1
        self._path = ""
        self._guard = threading.Lock()
        self.calls: list[tuple[str, int]] = []
        self.hooks: dict[str, Callable[[], object]] = {}
        self.config: SerialConfig | None = None
        self.lines = QUIET
        self.control = ControlLines(rts=True, dtr=True)
        self.counts: list[int] | None = [0] * 11
        self.break_on = False
        self.breaks: list[bool] = []
        self.queued: int | None = None
        self.transmitter: deque[bool | None] = deque()
        self.decoder: Callable[[bytes], Sequence[bytes | LineError]] | None = None
        self.actual_baudrate: int | None = None

    def names(self) -> list[str]:
        """The names of the calls, in order."""
        return [name for name, _ in self.calls]

    def _note(self, name: str) -> None:
        self.calls.append((name, threading.get_ident()))
        if (hook := self.hooks.get(name)) is not None:
            hook()

    def _error(self, exc: OSError) -> SerialError:
        if exc.errno == errno.EIO and self.hung_up():
            exc = OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return errno_to_exception(exc, context="io", path=self._path)

    @property
    def path(self) -> str:
        return self._path

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    @property
    def capabilities(self) -> SerialCapabilities:
        return CAPABILITIES

    @property
    def line_decoder(self) -> Callable[[bytes], Sequence[bytes | LineError]] | None:
        return self.decoder

    def open(self, path: str, config: SerialConfig) -> None:
        self._note("open")
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise errno_to_exception(exc, context="open", path=path) from exc
        try:
            tty.setraw(fd)
        except termios.error as exc:
            os.close(fd)
            raise errno_to_exception(OSError(*exc.args), context="open", path=path) from exc
        self._fd, self._path, self.config = fd, path, config
        self.actual_baudrate = config.baudrate

    def close(self) -> None:
        with self._guard:
            self._note("close")
            fd, self._fd = self._fd, -1
            assert fd >= 0, "closed twice"
            os.close(fd)

    def fileno(self) -> int:
        if self._fd < 0:
            raise SerialClosedError(errno.EBADF, "closed", self._path)
        return self._fd

    def read(self, max_bytes: int) -> bytes | None:
        self._note("read")
        try:
            data = os.read(self.fileno(), max_bytes)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._error(exc) from exc
        if not data:
            raise SerialDisconnectedError(errno.ENODEV, "hung up", self._path)
        return data

    def read_into(self, buffer: memoryview) -> int | None:
        self._note("read_into")
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int | None:
        self._note("write")
        try:
            return os.write(self.fileno(), data) or None
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._error(exc) from exc

    def hung_up(self) -> bool:
        self._note("hung_up")
        poll = select.poll()
        poll.register(self.fileno(), 0)
        return bool(poll.poll(0))

    def input_waiting(self) -> int:
        self._note("input_waiting")
        return self._count(termios.FIONREAD)

    def output_waiting(self) -> int:
        self._note("output_waiting")
        count = self._count(termios.TIOCOUTQ)
        return count if self.queued is None else self.queued

    def _count(self, request: int) -> int:
        try:
            count: int = struct.unpack("i", fcntl.ioctl(self.fileno(), request, bytes(4)))[0]
        except OSError as exc:
            raise self._error(exc) from exc
        return count

    def _alive(self, name: str) -> None:
        """Begin a call that may block; refuse it if the device is gone."""
        self._note(name)
        self._count(termios.TIOCOUTQ)

    def configure(self, config: SerialConfig) -> None:
        self._alive("configure")
        self.config = config
        self.actual_baudrate = config.baudrate

    def reset_input_buffer(self) -> None:
        self._alive("reset_input_buffer")
        termios.tcflush(self.fileno(), termios.TCIFLUSH)

    def reset_output_buffer(self) -> None:
        self._alive("reset_output_buffer")
        termios.tcflush(self.fileno(), termios.TCOFLUSH)

    def drain(self) -> None:
        self._alive("drain")

    def transmitter_empty(self) -> bool | None:
        self._alive("transmitter_empty")
        return self.transmitter.popleft() if self.transmitter else None

    def set_break(self, on: bool) -> None:
        self._alive("set_break")
        self.break_on = on
        self.breaks.append(on)

    def modem_lines(self) -> ModemLines:
        self._alive("modem_lines")
        return self.lines

    def control_lines(self) -> ControlLines:
        self._alive("control_lines")
        return self.control

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        self._alive("set_control_lines")
        self.control = ControlLines(
            rts=self.control.rts if rts is None else rts, dtr=self.control.dtr if dtr is None else dtr
        )

    def line_counters(self) -> LineCounters:
        self._alive("line_counters")
        if self.counts is None:
            raise no_counters()
        names = ("cts", "dsr", "ri", "cd", "rx", "tx", "frame", "overrun", "parity", "brk", "buf_overrun")
        return LineCounters(**dict(zip(names, self.counts, strict=True)))


def no_counters() -> UnsupportedFeatureError:
    """What a backend raises whose driver does not count."""
    return UnsupportedFeatureError(errno.ENOTTY, "the driver does not count")


class OwnBackend:
    """An `AsyncSerialBackend` in memory, that sends back to itself what it is sent."""

    @property
    def kind(self) -> Literal["self-waiting"]:
        return "self-waiting"

    def __init__(self) -> None:
        self._path = ""
        self._is_open = False
        self._arrived = anyio.Event()
        self._data = bytearray()
        self.calls: list[str] = []
        self.hooks: dict[str, Callable[[], Any]] = {}
        self.gone = False
        self.takes = 65536
        self.config: SerialConfig | None = None
        self.lines = QUIET
        self.control = ControlLines(rts=True, dtr=True)
        self.breaks: list[bool] = []
        self.actual_baudrate: int | None = None

    async def _note(self, name: str) -> None:
        self.calls.append(name)
        if (hook := self.hooks.get(name)) is not None:
            await hook()
        if self.gone:
            raise SerialDisconnectedError(errno.ENODEV, "gone", self._path)

    @property
    def path(self) -> str:
        return self._path

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def capabilities(self) -> SerialCapabilities:
        return CAPABILITIES

    def arrive(self, data: bytes) -> None:
        """Have bytes arrive."""
        self._data += data
        self._arrived.set()

    def unplug(self) -> None:
        """Have the device go."""
        self.gone = True
        self._arrived.set()

    async def open(self, path: str, config: SerialConfig) -> None:
        await self._note("open")
        self._path, self.config, self._is_open = path, config, True
        self.actual_baudrate = config.baudrate

    async def aclose(self) -> None:
        self.calls.append("aclose")
        self._is_open = False
        if (hook := self.hooks.get("aclose")) is not None:
            await hook()

    async def receive(self, max_bytes: int) -> bytes:
        await self._note("receive")
        while not self._data:
            self._arrived = anyio.Event()
            await self._arrived.wait()
            if self.gone:
                raise SerialDisconnectedError(errno.ENODEV, "gone", self._path)
        data = bytes(self._data[:max_bytes])
        del self._data[:max_bytes]
        if data == b"\x00" and self.config is not None and self.config.line_errors is LineErrors.RAISE:
            raise LineError("a break", kind="break", byte=0)
        return data

    async def send(self, data: bytes | memoryview) -> int:
        await self._note("send")
        taken = bytes(data[: self.takes])
        self.arrive(taken)
        return len(taken)

    def input_waiting(self) -> int:
        self.calls.append("input_waiting")
        return len(self._data)

    def output_waiting(self) -> int:
        self.calls.append("output_waiting")
        if self.gone:
            raise SerialDisconnectedError(errno.ENODEV, "gone", self._path)
        return 0

    async def configure(self, config: SerialConfig) -> None:
        await self._note("configure")
        self.config = config
        self.actual_baudrate = config.baudrate

    async def reset_input_buffer(self) -> None:
        await self._note("reset_input_buffer")
        self._data.clear()

    async def reset_output_buffer(self) -> None:
        await self._note("reset_output_buffer")

    async def drain(self) -> None:
        await self._note("drain")

    async def drain_exact(self) -> None:
        await self._note("drain_exact")

    async def set_break(self, on: bool) -> None:
        await self._note("set_break")
        self.breaks.append(on)

    async def modem_lines(self) -> ModemLines:
        await self._note("modem_lines")
        return self.lines

    async def control_lines(self) -> ControlLines:
        await self._note("control_lines")
        return self.control

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        await self._note("set_control_lines")
        self.control = ControlLines(
            rts=self.control.rts if rts is None else rts, dtr=self.control.dtr if dtr is None else dtr
        )

    async def line_counters(self) -> LineCounters:
        await self._note("line_counters")
        raise no_counters()
