"""An open port, put together from its parts. Each face has one, and adds only how it waits.

| part | owns |
|---|---|
| `lifecycle` | the state, the calls that use the backend, the one close |
| `transport` | the backend, and the attempts to read and write |
| `pushback` | what was read and not handed to a caller yet |
| this module | the settings in force, and the byte counts |

What the operations do is in `operations`, which owns nothing.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial._clock import now
from anyserial._port.lifecycle import CLOSED, DISCONNECTED, OPEN, RECEIVER, Lifecycle
from anyserial._port.pushback import Pushback
from anyserial._port.transport import DescriptorTransport, waits_itself
from anyserial.exceptions import SerialDisconnectedError, SerialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.contract import Transport
    from anyserial._port.self_waiting import SelfWaitingTransport
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import PortStatistics, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("OpenPort",)


class OpenPort:
    """One open port, for one of the two faces.

    Args:
        backend: An open backend; from now on it belongs to the port.
        config: The settings that it was opened with.
        port_info: What discovery knows about the device.
        self_waiting: Makes the transport for an `AsyncSerialBackend`; None for `SelfWaitingTransport`.

    Raises:
        SerialClosedError: *backend* is not open.
        TypeError: *backend* declares an unknown kind.

    Attributes:
        path: The path that was opened.
        config: The settings in force.
        chunk_size: The most bytes that a single read takes.
        bytes_sent: How many bytes the kernel has taken.
        bytes_received: How many bytes were handed to callers.
    """

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "chunk_size",
        "config",
        "lifecycle",
        "path",
        "port_info",
        "pushback",
        "transport",
    )

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        port_info: "PortInfo | None",
        self_waiting: "Callable[[AsyncSerialBackend], SelfWaitingTransport] | None" = None,
    ) -> None:
        self.path: str = backend.path
        self.pushback: Pushback = Pushback()
        self.transport: Transport = _transport_for(backend, self.pushback, config, self_waiting)
        self.port_info: PortInfo | None = port_info
        self.bytes_sent: int = 0
        self.bytes_received: int = 0
        self.adopt(config)
        self.lifecycle: Lifecycle = Lifecycle(self.transport, self.path)

    def adopt(self, config: "SerialConfig") -> None:
        """Note settings that the driver has applied."""
        self.config: SerialConfig = config
        self.chunk_size: int = config.read_chunk_size

    # A wait may outlast the settings, so these look up the transport's attempt each time.

    def read(self, size: int) -> bytes | None:
        """Attempt to read."""
        return self.transport.read(size)

    def read_into(self, buffer: memoryview) -> int | None:
        """Attempt to read into *buffer*."""
        return self.transport.read_into(buffer)

    def write(self, data: bytes | memoryview) -> int | None:
        """Attempt to write."""
        return self.transport.write(data)

    def read_with_time(self, size: int) -> tuple[bytes, float] | None:
        """Attempt to read, and note the time right after it."""
        data = self.transport.read(size)
        return None if data is None else (data, now())

    # Available in every state

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What this port can do."""
        return self.transport.capabilities

    @property
    def statistics(self) -> "PortStatistics":
        """The byte counts so far."""
        from anyserial.capabilities import PortStatistics  # noqa: PLC0415  # rarely needed, slow to create

        return PortStatistics(bytes_sent=self.bytes_sent, bytes_received=self.bytes_received)

    @property
    def is_readable(self) -> bool:
        """Whether a receive may return bytes; once the device is gone, only bytes that were pushed back."""
        state = self.lifecycle.state
        return state == OPEN or (state == DISCONNECTED and bool(self.pushback))

    # What cannot block

    def input_waiting(self) -> int:
        """Return how many received bytes a receive can return without waiting."""
        pushed_back = len(self.pushback)
        try:
            return pushed_back + self._query(self.transport.input_waiting)
        except SerialDisconnectedError:
            if pushed_back and self.lifecycle.state != CLOSED:
                return pushed_back
            raise

    def output_waiting(self) -> int:
        """Return how many bytes have not been sent."""
        return self._query(self.transport.output_waiting)

    def share(self) -> int | None:
        """Return the descriptor for the caller, who may register it; event loops watch a duplicate from now on.

        None if there is no descriptor.
        """
        return self._query(self._share)

    def _share(self) -> int | None:
        number = self.transport.share()
        if (watched := self.transport.watched()) is not None:
            for waker in list(self.lifecycle.calls.values()):
                if waker is not None:
                    waker.move(watched)
        return number

    def _query[T](self, query: "Callable[[], T]") -> T:
        lifecycle = self.lifecycle
        ticket = object()
        # The call leaves twice, because the first time may be interrupted. It calls only functions of C there.
        try:
            try:
                lifecycle.enter(ticket, None)
                return query()
            finally:
                lifecycle.calls.pop(ticket, None)
                if lifecycle.ending is not None:
                    lifecycle.post(lifecycle.closing.advance)
        except BaseException as exc:
            lifecycle.calls.pop(ticket, None)
            if lifecycle.ending is not None:
                lifecycle.post(lifecycle.closing.advance)
            if isinstance(exc, SerialDisconnectedError):
                self.unplug(exc)
            raise

    def unplug(self, cause: BaseException | None) -> None:
        """Note that the device is gone; bytes that the backend still holds can be received afterwards."""
        if self.lifecycle.state == OPEN:
            self._salvage()
        self.lifecycle.unplug(cause)

    def _salvage(self) -> None:
        ticket = object()
        turns = self.lifecycle.turns
        try:
            # A receive that is under way finds the bytes itself.
            if turns.setdefault(RECEIVER, ticket) is ticket:
                self._read_the_rest()
        finally:
            if turns.get(RECEIVER) is ticket:
                del turns[RECEIVER]

    def _read_the_rest(self) -> None:
        # A function of its own: the jump out of a handler is outside of the `try` around it, and a signal may
        # come there.
        with suppress(SerialError):
            self.transport.read_the_rest(self.pushback.items, self.chunk_size)

    def check_open(self) -> None:
        """Raise the refusal of a call that the state does not allow."""
        if self.lifecycle.state:
            raise self.lifecycle.refusal()

    def has_input(self) -> bool:
        """Return whether the kernel still holds bytes; a receive returns them before the disconnect."""
        try:
            return bool(self.transport.input_waiting())
        except SerialError:
            return False


def _transport_for(
    backend: "SerialBackend | AsyncSerialBackend",
    pushback: "Pushback",
    config: "SerialConfig",
    self_waiting: "Callable[[AsyncSerialBackend], SelfWaitingTransport] | None",
) -> "Transport":
    """Return the transport for an open backend; *self_waiting* makes that for an `AsyncSerialBackend`.

    Raises:
        SerialClosedError: *backend* is not open.
        TypeError: *backend* declares an unknown kind.
    """
    if not backend.is_open:
        from anyserial._errno import closed_error  # noqa: PLC0415  # for errors only

        raise closed_error(backend.path or None)
    if waits_itself(backend):
        if self_waiting is not None:
            return self_waiting(backend)
        from anyserial._port.self_waiting import SelfWaitingTransport  # noqa: PLC0415  # few ports need it

        return SelfWaitingTransport(backend)
    return DescriptorTransport(backend, pushback, config)
