"""One interface inside for the two backend contracts: how a port reaches its device.

Which of the two it is, the backend declares (`SerialBackend.kind`), and it is asked once, when the
port is made: `transport_for`. A `DescriptorTransport` makes attempts (read, write) that never
wait; what may block are calls for a worker. A `SelfWaitingTransport` has no attempts that could
succeed, and its calls return awaitables; a port waits in the backend itself then.

Operations that differ between the kinds (drain) are here, as steps; all others are in `operations`.
Not here: waiting, and who may do what when (`lifecycle`).
"""

from _thread import allocate_lock
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from anyserial._errno import closed_error, disconnected_error
from anyserial._port.engine import Call
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeIs

    import anyio

    from anyserial._port.contract import Items, LinesSeen, OnWorker, Transport
    from anyserial._port.engine import Steps
    from anyserial._port.pushback import Pushback
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import LineCounters, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.exceptions import SerialError

__all__ = (
    "LIVENESS_INTERVAL",
    "DescriptorTransport",
    "DirectCalls",
    "SelfWaitingTransport",
    "transport_for",
    "waits_itself",
)

MOST_READERS: Final = 16
LIVENESS_INTERVAL: Final = 0.02  # seconds: an unplug is noticed at least this often while something waits


def waits_itself(backend: "SerialBackend | AsyncSerialBackend") -> "TypeIs[AsyncSerialBackend]":
    """Return whether *backend* is an `AsyncSerialBackend`.

    It says so itself. For one written before there was anything to say, its `open` does: a
    coroutine function belongs to an `AsyncSerialBackend`.
    """
    kind: object = getattr(backend, "kind", None)
    if kind is None:
        from inspect import iscoroutinefunction  # noqa: PLC0415  # for backends that declare nothing

        return iscoroutinefunction(backend.open)
    if kind not in ("descriptor", "self-waiting"):
        raise TypeError(
            "a backend's kind must be 'descriptor' (SerialBackend) or 'self-waiting' (AsyncSerialBackend)"
            f" (got {kind!r})"
        )
    return bool(kind == "self-waiting")


def transport_for(
    backend: "SerialBackend | AsyncSerialBackend",
    pushback: "Pushback",
    config: "SerialConfig",
    self_waiting: "Callable[[AsyncSerialBackend], SelfWaitingTransport]",
) -> "Transport":
    """Return the transport for an open backend, made by *self_waiting* for an `AsyncSerialBackend`.

    Raises:
        SerialClosedError: It is not open.
        TypeError: It declares a kind that there is not.
    """
    if not backend.is_open:
        raise closed_error(backend.path or None)
    if waits_itself(backend):
        return self_waiting(backend)
    return DescriptorTransport(backend, pushback, config)


class DescriptorTransport:
    """A `SerialBackend`: attempts on a descriptor, and calls for a worker."""

    has_descriptor = True

    def __init__(self, backend: "SerialBackend", pushback: "Pushback", config: "SerialConfig") -> None:
        self.backend: Final = backend
        self._line_errors = config.line_errors
        self._pushback = pushback
        # Workers alone take it: no signal handler runs there.
        self._settings = allocate_lock()
        self.read: Callable[[int], bytes | None] = backend.read
        self.read_into: Callable[[memoryview], int | None] = backend.read_into
        self.write: Callable[[bytes | memoryview], int | None] = backend.write
        # What a backend may leave out is asked for here and nowhere else.
        self._read_onto: Callable[[Items, int], bool] = getattr(backend, "read_onto", self._read_then_append)
        self.write_onto: Callable[[list[int], bytes | memoryview], bool] = getattr(
            backend, "write_onto", self._write_then_append
        )
        self.outbox: list[bytes | memoryview] = []
        self.readers: dict[int, Iterator[bytes]] | None = None
        self.writer: Iterator[int] | None = None
        self._system: DirectCalls | None = getattr(backend, "direct_calls", None)
        if self._system is not None:
            feed: Iterator[Any] = iter(self.outbox.pop, None)
            self.writer = map(self._system.write, repeat(backend.fileno()), feed)
        self.take_up_settings()

    def take_up_settings(self) -> None:
        """Bind the attempts as the settings in force want them."""
        backend = self.backend
        if (decode := backend.line_decoder) is None:
            self.read, self.read_into, self.read_onto = backend.read, backend.read_into, self._read_onto
            if self._system is not None:
                self.readers = _Readers(self._system, backend.fileno())
        else:
            self.readers = None
            marked = _MarkedReader(backend.read, decode, self._pushback)
            self.read, self.read_into, self.read_onto = marked.read, marked.read_into, marked.read_onto

    def read_failed(self, error: OSError) -> None:
        """See `Transport`."""
        if self._system is not None and not isinstance(error, BlockingIOError):
            raise self._system.error(error) from error

    write_failed = read_failed

    @property
    def capabilities(self) -> "SerialCapabilities":
        """See `Transport`."""
        return self.backend.capabilities

    @property
    def actual_baudrate(self) -> int | None:
        """See `Transport`."""
        return self.backend.actual_baudrate

    def fileno(self) -> int:
        """See `Transport`."""
        return self.backend.fileno()

    def hung_up(self) -> bool:
        """See `Transport`."""
        return self.backend.hung_up()

    def input_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.input_waiting()

    def output_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.output_waiting()

    def check_alive(self, path: str) -> None:
        """See `Transport`."""
        try:
            self.backend.output_waiting()
        except UnsupportedFeatureError:
            if self.backend.hung_up():
                raise disconnected_error(path) from None

    def configure(self, config: "SerialConfig", adopt: "Callable[[], None]") -> Call:
        """See `Transport`."""

        # All of it in the worker, so that a configure whose caller gave up ends in a known state.
        def apply() -> None:
            try:
                if config.line_errors is not self._line_errors:
                    # Bytes are marked, or not, from some moment during the change: until the decoder that knows
                    # it is taken up, there is nothing to read.
                    self.read, self.read_into, self.read_onto = _nothing, _nothing, _nothing_onto
                    self.readers = None
                self.backend.configure(config)
                self._line_errors = config.line_errors
            finally:
                self.take_up_settings()
            adopt()

        return Call(apply, guard=self._settings)

    def drain(self, baudrate: int) -> "Steps[None]":
        """See `Transport`."""
        try:
            left = self.backend.output_waiting()
        except UnsupportedFeatureError:
            yield Call(self.backend.drain)
            return
        while left:
            # Ten bits a character; looked at often enough to notice an unplug.
            yield min(max(left * 10 / baudrate, 0.0005), LIVENESS_INTERVAL)
            left = self.backend.output_waiting()

    def drain_exact(self, baudrate: int) -> "Steps[None]":
        """See `Transport`."""
        yield from self.drain(baudrate)
        while True:
            empty = yield Call(self.backend.transmitter_empty)
            if empty:
                return
            if empty is None:
                break
            yield min(max(20 / baudrate, 0.0005), LIVENESS_INTERVAL)
        yield Call(self.backend.drain)

    def on_worker(self, function: "Callable[[], Any]") -> "OnWorker":
        """See `Transport`: nothing interrupts a driver."""
        return function, None

    def look_at_lines(self, *, counting: bool) -> Call:
        """See `Transport`."""

        def look() -> "LinesSeen":
            lines = self.backend.modem_lines()
            if counting:
                with suppress(UnsupportedFeatureError):
                    return lines, _line_counts(self.backend.line_counters())
            return lines, None

        return Call(look)

    def discard_output(self) -> None:
        """See `Transport`."""
        self.backend.reset_output_buffer()

    def close(self) -> None:
        """See `Transport`."""
        self.backend.close()

    def _read_then_append(self, items: "Items", max_bytes: int) -> bool:
        data = self.backend.read(max_bytes)
        if data is None:
            return False
        items.append(data)
        return True

    def _write_then_append(self, counts: list[int], data: bytes | memoryview) -> bool:
        count = self.backend.write(data)
        if count is None:
            return False
        counts.append(count)
        return True


class DirectCalls:
    """What a backend may offer as ``direct_calls``: the system calls behind its `read` and `write`, as calls of C.

    Args:
        read: Takes the descriptor and a count, as `os.read`.
        write: Takes the descriptor and data, as `os.write`.
        read_limit: The most that one read is asked for.
        error: Returns the SerialError that an OSError of one of them means; does not block.
    """

    __slots__ = ("error", "read", "read_limit", "write")

    def __init__(
        self,
        read: "Callable[[int, int], bytes]",
        write: "Callable[[int, bytes | memoryview], int]",
        read_limit: int,
        error: "Callable[[OSError], SerialError]",
    ) -> None:
        self.read = read
        self.write = write
        self.read_limit = read_limit
        self.error = error


class _Readers(dict[int, "Iterator[bytes]"]):
    """Iterators by the count that is asked for, each made when it is first needed."""

    def __init__(self, system: DirectCalls, fd: int) -> None:
        super().__init__()
        self._system = system
        self._fd = fd

    def __missing__(self, size: int) -> "Iterator[bytes]":
        if len(self) >= MOST_READERS:
            self.clear()
        limit = min(size, self._system.read_limit)
        reader = self[size] = map(self._system.read, repeat(self._fd), repeat(limit))
        return reader


class _MarkedReader:
    """Reads from a driver that marks line errors in the data, and separates the two."""

    __slots__ = ("_decode", "_pushback", "_read")

    def __init__(
        self,
        read: "Callable[[int], bytes | None]",
        decode: "Callable[[bytes], Any]",
        pushback: "Pushback",
    ) -> None:
        self._read = read
        self._decode = decode
        self._pushback = pushback

    def read(self, size: int) -> bytes | None:
        """Read once; None if there is nothing to hand over yet.

        Raises:
            LineError: The first thing read was damaged.
        """
        if not self.read_onto(self._pushback.items, size):
            return None
        return self._pushback.take(size)

    def read_into(self, buffer: memoryview) -> int | None:
        """The same into *buffer*."""
        if not self.read_onto(self._pushback.items, len(buffer)):
            return None
        return self._pushback.take_into(buffer)

    def read_onto(self, items: "Items", size: int) -> bool:
        """The same onto *items*."""
        data = self._read(size)
        if data is None:
            return False
        decoded = self._decode(data)
        items.extend(decoded)
        return bool(decoded)


class SelfWaitingTransport:
    """An `AsyncSerialBackend`: it waits by itself, so an attempt never finds anything."""

    has_descriptor = False

    def __init__(self, backend: "AsyncSerialBackend") -> None:
        self.backend: Final = backend
        self.read: Callable[[int], bytes | None] = _nothing
        self.read_into: Callable[[memoryview], int | None] = _nothing
        self.read_onto: Callable[[Items, int], bool] = _nothing_onto
        self.write: Callable[[bytes | memoryview], int | None] = _nothing
        self.write_onto: Callable[[list[int], bytes | memoryview], bool] = _nothing_onto
        self.readers: dict[int, Iterator[bytes]] | None = None
        self.writer: Iterator[int] | None = None
        self.outbox: list[bytes | memoryview] = []
        self._settings: tuple[object, anyio.Lock] | None = None

    def read_failed(self, error: OSError) -> None:
        """See `Transport`: there is no step that could fail."""

    write_failed = read_failed

    @property
    def capabilities(self) -> "SerialCapabilities":
        """See `Transport`."""
        return self.backend.capabilities

    @property
    def actual_baudrate(self) -> int | None:
        """See `Transport`."""
        return self.backend.actual_baudrate

    def fileno(self) -> None:
        """See `Transport`."""

    def hung_up(self) -> bool:
        """See `Transport`."""
        return False

    def input_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.input_waiting()

    def output_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.output_waiting()

    def check_alive(self, path: str) -> None:  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        try:
            self.backend.output_waiting()
        except UnsupportedFeatureError:
            return

    def configure(self, config: "SerialConfig", adopt: "Callable[[], None]") -> Call:
        """See `Transport`."""
        from anyio import Lock  # noqa: PLC0415  # few backends wait by themselves, and this is slow to import

        from anyserial._readiness import native_token  # noqa: PLC0415

        async def apply() -> None:
            # A lock is one event loop's; a port that is in use has not left its own.
            loop = native_token()
            if self._settings is None or self._settings[0] is not loop:
                self._settings = loop, Lock()
            async with self._settings[1]:
                await self.backend.configure(config)
                adopt()

        return Call(apply)

    def drain(self, baudrate: int) -> "Steps[None]":  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        yield Call(self.backend.drain)

    def drain_exact(self, baudrate: int) -> "Steps[None]":  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        yield Call(self.backend.drain_exact)

    def look_at_lines(self, *, counting: bool) -> Call:
        """See `Transport`."""

        async def look() -> "LinesSeen":
            lines = await self.backend.modem_lines()
            if counting:
                with suppress(UnsupportedFeatureError):
                    return lines, _line_counts(await self.backend.line_counters())
            return lines, None

        return Call(look)

    def discard_output(self) -> None:
        """See `Transport`; `aclose` of the backend sees to that."""

    def on_worker(self, function: "Callable[[], Any]") -> "OnWorker":
        """See `Transport`; the blocking face has a transport of its own for this."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Transport`: the backend's close is awaited by the face, in its event loop."""


def _line_counts(counters: "LineCounters") -> tuple[int, ...]:
    return counters.cts, counters.dsr, counters.ri, counters.cd


def _nothing(_argument: object) -> None:
    """Stand in for an attempt: there is never anything yet."""


def _nothing_onto(_items: object, _argument: object) -> bool:
    """The same, onto a list."""
    return False
