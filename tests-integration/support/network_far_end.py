"""The far end of a network port, in a thread: a client in any event loop, or in none, talks to it."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from anyserial._network.com_port import Command, Control, decode, encode
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    LOCAL,
    REMOTE,
    SGA,
    Subnegotiation,
    Telnet,
    escaped,
    subnegotiation,
)

PATIENCE = 10.0


class FarEnd:
    """A server for one client after another.

    Args:
        speaks: Whether it speaks RFC 2217; otherwise it is raw TCP.
        echoes: Whether data is sent back.
    """

    def __init__(self, *, speaks: bool, echoes: bool = False) -> None:
        self._speaks = speaks
        self._echoes = echoes
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "rfc2217" if speaks else "tcp"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._client: socket.socket | None = None
        self._connected = threading.Event()
        self._data = bytearray()
        self._levels: dict[int, int] = {Control.ASK_DTR: Control.DTR_ON, Control.ASK_RTS: Control.RTS_ON}
        self._thread = threading.Thread(target=self._run, name="far end")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send data."""
        assert self._connected.wait(PATIENCE)
        self._write(bytes(escaped(data)) if self._speaks else data)

    def say(self, command: Command, value: int) -> None:
        """Send a message."""
        assert self._connected.wait(PATIENCE)
        self._write(subnegotiation(COM_PORT, encode(command, value, from_server=True)))

    def receive(self, count: int) -> bytes:
        """Return up to *count* bytes of data that have come."""
        with self._lock:
            found = bytes(self._data[:count])
            del self._data[:count]
        return found

    def hang_up(self) -> None:
        """End the connection."""
        assert self._connected.wait(PATIENCE)
        client = self._client
        assert client is not None
        with suppress(OSError):  # it has ended already
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._client is not None and self._connected.is_set():
            self.hang_up()
        self._thread.join(PATIENCE)
        self._listener.close()

    def _write(self, data: bytes) -> None:
        client = self._client
        if client is not None and data:
            client.sendall(data)

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client = client
                self._connected.set()
                with suppress(OSError):
                    self._serve(client)
                self._connected.clear()

    def _serve(self, client: socket.socket) -> None:
        telnet = Telnet(local=(BINARY, SGA), remote=(BINARY, SGA, COM_PORT))
        if self._speaks:
            telnet.request(LOCAL, SGA)
            telnet.request(REMOTE, BINARY)
        while data := client.recv(65536):
            if not self._speaks:
                self._take(data)
                continue
            for event in telnet.feed(data):
                if isinstance(event, bytes):
                    self._take(event)
                elif isinstance(event, Subnegotiation) and event.option == COM_PORT:
                    self._write(telnet.take_output())
                    self._answer(event.payload)
            self._write(telnet.take_output())

    def _take(self, data: bytes) -> None:
        if self._echoes:
            self._write(bytes(escaped(data)) if self._speaks else data)
            return
        with self._lock:
            self._data += data

    def _answer(self, payload: bytes) -> None:
        command, value = decode(payload, from_server=False)
        if command is Command.SIGNATURE:
            value = b"far end"
        elif command is Command.CONTROL:
            for kind in self._levels:
                if value in (kind + 1, kind + 2):
                    self._levels[kind] = int(value)
            value = self._levels.get(int(value), value)
        self._write(subnegotiation(COM_PORT, encode(command, value, from_server=True)))
