"""Two small backends of these tests' own, since no other part is installed here.

`PtyBackend` is a `SerialBackend` on a pty, `QueueBackend` an `AsyncSerialBackend` on nothing at all.
"""

import fcntl
import os
import select
import signal
import struct
import termios
import threading
import time
import traceback
import tty
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

import anyio
import pytest
from anyserial._errno import closed_error, disconnected_error, translate
from anyserial._port.reading import DirectCalls
from anyserial.capabilities import Capability, ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialError, UnsupportedFeatureError
from anyserial.sync import SerialPort

NAMES = (  # noqa: SIM905  # shorter
    "custom_baudrate mark_space_parity one_point_five_stop_bits xon_xoff rts_cts dtr_dsr modem_lines break_signal "
    "exclusive_access low_latency rs485 input_waiting output_waiting port_discovery"
).split()
CAPABILITIES = SerialCapabilities(platform="test", backend="test", **dict.fromkeys(NAMES, Capability.UNKNOWN))


class PtyBackend:
    """One end of a pty; what a pty has not is played."""

    line_decoder = None
    actual_baudrate = None
    capabilities = CAPABILITIES

    @property
    def kind(self) -> Literal["descriptor"]:
        return "descriptor"

    def __init__(self) -> None:
        self.path = ""
        self.fd = -1
        self.calls: list[Any] = []
        self.queued = 0  # what output_waiting answers
        self.lines = ModemLines(cts=False, dsr=False, ri=False, cd=False)
        self.counts: dict[str, int] | None = None
        self.transmitter: list[bool | None] = []
        self.hold: dict[str, threading.Event] = {}  # a call by this name blocks until the event is set
        self.entered: dict[str, threading.Event] = {}  # set when it has begun
        self.on_read: Any = None

    def _do(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.hold:
            self.entered.setdefault(name, threading.Event()).set()
            assert self.hold[name].wait(10)

    @property
    def is_open(self) -> bool:
        return self.fd >= 0

    def open(self, path: str, config: SerialConfig) -> None:
        self._do("open")
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        self._do("close")
        fd, self.fd = self.fd, -1
        os.close(fd)

    def fileno(self) -> int:
        if self.fd < 0:
            raise closed_error(self.path)
        return self.fd

    def read(self, max_bytes: int) -> bytes | None:
        self.calls.append("read")
        if self.on_read is not None:
            self.on_read()
        try:
            data = os.read(self.fd, max_bytes)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise translate(exc, context="io", path=self.path, hung_up=True) from exc
        if not data:
            raise disconnected_error(self.path)
        return data

    def read_into(self, buffer: memoryview) -> int | None:
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int | None:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise translate(exc, context="io", path=self.path, hung_up=True) from exc

    def hung_up(self) -> bool:
        return False

    def input_waiting(self) -> int:
        count: int = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4))[0]
        return count

    def output_waiting(self) -> int:
        return self.queued

    def configure(self, config: SerialConfig) -> None:
        self._do("configure")

    def reset_input_buffer(self) -> None:
        self._do("reset_input_buffer")
        termios.tcflush(self.fd, termios.TCIFLUSH)

    def reset_output_buffer(self) -> None:
        self._do("reset_output_buffer")

    def drain(self) -> None:
        self._do("drain")

    def transmitter_empty(self) -> bool | None:
        return self.transmitter.pop(0) if self.transmitter else None

    def set_break(self, on: bool) -> None:
        self._do("set_break", on)

    def modem_lines(self) -> ModemLines:
        self._do("modem_lines")
        return self.lines

    def control_lines(self) -> ControlLines:
        return ControlLines(rts=True, dtr=True)

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        self._do("set_control_lines", rts, dtr)

    def line_counters(self) -> LineCounters:
        if self.counts is None:
            raise UnsupportedFeatureError(None, "no counters", self.path)
        zero = dict.fromkeys(LineCounters.__dataclass_fields__, 0)
        return LineCounters(**{**zero, **self.counts})


class ExactBackend(PtyBackend):
    """A `PtyBackend` that reads and writes in single steps of C, as anyserial's own driver does."""

    @property
    def direct_calls(self) -> DirectCalls:
        return DirectCalls(os.read, os.write, 65536, self._error)

    def _error(self, error: OSError) -> SerialError:
        return translate(error, context="io", path=self.path, hung_up=True)

    def read_onto(self, items: list[Any], max_bytes: int) -> bool:
        try:
            items.extend(map(os.read, (self.fd,), (max_bytes,)))
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self._error(exc) from exc
        return True

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        try:
            counts.extend(map(os.write, (self.fd,), (data,)))
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self._error(exc) from exc
        return True


class Rig:
    """A port on a pty, and the far end in the test's hands."""

    def __init__(self, backend: PtyBackend | None = None) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.backend = backend or PtyBackend()
        self.backend.open(os.ttyname(slave), SerialConfig())
        os.close(slave)
        self.backend.calls.clear()
        self.config = SerialConfig(close_timeout=0.2)
        self.port = SerialPort(self.backend, self.config)

    def write(self, data: bytes) -> None:
        """Send to the port, and return once it can be read there."""
        before = self.backend.input_waiting()
        assert os.write(self.master, data) == len(data)
        deadline = time.monotonic() + 5
        while self.backend.input_waiting() < before + len(data):
            assert time.monotonic() < deadline
            os.sched_yield()

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A port whose backend does what every backend must."""
    yield from _made(Rig())


@pytest.fixture
def exact_rig() -> Iterator[Rig]:
    """A port whose backend also reads and writes in single steps."""
    yield from _made(Rig(ExactBackend()))


def _made(made: Rig) -> Iterator[Rig]:
    yield made
    for event in made.backend.hold.values():
        event.set()
    if hasattr(made, "port"):  # a test may forget it
        made.port.close(timeout=0)
        # It comes back within 40 ms, also when a loaded machine has not let the worker close by then.
        deadline = time.monotonic() + 5
        while made.backend.is_open and time.monotonic() < deadline:
            os.sched_yield()
    with suppress(OSError):
        made.hang_up()


def _run_in_child(check: Callable[[], object]) -> None:
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        # Python warns of a fork while threads run; that is what is tried here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            check()
        except BaseException:  # noqa: BLE001  # told to the parent
            os.write(writable, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(0)
    os.close(writable)
    pidfd = os.pidfd_open(child)
    try:
        ended = select.select([pidfd], [], [], 10)[0]
        if not ended:
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        failure = os.read(readable, 4096).decode()
    finally:
        os.close(pidfd)
        os.close(readable)
    assert ended, "the child was not over within 10 s"
    assert (code, failure) == (0, ""), failure


@pytest.fixture
def run_in_child() -> Callable[[Callable[[], object]], None]:
    """Call something in a forked child, and fail with what it raises there."""
    return _run_in_child


class QueueBackend:
    """Loops back what is sent, in an event loop."""

    actual_baudrate = None
    capabilities = CAPABILITIES

    @property
    def kind(self) -> Literal["self-waiting"]:
        return "self-waiting"

    def __init__(self) -> None:
        self.path = ""
        self.is_open = False
        self.queue = bytearray()
        self.more: anyio.Event | None = None
        self.calls: list[Any] = []
        self.threads: set[int] = set()
        self.gone = False
        self.never: set[str] = set()  # calls that do not end by themselves

    async def _do(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        self.threads.add(threading.get_ident())
        if name in self.never:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    async def open(self, path: str, config: SerialConfig) -> None:
        await self._do("open")
        self.path, self.is_open = path, True

    async def aclose(self) -> None:
        self.is_open = False
        self.calls.append(("aclose",))

    async def receive(self, max_bytes: int) -> bytes:
        await self._do("receive", max_bytes)
        while not self.queue:
            if self.gone:
                raise disconnected_error(self.path)
            self.more = anyio.Event()
            await self.more.wait()
        data = bytes(self.queue[:max_bytes])
        del self.queue[:max_bytes]
        return data

    async def send(self, data: bytes | memoryview) -> int:
        await self._do("send")
        part = bytes(data[:100])
        self.queue += part
        if self.more is not None:
            self.more.set()
        return len(part)

    def input_waiting(self) -> int:
        self.threads.add(threading.get_ident())
        return len(self.queue)

    def output_waiting(self) -> int:
        self.threads.add(threading.get_ident())
        return 0

    async def configure(self, config: SerialConfig) -> None:
        await self._do("configure")

    async def reset_input_buffer(self) -> None:
        self.queue.clear()

    async def reset_output_buffer(self) -> None:
        await self._do("reset_output_buffer")

    async def drain(self) -> None:
        await self._do("drain")

    async def drain_exact(self) -> None:
        await self._do("drain_exact")

    async def set_break(self, on: bool) -> None:
        await self._do("set_break", on)

    async def modem_lines(self) -> ModemLines:
        return ModemLines(cts=True, dsr=False, ri=False, cd=False)

    async def control_lines(self) -> ControlLines:
        return ControlLines(rts=True, dtr=False)

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        await self._do("set_control_lines", rts, dtr)

    async def line_counters(self) -> LineCounters:
        raise UnsupportedFeatureError(None, "no counters", self.path)


@pytest.fixture
def queue_backend() -> QueueBackend:
    return QueueBackend()


@pytest.fixture
def new_backend() -> type[PtyBackend]:
    """Make an unopened backend."""
    return PtyBackend
