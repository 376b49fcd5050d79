"""One internal interface for the two backend contracts: how a port reaches its device.

The backend declares which contract it follows (`SerialBackend.kind`), and is asked once, when the port is
made. A `DescriptorTransport` makes attempts (read, write) that never wait, and hands what may
block to a worker. A `SelfWaitingTransport` has no attempts that could succeed, and its calls return
awaitables, because such a backend waits by itself.

Operations that differ between the kinds (drain) are here, as steps; all others are in `operations`.
Waiting does not belong here, nor which call may use the port when (see `lifecycle`).
"""

from _thread import allocate_lock
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from anyserial._port.engine import Call
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeIs

    from anyserial._port.contract import Items, LinesSeen, OnWorker
    from anyserial._port.duplicate import Duplicate
    from anyserial._port.engine import Steps
    from anyserial._port.pushback import Pushback
    from anyserial._port.reading import DirectCalls
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import LineCounters, SerialCapabilities
    from anyserial.config import SerialConfig

__all__ = (
    "LIVENESS_INTERVAL",
    "DescriptorTransport",
    "line_counts",
    "nothing",
    "nothing_onto",
    "waits_itself",
)

LIVENESS_INTERVAL: Final = 0.02  # seconds: an unplug is noticed at least this often while something waits


def waits_itself(backend: "SerialBackend | AsyncSerialBackend") -> "TypeIs[AsyncSerialBackend]":
    """Return whether *backend* is an `AsyncSerialBackend`.

    The backend declares it (`kind`). A backend written before `kind` existed is an `AsyncSerialBackend` if
    its `open` is a coroutine function.

    Raises:
        TypeError: It declares an unknown kind.
    """
    kind: object = getattr(backend, "kind", None)
    if kind is None:
        from inspect import iscoroutinefunction  # noqa: PLC0415  # only for backends without a kind

        return iscoroutinefunction(backend.open)
    if kind not in ("descriptor", "self-waiting"):
        raise TypeError(
            "a backend's kind must be 'descriptor' (SerialBackend) or 'self-waiting' (AsyncSerialBackend)"
            f" (got {kind!r})"
        )
    return bool(kind == "self-waiting")


class DescriptorTransport:
    """A `SerialBackend`: attempts on a descriptor, and calls for a worker."""

    has_descriptor = True

    def __init__(self, backend: "SerialBackend", pushback: "Pushback", config: "SerialConfig") -> None:
        self._line_errors = config.line_errors
        self._pushback = pushback
        # Only workers take it, and no signal handler runs there.
        self._settings = allocate_lock()
        self._duplicates: list[Duplicate] = []
        self.outbox: list[bytes | memoryview] = []
        self.read: Callable[[int], bytes | None] = backend.read
        self.read_into: Callable[[memoryview], int | None] = backend.read_into
        self.replace_backend(backend)

    def replace_backend(self, backend: "SerialBackend") -> None:
        """See `Transport`."""
        self.backend: SerialBackend = backend
        self.write: Callable[[bytes | memoryview], int | None] = backend.write
        # The only place that asks for what a backend may leave out.
        self._read_onto: Callable[[Items, int], bool] = getattr(backend, "read_onto", self._read_then_append)
        self.write_onto: Callable[[list[int], bytes | memoryview], bool] = getattr(
            backend, "write_onto", self._write_then_append
        )
        self.readers: dict[int, Iterator[bytes]] | None = None
        self.writer: Iterator[int] | None = None
        self._system: DirectCalls | None = getattr(backend, "direct_calls", None)
        if self._system is not None:
            feed: Iterator[Any] = iter(self.outbox.pop, None)
            self.writer = map(self._system.write, repeat(backend.fileno()), feed)
        if self.read is not nothing:  # otherwise the change of settings under way does it
            self.take_up_settings()

    def take_up_settings(self) -> None:
        """Bind the attempts that fit the settings in force."""
        backend = self.backend
        if (decode := backend.line_decoder) is None:
            self.read, self.read_into, self.read_onto = backend.read, backend.read_into, self._read_onto
            if self._system is not None:
                from anyserial._port.reading import Readers  # noqa: PLC0415  # the backend's DirectCalls are from there

                self.readers = Readers(self._system, backend.fileno())
        else:
            from anyserial._port.reading import MarkedReader  # noqa: PLC0415  # few ports need it

            self.readers = None
            marked = MarkedReader(backend.read, decode, self._pushback)
            self.read, self.read_into, self.read_onto = marked.read, marked.read_into, marked.read_onto
        if self.backend is not backend:  # replaced by another thread meanwhile
            self.take_up_settings()

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

    def watched(self) -> int:
        """See `Transport`."""
        for duplicate in self._duplicates:
            if (number := duplicate.fileno()) is not None:
                return number
        return self.backend.fileno()

    def share(self) -> int:
        """See `Transport`."""
        number = self.backend.fileno()
        if not self._duplicates:
            from anyserial._port.duplicate import Duplicate  # noqa: PLC0415  # few programs ask for the descriptor

            self._duplicates.append(Duplicate())
        self._duplicates[0].take(number, self.backend.path)
        return number

    def hung_up(self) -> bool:
        """See `Transport`."""
        return self.backend.hung_up()

    def read_the_rest(self, items: "Items", size: int) -> None:
        """See `Transport`."""
        while self.read_onto(items, size):
            pass

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
                from anyserial._errno import disconnected_error  # noqa: PLC0415  # for errors only

                raise disconnected_error(path) from None

    def configure(self, config: "SerialConfig", adopt: "Callable[[], None]") -> Call:
        """See `Transport`."""

        # All of it happens in the worker, so that a configure ends in a known state even if its caller gave up.
        def apply() -> None:
            try:
                if config.line_errors is not self._line_errors:
                    # At an unknown moment during the change, the driver begins or stops marking bytes. So reads find
                    # nothing until the decoder for both kinds is in place.
                    self.read, self.read_into, self.read_onto = nothing, nothing, nothing_onto
                    self.readers = None
                self.backend.configure(config)
                self._line_errors = config.line_errors
            finally:
                self.take_up_settings()
            adopt()

        return Call(apply, guard=self._settings, changes=True)

    def drain(self, baudrate: int) -> "Steps[None]":
        """See `Transport`."""
        try:
            left = self.backend.output_waiting()
        except UnsupportedFeatureError:
            yield Call(self.backend.drain)
            return
        while left:
            # Ten bits a character; short enough to notice an unplug.
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
        """See `Transport`: a driver call cannot be ended early."""
        return function, None

    def look_at_lines(self, *, counting: bool) -> Call:
        """See `Transport`."""

        def look() -> "LinesSeen":
            lines = self.backend.modem_lines()
            if counting:
                with suppress(UnsupportedFeatureError):
                    return lines, line_counts(self.backend.line_counters())
            return lines, None

        return Call(look)

    def modem_change(self, since: "LinesSeen") -> None:
        """See `Transport`: nothing can wait for a driver's report and be interrupted."""

    def discard_output(self) -> None:
        """See `Transport`."""
        self.backend.reset_output_buffer()

    def close(self) -> None:
        """See `Transport`."""
        for duplicate in self._duplicates:
            duplicate.close()
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


def nothing(_argument: object) -> None:
    """Stand in for an attempt that never finds anything."""


def nothing_onto(_items: object, _argument: object) -> bool:
    """The same, onto a list."""
    return False


def line_counts(counters: "LineCounters") -> tuple[int, ...]:
    return counters.cts, counters.dsr, counters.ri, counters.cd
