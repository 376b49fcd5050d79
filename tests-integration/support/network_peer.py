"""A client by RFC 2217 for tests: it says what a test tells it to, and hears everything."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Self

import anyio
from anyio.abc import SocketStream
from anyserial._network.com_port import Command, Message, decode, encode
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    ECHO,
    LOCAL,
    REMOTE,
    SGA,
    Subnegotiation,
    Telnet,
    escaped,
    subnegotiation,
)
from anyserial.network import PortServer

PATIENCE = 10.0


class Peer:
    """One connection."""

    def __init__(self, stream: SocketStream, *, split: bool = False) -> None:
        self.stream = stream
        self.data = b""
        self.messages: list[Message] = []
        self.is_over = False
        self.was_reset = False
        self._split = split
        self._telnet = Telnet(local=(BINARY, SGA, COM_PORT), remote=(BINARY, SGA, ECHO))

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if not self._split:
            await self.stream.send(data)
            return
        for byte in data:
            await self.stream.send(bytes((byte,)))

    async def send(self, data: bytes) -> None:
        """Send data for the port."""
        await self.write(bytes(escaped(data)))

    async def say(self, command: Command, value: int | bytes = 0) -> None:
        """Send a message."""
        await self.write(subnegotiation(COM_PORT, encode(command, value)))

    async def hear(self) -> None:
        """Take what has arrived, or wait for it; `is_over` tells of the end."""
        try:
            received = await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError) as exc:
            self.is_over = True
            self.was_reset = isinstance(exc, anyio.BrokenResourceError)
            return
        for event in self._telnet.feed(received):
            if isinstance(event, bytes):
                self.data += event
            elif isinstance(event, Subnegotiation):
                assert event.option == COM_PORT
                self.messages.append(decode(event.payload, from_server=True))
        if answers := self._telnet.take_output():
            await self.write(answers)

    async def until(self, condition: Callable[[Self], object]) -> None:
        """Hear until *condition* holds."""
        with anyio.fail_after(PATIENCE):
            while not condition(self):
                assert not self.is_over, (self.data, self.messages)
                await self.hear()

    async def agree(self) -> None:
        """Agree to COM-PORT-OPTION, and wait for the first notification."""
        self._telnet.request(LOCAL, COM_PORT)
        await self.write(self._telnet.take_output())
        await self.until(lambda peer: peer._telnet.is_on(LOCAL, COM_PORT))
        await self.until(lambda peer: peer.has(Command.NOTIFY_MODEM_STATE))
        assert self._telnet.is_on(REMOTE, BINARY)

    def has(self, command: Command) -> bool:
        """Return whether such a message has come."""
        return any(message.command is command for message in self.messages)

    async def next(self, command: Command) -> int | bytes:
        """Return the value of the next such message, and forget what has come before."""
        await self.until(lambda peer: peer.has(command))
        while True:
            message = self.messages.pop(0)
            if message.command is command:
                return message.value

    async def ask(self, command: Command, value: int | bytes = 0) -> int | bytes:
        """Send a message and return the answer."""
        self.messages = [message for message in self.messages if message.command is not command]
        await self.say(command, value)
        return await self.next(command)

    async def read(self, count: int) -> bytes:
        """Return *count* bytes of data."""
        await self.until(lambda peer: len(peer.data) >= count)
        data, self.data = self.data[:count], self.data[count:]
        return data

    async def end(self) -> None:
        """Wait for the end of the connection."""
        with anyio.fail_after(PATIENCE):
            while not self.is_over:
                await self.hear()


def port_of(server: PortServer, scheme: str = "rfc2217") -> int:
    """Return the port number at which a server speaks a protocol."""
    (url,) = [url for url in server.urls if url.startswith(f"{scheme}://127.0.0.1:")]
    return int(url.rpartition(":")[2])


@asynccontextmanager
async def connected(server: PortServer, *, split: bool = False, agrees: bool = True) -> AsyncGenerator[Peer]:
    """Connect to *server*, by default as far as COM-PORT-OPTION is on."""
    async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
        peer = Peer(stream, split=split)
        if agrees:
            await peer.agree()
        yield peer
