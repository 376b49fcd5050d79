"""`share`: several tasks on one port, each with a link of its own.

Theory of operation. No task reads in the background. A link whose receive finds nothing in the log reads
from the port for everyone, and appends what comes to the log; receives on other links meanwhile wait for
that. A reader that leaves (cancelled, closed, or with an error) wakes the others, and one of them goes on
reading. So nothing is read unless a link waits, errors of the port reach every link by way of its own
receive, and there is nothing to start, to supervise or to stop.

`log` decides what is kept for each link. Programs on ptys are in `ptys`.
"""

import errno
from typing import TYPE_CHECKING, Any, Self, cast, override

import anyio
from anyio.abc import ByteStream

from anyserial import _readiness
from anyserial._checks import as_bytes, check_integer, check_positive, refusal
from anyserial._errno import busy_error
from anyserial._looking.log import Log
from anyserial._readiness import uninterrupted
from anyserial.exceptions import LineError, SerialClosedError
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

__all__ = ("PortLink", "SharedPort", "share")

CAPACITY = 65536


def share(port: SerialPort, *, capacity: int = CAPACITY) -> "SharedPort":
    """Share one port among several tasks; from now on, receive and send through links.

    Args:
        port: An open port. It belongs to the `SharedPort`, which closes it.
        capacity: How many bytes a link may lag behind the others, at least 1. A link that lags further
            behind loses the oldest of its bytes, and its next receive raises `InputLostError`.

    Returns:
        The shared port; use it with ``async with``.

    Raises:
        TypeError: *port* is not an async SerialPort, or *capacity* not an integer.
        ValueError: *capacity* is less than 1.
    """
    return SharedPort(port, capacity=capacity)


class SharedPort:
    """One port with any number of links. Made by `share`; all links belong to the event loop that uses them.

    The port is read only while a receive on some link waits. What arrives while none does stays with the
    driver, where flow control works.
    """

    def __init__(self, port: SerialPort, *, capacity: int = CAPACITY) -> None:
        """As `share`."""
        if not isinstance(cast("object", port), SerialPort):
            raise TypeError(
                refusal("port", "an open async SerialPort", port, "share a blocking port with anyserial.sync.share")
            )
        check_integer("capacity", capacity, 1)
        self._port = port
        self._log = Log(capacity, port.path)
        self._size = min(capacity, CAPACITY)
        self._is_reading = False
        self._news: anyio.Event | None = None
        self._sending: anyio.Lock | None = None

    @property
    def port(self) -> SerialPort:
        """The port itself, for everything except receiving, sending and closing: settings, lines, breaks, a tap."""
        return self._port

    def link(self) -> "PortLink":
        """Return a new link. It receives everything that is read from the port from now on."""
        return PortLink(self)

    def pty(self) -> "AbstractAsyncContextManager[str]":
        """Link a pseudo-terminal, so that another program can use the port too.

        Whatever the port receives can be read from the pty, and what a program writes to the pty is sent. A
        program may open the pty, close it and open it again; several may have it open. While the block
        runs, the port is read all the time. Output that no program reads is bounded: the oldest of it is
        dropped. So a program that opens the pty late may find up to a few kilobytes of old output in the
        pty first; most serial programs discard it when they open a port. What the program sets on the
        pty (a baud rate, lines) has no effect on the port, and line errors are not passed on.

        Yields:
            The path of the pty, which is in raw mode.

        Raises:
            UnsupportedPlatformError: This platform's driver has no ptys.
            SerialError: The system has no pty left.
            SerialDisconnectedError: The device went while the block ran. Programs can first read what was
                received before, but they are not waited for longer than a second.
            SerialClosedError: The port was closed while the block ran.
        """
        from anyserial._looking.ptys import linked_pty  # noqa: PLC0415  # few shared ports have one

        return linked_pty(self)

    @uninterrupted
    async def aclose(self) -> None:
        """Close the port, as its own `aclose` does.

        A receive that waits on a link ends with `SerialClosedError`. A link that lags behind still
        returns the bytes that were read from the port before, and raises it then.

        Cancellation: the port is closed all the same, without waiting for output.
        """
        await self._port.aclose()

    async def __aenter__(self) -> Self:
        """Return the shared port; leaving the block closes it."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close the port."""
        await self.aclose()

    @override
    def __repr__(self) -> str:
        return f"<anyserial.tap.SharedPort of {self._port!r}>"

    # For the links, which are in this module.

    @uninterrupted
    async def _read_or_wait(self) -> None:
        """Read from the port for everyone, or wait until another task has done so or has given up."""
        if self._is_reading:
            self._news = self._news or anyio.Event()
            await self._news.wait()
            return
        self._is_reading = True
        try:
            try:
                item: bytes | LineError = await self._port.receive(self._size)
            except LineError as exc:
                item = exc
            self._log.append(item)
        finally:
            self._is_reading = False
            news, self._news = self._news, None
            if news is not None:
                news.set()

    async def _send(self, data: bytes | memoryview, check_open: "Callable[[], None]") -> None:
        self._sending = self._sending or anyio.Lock()
        async with self._sending:
            check_open()  # it may have been closed while this task waited for its turn
            await self._port.send_buffer(data)

    async def _drain(self) -> None:
        self._sending = self._sending or anyio.Lock()
        async with self._sending:
            await self._port.drain()


class PortLink(ByteStream):
    """One user's link to a shared port: an AnyIO byte stream. Made by `SharedPort.link`.

    One task may receive on it at a time, and any number may send on any link: each `send` waits for its
    turn, in the order of asking. Closing a link leaves the port and the other links as they are.
    """

    def __init__(self, shared: SharedPort) -> None:
        """As `SharedPort.link`."""
        self._shared = shared
        self._log = shared._log  # noqa: SLF001  # the class above
        self._reader = self._log.add_reader()
        self._is_open = True
        self._is_receiving = False
        self._scope: anyio.CancelScope | None = None

    @uninterrupted
    @override
    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive what has arrived for this link, or wait for the first bytes.

        Args:
            max_bytes: The most to return, at least 1.

        Returns:
            1..max_bytes bytes, as soon as any have arrived; never empty.

        Raises:
            InputLostError: This link was read too slowly, and bytes are missing here; it stays usable.
            LineError: A character was damaged (with `LineErrors.RAISE`); every link raises this.
            SerialDisconnectedError: The device is gone, and this link has received all its bytes.
            SerialClosedError: The link is closed; or the port is, and this link has received all that
                was read from it.
            SerialError: Reading failed. Only the link that was reading at the time raises this.
            anyio.BusyResourceError: Another task is receiving on this link, or on the port itself.

        Cancellation: no byte is lost, neither for this link nor for the others.
        """
        check_positive("max_bytes", max_bytes)
        self._check_open()
        if self._is_receiving:
            raise busy_error("receiving from this link to", self._shared.port.path)
        self._is_receiving = True
        try:
            if self._log.has_more(self._reader):
                await _readiness.checkpoint()
            while True:
                self._check_open()
                if self._log.has_more(self._reader):
                    return self._log.take(self._reader, max_bytes)
                with anyio.CancelScope() as self._scope:
                    await self._shared._read_or_wait()  # noqa: SLF001  # the class above
        finally:
            self._scope = None
            self._is_receiving = False

    @uninterrupted
    @override
    async def send(self, item: bytes) -> None:
        """Send all of *item*, without the bytes of other links in between.

        Args:
            item: What to send; nothing if empty.

        Raises:
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The link or the port is closed, or was closed meanwhile.

        Cancellation: nothing has been sent if the call was still waiting for its turn; afterwards some,
        all or none, and what others send follows.
        """
        data = as_bytes(item)
        self._check_open()
        await self._shared._send(data, self._check_open)  # noqa: SLF001  # the class above

    @uninterrupted
    @override
    async def send_eof(self) -> None:
        """Wait until everything has been sent, as the port's `drain`, when it is this call's turn.

        Raises:
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The link or the port is closed.
        """
        self._check_open()
        await self._shared._drain()  # noqa: SLF001  # the class above

    @uninterrupted
    @override
    async def aclose(self) -> None:
        """Close this link only. A receive on it in another task ends with `SerialClosedError`.

        Cancellation: the link is closed all the same.
        """
        self._is_open = False
        self._log.remove_reader(self._reader)
        if self._scope is not None:
            self._scope.cancel()
        await _readiness.checkpoint()

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The port's typed attributes, without its descriptor: reading from that would take bytes from every link."""
        from anyio.streams.file import FileStreamAttribute  # noqa: PLC0415  # slow to import

        attributes = dict(self._shared.port.extra_attributes)
        attributes.pop(FileStreamAttribute.fileno, None)
        return attributes

    @override
    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed"
        return f"<anyserial.tap.PortLink to {self._shared.port.path!r}, {state}>"

    def _check_open(self) -> None:
        if not self._is_open:
            raise SerialClosedError(
                errno.EBADF, "this link is closed; make another one with SharedPort.link()", self._shared.port.path
            )
