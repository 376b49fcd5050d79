"""`serve`: a port for clients in the network, one at a time.

Theory of operation. Every connection has a task. It waits for its turn, asks the source for the port, runs a
`ClientLink` and gives the port back. The turn is a lock, so whatever one client leaves behind (output that has to
leave, a close) is over before the next one begins. What may hold up a turn is bounded.

What is said to a client is in `server_session`, what happens to it in `client_link`, where the port comes
from in `port_sources`.
"""

import errno
import logging
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Unpack, override

import anyio
from anyio import TASK_STATUS_IGNORED

from anyserial._checks import check_flag, check_seconds
from anyserial._inspection import inspect_serial_port
from anyserial._network.client_link import ClientLink
from anyserial._network.listening import Endpoint, addresses_of, check_endpoint, listen
from anyserial._network.peers import close, part, peer_name, shown_address, watch_for_death
from anyserial._network.port_sources import HeldPort, LentPort, OpenedPort
from anyserial._network.server_session import RawSession, Rfc2217Session
from anyserial._opening import settled
from anyserial._printable import printable
from anyserial.discovery import PortInfo
from anyserial.exceptions import SerialDisconnectedError, SerialError
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    from anyio.abc import ByteStream, Listener, TaskStatus

    from anyserial._network.port_sources import PortSource
    from anyserial.config import SerialConfig, SerialConfigFields

__all__ = ("PortServer", "ServerStatistics", "serve")

_LOGGER = logging.getLogger("anyserial.network")

type Protocol = Literal["RFC 2217", "TCP"]

MOST_WAITING: Final = 128  # connections that wait for their turn or are being refused; more are closed unheard
# Seconds that a client waits for its turn before it is refused: the one before may just be leaving.
GRACE: Final = 0.3
PAUSE: Final = 0.1  # seconds before the next accept after the system was out of something
_OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatistics:
    """What a server has done so far: a snapshot.

    Attributes:
        clients_served: Clients that got the port.
        clients_refused: Clients that did not, because it was in use or could not be opened.
        bytes_to_port: Bytes of clients that were handed to the port.
        bytes_to_clients: Bytes of the port that were sent to clients.
    """

    clients_served: int
    clients_refused: int
    bytes_to_port: int
    bytes_to_clients: int


class PortServer:
    """A running server. Made by `serve`, which reports it to `anyio.abc.TaskGroup.start`."""

    def __init__(
        self, name: str, source: "PortSource", *, close_timeout: float, take_over: bool, idle_timeout: float | None
    ) -> None:
        self._name = printable(name)
        self._source = source
        self._close_timeout = close_timeout
        self._take_over = take_over
        self._idle_timeout = idle_timeout
        self._turn = anyio.Lock()
        self._link: ClientLink | None = None
        self._peer: str | None = None
        self._is_ending = False
        self._newest = 0
        self._waiting = 0
        self._served = 0
        self._refused = 0
        self._to_port = 0
        self._to_clients = 0
        self._addresses: dict[str, tuple[object, ...]] = {}

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs that reach the port: ``("rfc2217://127.0.0.1:2217",)``. A listener that has no URL is left out."""
        schemes = {"RFC 2217": "rfc2217", "TCP": "tcp"}
        return tuple(
            f"{schemes[kind]}://{shown_address(address)}"
            for kind, addresses in self._addresses.items()
            for address in addresses
            if not isinstance(address, str)  # a path
        )

    @property
    def client(self) -> str | None:
        """The address of the client that has the port, such as ``"127.0.0.1:52114"``; None if none has."""
        return self._peer

    @property
    def port(self) -> SerialPort | None:
        """The port, while it is open. Its settings and lines may be read; a client is using it."""
        port = self._source.port
        return port if port is not None and port.is_open else None

    @property
    def statistics(self) -> ServerStatistics:
        """What was done so far."""
        link = self._link
        return ServerStatistics(
            clients_served=self._served,
            clients_refused=self._refused,
            bytes_to_port=self._to_port + (link.bytes_received if link else 0),
            bytes_to_clients=self._to_clients + (link.bytes_sent if link else 0),
        )

    def end_client(self) -> None:
        """Let go of the client that has the port; nothing if none has. What it has sent still leaves."""
        if self._link is not None:
            self._link.end("the server let go of it")

    @override
    def __repr__(self) -> str:
        where = ", ".join(f"{kind} on {shown_address(one)}" for kind, all_ in self._addresses.items() for one in all_)
        return f"<anyserial.network.PortServer of {self._name}: {where or 'not listening'}>"

    # For `serve`

    async def _run(
        self, listeners: "dict[Protocol, Listener[ByteStream]]", task_status: "TaskStatus[PortServer]"
    ) -> None:
        errors: list[SerialError] = []
        ready = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def look_after_port() -> None:
                try:
                    await self._source.run(ready.set)
                except SerialError as exc:
                    errors.append(exc)
                    tasks.cancel_scope.cancel()

            tasks.start_soon(look_after_port)
            await ready.wait()
            for kind, listener in listeners.items():
                self._addresses[kind] = tuple(addresses_of(listener))
                for address in self._addresses[kind]:
                    _LOGGER.info("%s: serving by %s on %s", self._name, kind, shown_address(address))
                tasks.start_soon(self._accept, kind, listener)
            task_status.started(self)
        if errors:
            raise errors[0]

    async def _accept(self, kind: Protocol, listener: "Listener[ByteStream]") -> None:
        handle = partial(self._handle, kind)
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    await listener.serve(handle, tasks)
                except OSError as exc:
                    if exc.errno not in _OUT_OF:
                        raise
                    _LOGGER.warning("%s: cannot accept a client now (%s)", self._name, exc.strerror)
                    await anyio.sleep(PAUSE)

    # A client

    async def _handle(self, kind: Protocol, stream: "ByteStream") -> None:
        peer = peer_name(stream)
        try:
            if self._waiting >= MOST_WAITING:
                self._refused += 1
                return
            self._waiting += 1
            try:
                watch_for_death(stream)
                await part(stream, await self._serve(kind, stream, peer))
            finally:
                self._waiting -= 1
        except Exception:
            # One client must not end the server for all others.
            _LOGGER.exception("%s: serving %s failed", self._name, peer)
        finally:
            await close(stream)

    async def _serve(self, kind: Protocol, stream: "ByteStream", peer: str) -> bytes:
        """Serve one client; return the text that it receives before its connection is closed."""
        if not await self._take_turn(peer):
            return self._refuse(kind, peer, "another client has the port")
        try:
            try:
                port = await self._source.acquire()
            except (SerialError, ImportError) as exc:
                return self._refuse(kind, peer, str(exc))
            await self._serve_on(port, kind, stream, peer)
        finally:
            self._is_ending = False
            self._turn.release()
        return b""

    async def _take_turn(self, peer: str) -> bool:
        if self._take_over:
            self._newest += 1
            number = self._newest
            if self._link is not None:
                self._link.end(f"{peer} took over")
            await self._turn.acquire()
            if number == self._newest:
                return True
            self._turn.release()  # a still newer client waits
            return False
        with anyio.move_on_after(GRACE):
            await self._turn.acquire()
            return True
        if not self._is_ending:
            return False
        with anyio.move_on_after(self._close_timeout + GRACE):
            await self._turn.acquire()
            return True
        return False

    def _refuse(self, kind: Protocol, peer: str, why: str) -> bytes:
        self._refused += 1
        _LOGGER.info("%s: refused %s: %s", self._name, peer, why)
        # A raw client would take the text for data of the device.
        return f"anyserial: {printable(why)}\r\n".encode() if kind == "RFC 2217" else b""

    async def _serve_on(self, port: SerialPort, kind: Protocol, stream: "ByteStream", peer: str) -> None:
        session = Rfc2217Session() if kind == "RFC 2217" else RawSession()
        link = ClientLink(port, stream, session, self._idle_timeout)
        self._link, self._peer = link, peer
        self._served += 1
        _LOGGER.info("%s: %s has the port, by %s", self._name, peer, kind)
        try:
            await link.run()
        finally:
            self._is_ending = True
            self._peer = None
            try:
                await self._end(link)
            finally:
                self._to_port += link.bytes_received
                self._to_clients += link.bytes_sent
                self._link = None
                _LOGGER.info(
                    "%s: %s%s is gone: %s; %d bytes to the port, %d from it",
                    self._name,
                    peer,
                    f" ({printable(link.signature)})" if link.signature else "",
                    link.reason or "the server ends",
                    link.bytes_received,
                    link.bytes_sent,
                )

    async def _end(self, link: ClientLink) -> None:
        """Let what the client has sent leave, for as long as a close may take, and give the port back."""
        is_gone = isinstance(link.port_error, SerialDisconnectedError)
        left = is_gone
        try:
            with anyio.move_on_after(self._close_timeout, shield=True):
                try:
                    if not is_gone:
                        await link.finish()
                    left = True
                except SerialError as exc:
                    _LOGGER.info("%s: the rest of the client's output is lost (%s)", self._name, exc)
        finally:
            await self._source.release(hurry=not left)


async def serve(
    port: "str | os.PathLike[str] | PortInfo | SerialPort",
    rfc2217: Endpoint | None = None,
    tcp: Endpoint | None = None,
    *,
    config: "SerialConfig | None" = None,
    take_over: bool = False,
    hold: bool = False,
    wait: bool = False,
    reset_on_connect: bool = False,
    idle_timeout: float | None = None,
    task_status: "TaskStatus[PortServer]" = TASK_STATUS_IGNORED,
    **config_fields: "Unpack[SerialConfigFields]",
) -> None:
    """Serve a port to clients in the network until cancelled.

    These protocols have no authentication and no encryption: everyone who can connect can use the port. So a
    number listens on loopback only.

    One client at a time has the port. It finds the settings of *config* if the port is opened for it, and
    nothing is reset otherwise. A client by RFC 2217 can change every setting, and is always answered with the
    value in force. A client by raw TCP only exchanges bytes.

    A client that does not read stops the port from being read, so that the driver's flow control stops the
    device; at most some hundred kilobytes are held for it. When a client leaves, what it has sent still has
    `SerialConfig.close_timeout` seconds to leave. When the device goes, the client's connection is closed.
    What happens is logged at INFO, to the logger ``anyserial.network``.

    Args:
        port: What to open: a path, a PortInfo, a URL. Or an open port, which is used and stays open.
        rfc2217: Where to listen for clients by RFC 2217: a port number on loopback (0 for any free one), a host
            and a port number (``("0.0.0.0", 2217)`` for every IPv4 address), or an AnyIO listener of byte
            streams, such as a TLSListener. The listener is closed at the end.
        tcp: Where to listen for clients by raw TCP, as *rfc2217*. At least one of the two is needed.
        config: The settings that the port is opened with; None for the defaults of `SerialConfig`.
        take_over: A new client gets the port, and the client that has it is let go. Otherwise the new client
            is refused.
        hold: Keep the port open between clients, so that connecting does not move DTR and RTS, and open it
            again when its device comes back. Otherwise it is opened for each client and other programs can
            have it in between.
        wait: Begin although the device is not there now.
        reset_on_connect: With *hold*, apply the settings again and discard old input for each client.
        idle_timeout: Seconds, above 0, without a byte in either direction, after which a client is let go; None
            for no limit.
        task_status: For `anyio.abc.TaskGroup.start`, which returns the `PortServer` once it is listening.
        **config_fields: Fields of `SerialConfig`; they override those of *config*.

    Raises:
        PortNotFoundError: The device is not there, and *wait* is false.
        SerialDisconnectedError: An open port was given, and its device is gone.
        SerialClosedError: An open port was given, and it was closed.
        SerialError: As `open_serial_port`, for a port that is held. If the port is opened for each client, the
            client receives the reason instead; only a path that leads to no serial port is refused at once.
        ConfigurationError: A field is not valid.
        OSError: The server cannot listen there; ``filename`` is the address.
        TypeError: An argument has the wrong type, or an open port was given together with settings.
        ValueError: A number is out of its range, or there is nowhere to listen.

    Cancellation: the clients are let go and the listeners closed. What clients have sent has
    `SerialConfig.close_timeout` seconds to leave; then a port that the server opened is closed.
    """
    endpoints = _endpoints(rfc2217, tcp)
    flags = {"take_over": take_over, "hold": hold, "wait": wait, "reset_on_connect": reset_on_connect}
    for name, flag in flags.items():
        check_flag(name, flag)
    if idle_timeout is not None:
        check_seconds("idle_timeout", idle_timeout, zero=False)
    if isinstance(port, SerialPort):
        if config is not None or config_fields:
            raise TypeError("an open port has its settings already: use port.configure() before serve()")
        source: PortSource = LentPort(port)
        settings, named = port.config, port.path
    else:
        settings, named = settled(config, config_fields), _name_of(port)
        if not (hold or wait or "://" in named):
            await inspect_serial_port(port)  # what can never be opened is refused now, and not to each client
        source = HeldPort(port, settings, waits=wait, resets=reset_on_connect) if hold else OpenedPort(port, settings)
    server = PortServer(
        named,
        source,
        close_timeout=settings.close_timeout,
        take_over=take_over,
        idle_timeout=idle_timeout,
    )
    listeners: dict[Protocol, Listener[ByteStream]] = {}
    try:
        for kind, endpoint in endpoints.items():
            listeners[kind] = await listen(endpoint)
        await server._run(listeners, task_status)  # noqa: SLF001  # the class above
    finally:
        with anyio.CancelScope(shield=True):
            for listener in listeners.values():
                await listener.aclose()


def _endpoints(rfc2217: Endpoint | None, tcp: Endpoint | None) -> "dict[Protocol, Endpoint]":
    given: dict[Protocol, tuple[str, Endpoint | None]] = {"RFC 2217": ("rfc2217", rfc2217), "TCP": ("tcp", tcp)}
    endpoints: dict[Protocol, Endpoint] = {}
    for kind, (name, endpoint) in given.items():
        if endpoint is not None:
            check_endpoint(name, endpoint)
            endpoints[kind] = endpoint
    if not endpoints:
        raise ValueError("serve needs somewhere to listen: give it rfc2217=2217, or tcp=, or both")
    return endpoints


def _name_of(port: "str | os.PathLike[str] | PortInfo") -> str:
    return port.device if isinstance(port, PortInfo) else os.fspath(port)
