"""What the async and the blocking port have in common: state, counts, and the operations.

Theory of operation. Reading and writing are attempts on the backend; how one waits
between two attempts is each port's own affair. Every other operation is written here
once, as *steps*: a generator that yields what has to be done next, either a pause in
seconds or a call that may block, and is resumed with the result. The async port
awaits them (calls on a thread, pauses in the event loop), the blocking port does them
where it stands.

A port is open, then perhaps disconnected (the device is gone; the descriptor is let
go of at once, so that the device can come back under its name), then closed.

Not here: anything that knows an event loop, a descriptor or a platform.
"""

import time
from _thread import allocate_lock
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from anyserial import _offload
from anyserial._carry import Carry, MarkedReader
from anyserial._checks import check_flag, check_seconds
from anyserial._closing import ClosingJob, Leases
from anyserial._errno import closed_error, disconnected_error
from anyserial.exceptions import SerialDisconnectedError, SerialError, UnsupportedFeatureError

if TYPE_CHECKING:
    import threading

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import ControlLines, LineCounters, ModemLines, PortStatistics, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("CLOSED", "DISCONNECTED", "OPEN", "Call", "LinesSeen", "PortBase", "Steps")

OPEN = 0
DISCONNECTED = 1
CLOSED = 2

LIVENESS_INTERVAL = 0.02  # seconds: an unplug is noticed at least this often while something waits


class Call:
    """A step: a call that may block.

    Attributes:
        function: What to call; for an `AsyncSerialBackend` it returns an awaitable.
        undo: What to call after it if nobody waits for it any more.
        slow: Whether it lasts as long as the device likes, and nothing interrupts it.
    """

    __slots__ = ("function", "slow", "undo")

    def __init__(
        self, function: Callable[[], Any], *, undo: Callable[[], Any] | None = None, slow: bool = False
    ) -> None:
        self.function = function
        self.undo = undo
        self.slow = slow


type LinesSeen = tuple[ModemLines, tuple[int, ...] | None]
"""One look at the modem lines: their levels, and how often each has changed if the driver counts."""

type Steps[T] = Generator[float | Call, Any, T]
"""An operation: yields pauses in seconds and calls that may block, is sent the calls' results."""


class PortBase:
    """One open port, without the waiting. See the module's docstring."""

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """Take over an open backend.

        Args:
            backend: Open, and from now on nobody else's.
            config: What it was opened with.
            port_info: What discovery knows about the device.

        Raises:
            SerialClosedError: *backend* is not open.
        """
        if not backend.is_open:
            raise closed_error(backend.path or None)
        self._backend: Any = backend
        self._waits_itself = hasattr(backend, "aclose")  # an AsyncSerialBackend
        self._path = backend.path
        self._config = config
        self._port_info = port_info
        self._state = OPEN
        self._cause: BaseException | None = None
        self._settings_lock = allocate_lock()
        self._carry = Carry()
        self._carried = self._carry.items
        self._bytes_sent: int = 0
        self._bytes_received: int = 0
        self._leases = Leases()
        self._closing: ClosingJob | None = None
        self._detaching: list[threading.Event] = []
        self._use_settings()
        _offload.hold()

    def _use_settings(self) -> None:
        """Take up what a change of settings changes here."""
        backend, config = self._backend, self._config
        self._chunk_size = config.read_chunk_size
        self._read: Callable[[int], bytes | None] = _nothing
        self._read_into: Callable[[memoryview], int | None] = _nothing
        self._write: Callable[[bytes | memoryview], int | None] = _nothing
        if self._waits_itself:
            return
        self._write = backend.write
        if (decode := backend.line_decoder) is None:
            self._read, self._read_into = backend.read, backend.read_into
        else:
            reader = MarkedReader(backend.read, decode, self._carry)
            self._read, self._read_into = reader.read, reader.read_into

    def _read_now(self, size: int) -> bytes | None:
        """Read as the settings say at that moment: a wait may outlast them."""
        return self._read(size)

    def _read_into_now(self, buffer: memoryview) -> int | None:
        """The same into *buffer*."""
        return self._read_into(buffer)

    # State

    @property
    def path(self) -> str:
        """The path that was opened; readable in every state."""
        return self._path

    @property
    def is_open(self) -> bool:
        """Whether the port can be used: neither closed nor disconnected, as far as is known."""
        return self._state == OPEN

    @property
    def config(self) -> "SerialConfig":
        """The settings in force: the last that were applied successfully; readable in every state."""
        return self._config

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What this port can do; readable in every state."""
        capabilities: SerialCapabilities = self._backend.capabilities
        return capabilities

    @property
    def port_info(self) -> "PortInfo | None":
        """What discovery knows about the device; None if nothing."""
        return self._port_info

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported after the last settings, in bits per second; None if it cannot tell."""
        rate: int | None = self._backend.actual_baudrate
        return rate

    @property
    def statistics(self) -> "PortStatistics":
        """Bytes sent and received so far: a snapshot, readable in every state."""
        from anyserial.capabilities import PortStatistics  # noqa: PLC0415  # seldom needed, dear to create

        return PortStatistics(bytes_sent=self._bytes_sent, bytes_received=self._bytes_received)

    def input_waiting(self) -> int:
        """Return how many received bytes can be had without waiting.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone, and nothing is left of its bytes.
            UnsupportedFeatureError: The backend cannot tell.
        """
        carried = len(self._carry)
        try:
            count: int = self._probe(self._backend.input_waiting)
        except SerialDisconnectedError:
            if carried:
                return carried
            raise
        return carried + count

    def output_waiting(self) -> int:
        """Return how many bytes have not been sent yet; a pty always says 0.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone.
            UnsupportedFeatureError: The backend cannot tell.
        """
        count: int = self._probe(self._backend.output_waiting)
        return count

    def _probe(self, query: "Callable[[], Any]") -> Any:
        """Make a call that cannot block, here and now."""
        if self._state != OPEN or not self._leases.acquire():
            raise self._refusal()
        try:
            return query()
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            self._leases.release()

    def _refusal(self) -> SerialError:
        """Return the error of a call in a state that does not allow it."""
        if self._state == DISCONNECTED:
            return disconnected_error(self._path, self._cause)
        return closed_error(self._path)

    # The end

    def _disconnect(self, cause: BaseException) -> None:
        """Note that the device is gone, wake everybody, and let go of the descriptor."""
        if self._state == OPEN:
            self._state = DISCONNECTED
            self._cause = cause
            if self._waits_itself:
                self._detach()
            else:
                self._close_backend(linger=0.0)

    def _close_backend(
        self, *, linger: float, submit: Callable[[Callable[[], object]], None] = _offload.submit
    ) -> ClosingJob:
        """Hand the backend to its close, on a thread of *submit*'s; the same job every time."""
        if self._closing is None:
            self._closing = ClosingJob(self._backend, linger=linger)
            self._closing.start(self._leases, after=self._detach(), submit=submit)
        return self._closing

    def _detach(self) -> "Sequence[threading.Event]":
        """Wake every waiting call and let go of the descriptor.

        Returns:
            Events to be set before the descriptor may be closed, as `Waiter.detach`'s.
        """
        raise NotImplementedError

    # Operations, as steps

    def _configure(self, config: "SerialConfig") -> Steps[None]:
        if self._waits_itself:
            yield Call(lambda: self._backend.configure(config))
            self._adopt(config)
        else:
            yield Call(lambda: self._apply(config))

    def _apply(self, config: "SerialConfig") -> None:
        # All of it in the thread, so that a configure whose task was cancelled ends in a known state.
        with self._settings_lock:
            self._backend.configure(config)
            self._adopt(config)

    def _adopt(self, config: "SerialConfig") -> None:
        self._config = config
        self._use_settings()

    def _reset_input(self) -> Steps[None]:
        yield Call(self._backend.reset_input_buffer)
        self._carry.clear()

    def _reset_output(self) -> Steps[None]:
        yield Call(self._backend.reset_output_buffer)

    def _drain(self) -> Steps[None]:
        """Wait until the kernel's queue is empty."""
        if self._waits_itself:
            yield Call(self._backend.drain)
            return
        try:
            left = self._backend.output_waiting()
        except UnsupportedFeatureError:
            yield Call(self._backend.drain, slow=True)
            return
        while left:
            # Ten bits a character; looked at often enough to notice an unplug.
            yield min(max(left * 10 / self._config.baudrate, 0.0005), LIVENESS_INTERVAL)
            left = self._backend.output_waiting()

    def _drain_exact(self) -> Steps[None]:
        """Wait until the last bit has left."""
        if self._waits_itself:
            yield Call(self._backend.drain_exact)
            return
        yield from self._drain()
        while True:
            empty = yield Call(self._backend.transmitter_empty)
            if empty:
                return
            if empty is None:
                break
            yield min(max(20 / self._config.baudrate, 0.0005), LIVENESS_INTERVAL)
        yield Call(self._backend.drain, slow=True)

    def _send_break(self, duration: float) -> Steps[None]:
        """Hold the break for *duration* seconds and release it, whatever happens meanwhile."""
        check_seconds("duration", duration)
        release = partial(self._backend.set_break, False)  # a backend's break is on or off
        yield Call(partial(self._backend.set_break, True), undo=release)
        try:
            yield from self._pause(duration)
        except SerialDisconnectedError:
            raise
        except BaseException:
            # The first error says more, and a cancellation must stay one.
            with suppress(SerialError):
                yield Call(release)
            raise
        yield Call(release, undo=release)

    def _set_break(self, on: bool) -> Steps[None]:
        check_flag("on", on)
        yield Call(partial(self._backend.set_break, on))

    def _modem_lines(self) -> Steps["ModemLines"]:
        lines: ModemLines = yield Call(self._backend.modem_lines)
        return lines

    def _control_lines(self) -> Steps["ControlLines"]:
        lines: ControlLines = yield Call(self._backend.control_lines)
        return lines

    def _set_control_lines(self, rts: bool | None, dtr: bool | None) -> Steps[None]:
        for name, level in (("rts", rts), ("dtr", dtr)):
            if level is not None:
                check_flag(name, level)
        yield Call(partial(self._backend.set_control_lines, rts=rts, dtr=dtr))

    def _line_counters(self) -> Steps["LineCounters"]:
        counters: LineCounters = yield Call(self._backend.line_counters)
        return counters

    def _look_at_lines(self, *, counting: bool = True) -> Steps[LinesSeen]:
        """Read the modem lines and, where the driver counts their changes, the counts."""
        lines: ModemLines = yield Call(self._backend.modem_lines)
        if counting:
            try:
                counters: LineCounters = yield Call(self._backend.line_counters)
            except UnsupportedFeatureError:
                pass
            else:
                return lines, (counters.cts, counters.dsr, counters.ri, counters.cd)
        return lines, None

    def _modem_change(self, interval: float, since: LinesSeen | None) -> Steps[LinesSeen]:
        """Wait until the lines or their counts differ from *since*; return the new look."""
        check_seconds("interval", interval, zero=False)
        if since is None:
            since = yield from self._look_at_lines()
        while True:
            yield from self._pause(interval)
            now = yield from self._look_at_lines(counting=since[1] is not None)
            if now != since:
                return now

    def _pause(self, seconds: float) -> Steps[None]:
        """Pause, noticing an unplug meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            yield min(left, LIVENESS_INTERVAL)
            self._check_alive()

    def _check_alive(self) -> None:
        try:
            self._backend.output_waiting()
        except UnsupportedFeatureError:
            if hasattr(self._backend, "hung_up") and self._backend.hung_up():
                raise disconnected_error(self._path) from None


def _nothing(_argument: Any) -> None:
    """Stand in for the attempts of a backend that does its own waiting: there is never anything yet."""
