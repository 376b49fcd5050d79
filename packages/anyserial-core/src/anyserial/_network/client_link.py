"""One client of a server, joined to the open port: the tasks that move bytes and carry out orders.

Theory of operation. Five tasks share one `Session`, and each waits for one thing only, so that none can hold up
another:

- `_hear` reads from the network. Data goes to the outbox, orders to a queue.
- `_fill` writes the outbox to the port.
- `_obey` carries out the orders, one after the other.
- `_tell` reads the port and writes to the network.
- `_answer` writes answers and notifications to the network.

An order waits until the data before it has reached the driver, so that a change of the baud rate changes what
the client meant. If that data has not moved for `STALL` seconds (flow control holds it back), the order
overtakes it, because the order may be what gets it moving again. A purge never waits.

A client that does not read holds up `_tell`, and so the port: nothing more is read, and the driver's flow control
stops the device. Its orders then fill the queue of answers, and at `MOST_ANSWERS` bytes nothing more is
read from the network either. Nothing here grows without limit.

Which client may use the port, and for how long, is in `serving`.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

import anyio

from anyserial._network.com_port import Command, Control, LineState, Purge
from anyserial._network.outbox import HIGH, LOW, Outbox
from anyserial._network.port_orders import PortOrders
from anyserial._network.server_session import Order, line_bits
from anyserial.exceptions import LineError, SerialClosedError, SerialDisconnectedError, SerialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import ByteStream

    from anyserial._network.server_session import Session
    from anyserial.stream import SerialPort

__all__ = ("READ", "ClientLink")

STALL: Final = 0.5  # seconds
MOST_ANSWERS: Final = 65536  # bytes
MOST_ORDERS: Final = 1024
LOOK: Final = 0.02  # seconds between two looks at modem lines, and at output that is being sent
READ: Final = 65536
MOVING: Final = frozenset((Control.DTR_ON, Control.DTR_OFF, Control.RTS_ON, Control.RTS_OFF))


class ClientLink:
    """A client joined to a port.

    Args:
        port: The open port; it stays open.
        stream: The connection; it stays open, too.
        session: What is said.
        idle_timeout: Seconds without a byte in either direction after which the client is let go; None for
            no limit.

    Attributes:
        bytes_sent: Bytes that the port has received and that were sent to the client.
        bytes_received: Bytes of the client that were handed to the port.
        port_error: What ended the link, if it was the port.
        reason: Why the link has ended; empty while it has not.
    """

    def __init__(
        self, port: "SerialPort", stream: "ByteStream", session: "Session", idle_timeout: float | None
    ) -> None:
        self._port = port
        self._stream = stream
        self._session = session
        self._idle_timeout = idle_timeout
        self._orders = PortOrders(port)
        self._outbox = Outbox()
        self._queue: deque[tuple[Order, int]] = deque()
        self._news = anyio.Event()
        self._answers = bytearray()
        self._lock = anyio.Lock()
        self._looking = anyio.Lock()
        self._sending = anyio.CancelScope()
        self._scope = anyio.CancelScope()
        self._purges = 0
        self._last = 0.0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.port_error: SerialError | None = None
        self.reason = ""

    @property
    def signature(self) -> str:
        """What the client calls itself; empty if it does not say."""
        return self._session.signature

    def end(self, reason: str) -> None:
        """End the link; `run` returns soon after."""
        self.reason = self.reason or reason
        self._scope.cancel()

    async def run(self) -> None:
        """Serve the client until it leaves, the port fails or `end` is called.

        Cancellation: as `end`.
        """
        self._last = anyio.current_time()
        with self._scope:
            async with anyio.create_task_group() as tasks:
                for task in (self._hear, self._fill, self._obey, self._tell, self._answer, self._watch_lines):
                    tasks.start_soon(self._guarded, task)
                if self._idle_timeout is not None:
                    tasks.start_soon(self._guarded, self._watch_time)

    async def finish(self) -> None:
        """Hand what the client has sent before it left to the port, and undo what must not outlast it.

        Raises:
            SerialError: The port failed.
        """
        while piece := self._outbox.peek():
            await self._send(piece)
        await self._orders.leave()

    async def _guarded(self, task: "Callable[[], Awaitable[None]]") -> None:
        try:
            await task()
        except SerialError as exc:
            self.port_error = self.port_error or exc
            if isinstance(exc, SerialDisconnectedError):
                self.end("the device is gone")
            elif isinstance(exc, SerialClosedError):
                self.end("the port was closed")
            else:
                self.end(f"the port failed: {exc}")
        except anyio.EndOfStream:
            self.end("the client has left")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            self.end("the connection broke")

    # From the network

    async def _hear(self) -> None:
        while True:
            self._say(self._session.take_output())
            self._tell_all()  # the client may have agreed to RFC 2217, or may want data again
            await self._outbox.room()
            while len(self._answers) >= MOST_ANSWERS or len(self._queue) >= MOST_ORDERS:
                await self._wait()
            items = self._session.feed(await self._stream.receive(READ))
            self._last = anyio.current_time()
            for item in items:
                if isinstance(item, bytes):
                    self._outbox.put(item)
                elif item.command is Command.PURGE:
                    await self._purge(item.value)
                else:
                    self._queue.append((item, self._outbox.put_in))
            if self._outbox.size > HIGH:
                self._say(self._session.congestion(True))

    async def _purge(self, value: int) -> None:
        if value in {Purge.TO_SEND, Purge.BOTH}:
            self._outbox.clear()
            self._sending.cancel()
        if value in {Purge.RECEIVED, Purge.BOTH}:
            self._purges += 1
        if await self._orders.purge(value):
            self._say(self._session.reply(Command.PURGE, value))

    async def _fill(self) -> None:
        while True:
            piece = self._outbox.peek()
            if not piece:
                if self._session.wants_emptiness:
                    await self._tell_emptiness()
                if not self._outbox.size:
                    await self._outbox.change()
                continue
            with anyio.CancelScope() as self._sending:
                await self._send(piece)
            if self._outbox.size < LOW:
                self._say(self._session.congestion(False))

    async def _send(self, piece: bytes) -> None:
        before, purged = self._port.statistics.bytes_sent, self._outbox.purged
        try:
            await self._port.send(piece)
        finally:  # if cancelled, the rest is still to be sent
            count = self._port.statistics.bytes_sent - before
            self.bytes_received += count
            self._outbox.sent(count, purged)

    async def _tell_emptiness(self) -> None:
        while not self._outbox.size:
            if state := self._orders.emptiness():
                if self._outbox.gone:
                    self._say(self._session.line_state(state))
                return
            await anyio.sleep(LOOK)

    # Orders

    async def _obey(self) -> None:
        while True:
            while not self._queue:
                await self._wait()
            (command, value), mark = self._queue.popleft()
            await self._wait_for_data(mark)
            match command:
                case Command.NOTIFY_MODEM_STATE:
                    await self._tell_lines(asked=True)
                case Command.NOTIFY_LINE_STATE:
                    state = LineState(0) if self._outbox.size else self._orders.emptiness()
                    self._say(self._session.line_state(state, asked=True))
                case Command.LINE_STATE_MASK:
                    await self._orders.tell_errors(self._session.wants_errors)
                    self._say(self._session.reply(command, value))
                case _:
                    answer = await self._orders.carry_out(command, value)
                    if value in MOVING and command is Command.CONTROL:
                        # Lines may follow, as on a loopback; a client that has its answer reads them next.
                        await self._tell_lines()
                    if command is not None and answer is not None:
                        self._say(self._session.reply(command, answer))
            self._tell_all()  # there is room in the queue again

    async def _wait_for_data(self, mark: int) -> None:
        while self._outbox.gone < mark:
            before = self._outbox.gone, self._port.statistics.bytes_sent
            with anyio.move_on_after(STALL):
                await self._outbox.change()
            if before == (self._outbox.gone, self._port.statistics.bytes_sent):
                return

    async def _watch_lines(self) -> None:
        while not self._session.is_rfc2217:
            await self._wait()
        while await self._tell_lines():  # noqa: ASYNC110  # no driver reports a change
            await anyio.sleep(LOOK)

    async def _tell_lines(self, *, asked: bool = False) -> bool:
        """Look at the modem lines and say what has changed; return whether there are any."""
        async with self._looking:  # an older look must not come after a newer one
            seen = await self._orders.look_at_lines()
            self._say(self._session.modem_state(seen, asked=asked))
        return seen is not None

    async def _watch_time(self) -> None:
        timeout = self._idle_timeout or 0.0
        left = timeout
        while left > 0:
            await anyio.sleep(left)
            left = self._last + timeout - anyio.current_time()
        self.end(f"nothing was sent or received for {timeout:g} s")

    # To the network

    async def _tell(self) -> None:
        while True:
            while self._session.is_suspended:
                await self._wait()
            state = LineState(0)
            try:
                data = await self._port.receive(READ)
            except LineError as exc:
                data = b"" if exc.byte is None or not self._orders.keeps_damaged else bytes((exc.byte,))
                state = line_bits(exc.kind, has_parity=self._orders.has_parity)
            purges = self._purges
            while self._session.is_suspended:
                await self._wait()
            async with self._lock:
                if purges != self._purges:
                    continue  # the client has discarded it
                notice = self._session.line_state(state) if state else b""
                if encoded := notice + bytes(self._session.encoded(data)):
                    await self._stream.send(encoded)
            self.bytes_sent += len(data)
            self._last = anyio.current_time()

    async def _answer(self) -> None:
        while True:
            while not self._answers:
                await self._wait()
            async with self._lock:
                answers = bytes(self._answers)
                self._answers.clear()
                await self._stream.send(answers)
            self._tell_all()  # there is room again

    def _say(self, message: bytes) -> None:
        if message:
            self._answers += message
            self._tell_all()

    # News: something has changed that a task may wait for

    async def _wait(self) -> None:
        await self._news.wait()

    def _tell_all(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()
