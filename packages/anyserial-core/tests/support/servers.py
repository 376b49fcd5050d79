"""A server of RFC 2217 that does what a test tells it to, well or badly."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyserial._network.com_port import Command, ComPortError, Control, decode, encode
from anyserial._network.telnet import BINARY, COM_PORT, ECHO, SGA, Subnegotiation, Telnet, escaped, subnegotiation

PATIENCE = 30.0


class Server:
    """One server. Set the attributes before a client comes.

    Attributes:
        silent: Commands that are left without an answer.
        silent_controls: Values of SET-CONTROL that are left without an answer.
        answers: What is answered instead of the value that was asked for.
        agrees: Whether COM-PORT-OPTION is agreed to.
        greeting: Bytes sent to each client first.
        echoes: Whether data is sent back.
        split: Whether every byte is sent by itself.
        heard: The commands of the client, in their order.
        data: The data of the client.
        rate: The rate that is told when it is asked for.
        streams: The connections.
    """

    def __init__(self) -> None:
        self.silent: set[Command] = {Command.SIGNATURE, Command.NOTIFY_MODEM_STATE}
        self.silent_controls: set[int] = {Control.ASK_DTR, Control.ASK_RTS, Control.ASK_BREAK}
        self.answers: dict[Command, Callable[[int], int]] = {}
        self.agrees = True
        self.greeting = b""
        self.echoes = True
        self.split = False
        self.heard: list[tuple[Command, int | bytes]] = []
        self.data = bytearray()
        self.rate = 0
        self.streams: list[SocketStream] = []
        self.url = ""
        self._news = anyio.Event()
        self._writing = anyio.Lock()

    async def serve(self, stream: SocketStream) -> None:
        """Serve one client until it goes."""
        self.streams.append(stream)
        self._tell()
        remote = (BINARY, SGA, COM_PORT) if self.agrees else (BINARY, SGA)
        telnet = Telnet(local=(BINARY, SGA, ECHO), remote=remote)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._converse(stream, telnet)

    async def _converse(self, stream: SocketStream, telnet: Telnet) -> None:
        async with stream:
            await self.write(self.greeting, stream)
            async for data in stream:
                reply = bytearray()
                for event in telnet.feed(data):
                    reply += telnet.take_output()
                    if isinstance(event, bytes):
                        self.data += event
                        reply += escaped(event) if self.echoes else b""
                    elif isinstance(event, Subnegotiation) and event.option == COM_PORT:
                        reply += self._answer(event.payload)
                await self.write(bytes(reply + telnet.take_output()), stream)
                self._tell()

    def _answer(self, payload: bytes) -> bytes:
        command, value = decode(payload, from_server=False)
        self.heard.append((command, value))
        if command in self.silent or (command is Command.CONTROL and value in self.silent_controls):
            return b""
        if isinstance(value, int):
            if command is Command.BAUDRATE:
                self.rate = value or self.rate
                value = self.rate
            if (answer := self.answers.get(command)) is not None:
                value = answer(value)
        try:
            return message(command, value)
        except ComPortError:
            return b""

    async def write(self, data: bytes, stream: SocketStream | None = None) -> None:
        """Send bytes as they are; None for the last client."""
        async with self._writing:
            for piece in (bytes((byte,)) for byte in data) if self.split else (data,):
                if piece:
                    await (stream or self.streams[-1]).send(piece)

    async def say(self, command: Command, value: int | bytes = 0) -> None:
        """Send a message."""
        await self.write(message(command, value))

    async def until(self, done: Callable[[], Any]) -> None:
        """Wait until *done*, which is asked whenever something arrives."""
        with anyio.fail_after(PATIENCE):
            while not done():
                self._news = anyio.Event()
                await self._news.wait()

    def _tell(self) -> None:
        self._news.set()

    def count(self, command: Command) -> int:
        """Return how often the client has said *command*."""
        return sum(heard is command for heard, _ in self.heard)


def message(command: Command, value: int | bytes = 0) -> bytes:
    """Return a server's message as it goes over the wire."""
    return subnegotiation(COM_PORT, encode(command, value, from_server=True))


@asynccontextmanager
async def serving(server: Server, scheme: str = "rfc2217", host: str = "127.0.0.1") -> AsyncGenerator[str]:
    """Let *server* serve, and return its URL."""
    async with (
        await anyio.create_tcp_listener(local_host=host) as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(SocketAttribute.local_port)
        server.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        tasks.start_soon(listener.serve, server.serve)
        try:
            yield server.url
        finally:
            tasks.cancel_scope.cancel()
