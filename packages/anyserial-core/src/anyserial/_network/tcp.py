"""Raw TCP, ``tcp://host:port`` and ``socket://host:port``: the bytes of the connection are the port's.

The connection has no settings, no lines and no breaks. `SerialConfig.unsupported_policy` decides what happens to a
setting; a call for a line or a break is refused.
"""

from typing import TYPE_CHECKING, Literal

from anyserial._errno import closed_error
from anyserial._network import refusals
from anyserial._network.address import TCP_OPTIONS, parse
from anyserial._network.channel import Channel
from anyserial._network.connecting import connect
from anyserial._network.connection import Connection
from anyserial._network.features import stream_features
from anyserial._network.wire import Plain
from anyserial.config import SerialConfig
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from anyserial._network.thread_calls import ThreadCalls
    from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
    from anyserial.discovery import PortInfo

__all__ = ("TcpBackend", "create_backend")

_WHAT = "a raw TCP connection"


class TcpBackend:
    """A port behind a raw TCP connection; an `AsyncSerialBackend`."""

    kind: Literal["self-waiting"] = "self-waiting"

    def __init__(self) -> None:
        self.path: str = ""
        self.capabilities: SerialCapabilities = stream_features("tcp")
        self.actual_baudrate: int | None = None
        self._config = SerialConfig()
        self._channel: Channel | None = None
        self._connection: Connection | None = None
        self.port_info: PortInfo | None = None

    @property
    def is_open(self) -> bool:
        """Whether the connection is held."""
        return self._channel is not None and self._channel.is_open

    def _open_channel(self) -> Channel:
        if self._channel is None:
            raise closed_error(self.path or None)
        return self._channel

    async def open(self, path: str, config: SerialConfig) -> None:
        """Connect.

        Raises:
            ConfigurationError: *path* is not a URL of a network port.
            PortNotFoundError: The host is not known, or nothing listens there.
            UnsupportedFeatureError: *config* has settings, and its policy is RAISE.
            SerialError: The host cannot be reached.

        Cancellation: nothing is left open.
        """
        address = parse(path, TCP_OPTIONS)
        refusals.lacks(config, _WHAT, refusals.unusual(config), path)
        self._connection = connection = Connection(await connect(address), address)
        self._channel = Channel(connection, Plain(), path)
        self.path = path
        self.port_info = address.describe("raw TCP connection")
        self._config = config

    async def aclose(self) -> None:
        """Close the connection; output may leave as long as it moves.

        Cancellation: the connection is closed all the same.
        """
        if self._channel is not None:
            await self._channel.close(self._config.close_timeout)

    async def receive(self, max_bytes: int) -> bytes:
        """See `AsyncSerialBackend`."""
        return await self._open_channel().receive(max_bytes)

    async def send(self, data: bytes | memoryview) -> int:
        """See `AsyncSerialBackend`."""
        return await self._open_channel().send(data)

    def send_now(self, data: bytes | memoryview) -> int | None:
        """See `AsyncSerialBackend`."""
        return self._open_channel().send_now(data)

    def receive_now(self, max_bytes: int) -> bytes | None:
        """See `AsyncSerialBackend`."""
        return self._open_channel().receive_now(max_bytes)

    def _thread_calls(self) -> "ThreadCalls":
        """Return the calls that the blocking port makes in its caller's thread."""
        return self._open_channel().share(lambda _: None)

    def interrupt(self) -> None:
        """See `AsyncSerialBackend`."""
        if self._channel is not None:
            self._channel.interrupt()

    def input_waiting(self) -> int:
        """Return how many bytes have arrived."""
        channel = self._open_channel()
        channel.look()
        size = channel.wire.inbox.size
        if not channel.reads_ahead and self._connection is not None:
            size += self._connection.unread()
        if not size:
            channel.check()
        return size

    def output_waiting(self) -> int:
        """Return how many bytes the server's system has not acknowledged (on Linux; elsewhere 0)."""
        channel = self._open_channel()
        channel.look()
        channel.check()
        return channel.unsent()

    async def configure(self, config: SerialConfig) -> None:
        """Take settings that ask for nothing."""
        self._open_channel().check()
        refusals.lacks(config, _WHAT, refusals.unusual(config), self.path)
        self._config = config

    async def reset_input_buffer(self) -> None:
        """Discard what has arrived."""
        channel = self._open_channel()
        channel.check()
        ahead, channel.reads_ahead = channel.reads_ahead, True
        try:
            channel.discard_input()
        finally:
            channel.reads_ahead = ahead

    async def reset_output_buffer(self) -> None:
        """Do nothing: what TCP has taken cannot be taken back."""
        self._open_channel().check()

    async def drain(self) -> None:
        """Wait until the server's system has acknowledged every byte."""
        await self._open_channel().drain()

    drain_exact = drain

    async def set_break(self, on: bool) -> None:  # noqa: ARG002  # see `AsyncSerialBackend`
        """Refuse: there is no break."""
        self._open_channel().check()
        raise self._lacking("break")

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:  # noqa: ARG002
        """Refuse: there are no lines."""
        self._open_channel().check()
        raise self._lacking("control lines")

    async def modem_lines(self) -> "ModemLines":
        """Refuse: there are no lines."""
        self._open_channel().check()
        raise self._lacking("modem lines")

    async def control_lines(self) -> "ControlLines":
        """Refuse: there are no lines."""
        self._open_channel().check()
        raise self._lacking("control lines")

    async def line_counters(self) -> "LineCounters":
        """Refuse: nothing counts."""
        self._open_channel().check()
        raise self._lacking("line counters")

    def _lacking(self, feature: str) -> UnsupportedFeatureError:
        import errno  # noqa: PLC0415  # for errors only

        return UnsupportedFeatureError(errno.ENOTSUP, f"{_WHAT} has no {feature}", self.path)


def create_backend() -> TcpBackend:
    """Return an unopened backend."""
    return TcpBackend()
