"""One connection, used by several calls at once: which call reads, which writes, and which waits for news.

Theory of operation. One stream carries the data, the answers to requests and the notifications. No task of
its own reads it, so nothing runs while no call waits. Instead, every call that waits for something may become
*the reader*: it reads whatever comes, files it with the protocol, and wakes the calls that wait for what came.
When the reader has what it wanted or is cancelled, another waiting call becomes the reader. A cancelled call
therefore loses nothing.

Reading stops while the inbox is full, so that a port that nobody receives from is held up by TCP's flow
control and not by memory.

The call that sends writes the bytes. The protocol's own output (answers, requests) goes first.

What the bytes mean belongs to the protocol (`wire.Plain`, `session.Session`); the socket to `connection`.
"""

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from anyserial._errno import closed_error
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._network.connection import Connection
    from anyserial._network.wire import Wire

__all__ = ("Channel",)

_MOST = 65536  # bytes of one send
_CALLS_IN_A_ROW = 32  # before other tasks get their turn
_READS = 16  # in a row; a flood must not hold up the event loop
_QUIET = 4096  # bytes sent without looking whether the peer has asked for a pause
_FIRST_PAUSE = 0.001  # seconds between two looks at the kernel's queue; doubled each time
_LONGEST_PAUSE = 0.02


class Channel:
    """A connection and its protocol.

    Args:
        connection: The connection; it belongs to the channel.
        wire: The protocol.
        path: The port's path.

    Attributes:
        wire: The protocol.
    """

    def __init__(self, connection: "Connection", wire: "Wire", path: str) -> None:
        self.wire = wire
        self._connection = connection
        self._path = path
        self._is_closed = False
        self._ended: SerialDisconnectedError | None = None
        self._is_reading = False
        self._is_writing = False
        self._since_look = 0
        self._in_a_row = 0
        self._interruptions = 0
        self._news: list[anyio.Event] = []

    # State

    @property
    def is_open(self) -> bool:
        """Whether `close` was not called."""
        return not self._is_closed

    def check(self) -> None:
        """Raise if nothing more can come.

        Raises:
            SerialClosedError: The channel is closed.
            SerialDisconnectedError: The connection has ended.
        """
        if self._is_closed:
            raise closed_error(self._path)
        if self._ended is not None:
            ended = self._ended
            raise SerialDisconnectedError(*ended.args, self._path) from ended.__cause__

    def look(self) -> bool:
        """Read what has arrived by now, and send what the protocol has to send, without waiting.

        Returns:
            Whether there may be more.
        """
        for _ in range(_READS):  # a flood must not hold up the event loop
            if self._is_closed or self._ended is not None or self.wire.inbox.is_full:
                return False
            if not self._pull():
                if self.wire.output:
                    self._push_now()
                return False
        return True

    def discard_input(self) -> None:
        """Discard what has arrived by now."""
        inbox = self.wire.inbox
        for _ in range(_READS):
            inbox.clear()
            if not self.look():
                break
        inbox.clear()
        self.tell()

    # Waiting

    async def until(self, done: "Callable[[], object]") -> None:
        """Wait until *done* returns something true. It is asked after whatever arrives.

        Raises:
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended.

        Cancellation: nothing is lost; what has arrived is kept.
        """
        first = True
        interruptions = self._interruptions
        while not done():
            self.check()
            if interruptions != self._interruptions:
                raise closed_error(self._path)
            if self._is_reading or self.wire.inbox.is_full:
                await self._hear_news()
                continue
            self._is_reading = True
            try:
                waiter = self._connection.waiter()
                if first and waiter.attempt_first and self._pull():
                    continue
                try:
                    await waiter.read(self._pull, None)
                except anyio.ClosedResourceError:
                    continue  # closed or interrupted, which the next turn finds
                except BaseException:
                    waiter.reclaim()
                    raise
            finally:
                first = False
                self._is_reading = False
                self.tell()

    async def receive(self, max_bytes: int) -> bytes:
        """Return 1..max_bytes bytes of data; wait for the first.

        Raises:
            LineError: The protocol reports one at this place.
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended, and everything from before has been received.
        """
        inbox = self.wire.inbox
        if inbox:
            await self._checkpoint()
        if not inbox:
            await self.until(inbox.__bool__)
        was_full = inbox.is_full
        try:
            return inbox.take(max_bytes)
        finally:
            if was_full:
                self.tell()

    async def _checkpoint(self) -> None:
        """Check for cancellation, and let other tasks run now and then: a call that need not wait still does that."""
        self._in_a_row += 1
        interruptions = self._interruptions
        if self._in_a_row % _CALLS_IN_A_ROW:
            await anyio.lowlevel.checkpoint_if_cancelled()
        else:
            await anyio.lowlevel.checkpoint()
        if interruptions != self._interruptions:
            raise closed_error(self._path)

    def interrupt(self) -> None:
        """End the calls that receive or send now with SerialClosedError."""
        self._interruptions += 1
        self.tell()
        self._connection.interrupt()

    def tell(self) -> None:
        """Wake every call that waits for news: something has changed."""
        if self._news:
            news, self._news = self._news, []
            for event in news:
                event.set()

    async def _hear_news(self) -> None:
        event = anyio.Event()
        self._news.append(event)
        await event.wait()

    def _pull(self, _argument: object = None) -> bool | None:
        """Read once, and file what came; None if nothing has. The attempt of `Waiter.read`."""
        try:
            data = self._connection.receive_now()
            if data is None:
                return None
        except SerialDisconnectedError as exc:
            self._ended = exc
        else:
            self.wire.feed(data)
            if self.wire.output:
                self._push_now()
        self._since_look = 0
        self.tell()
        return True

    # Writing

    async def send(self, data: bytes | memoryview) -> int:
        """Send some of *data* (not empty), and return how much.

        Raises:
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended.

        Cancellation: nothing was sent.
        """
        await self._checkpoint()
        wire = self.wire
        data = data[:_MOST]
        while (count := self.send_now(data)) is None:
            if wire.is_suspended:
                await self.until(lambda: not wire.is_suspended)
            else:
                self.look()  # what holds up the output may be a peer that waits for us to read
                await self._until_writable()
        return count

    def send_now(self, data: bytes | memoryview) -> int | None:
        """Send what is taken of *data* (not empty) without waiting, and return how much; None if nothing is.

        Raises:
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended.
        """
        wire = self.wire
        if self._since_look >= _QUIET and not self._is_reading:
            self._since_look = 0
            self.look()
        if self._is_closed or self._ended is not None:
            self.check()
        if wire.is_suspended or self._is_writing:
            return None
        if len(data) > _MOST:
            data = data[:_MOST]
        try:
            if wire.output and not self._push():
                return None
            encoded = wire.encode(data)
            count = self._connection.send_now(encoded)
        except SerialDisconnectedError as exc:
            self._ended = exc
            self.tell()
            raise
        if count is not None:
            count = wire.taken(data, encoded, count)
            self._since_look += count
        return count

    async def flush(self) -> None:
        """Wait until the kernel has taken the protocol's own output."""
        while True:
            self.check()
            if not self._is_writing:
                self._push_now()
                if not self.wire.output:
                    return
            await self._until_writable()

    async def _until_writable(self) -> None:
        """Wait until the kernel may take more, or until another call has waited for that."""
        self.check()
        interruptions = self._interruptions
        if self._is_writing:
            await self._hear_news()
        else:
            self._is_writing = True
            waiter = self._connection.waiter()
            try:
                # The attempt is made afterwards, by the task itself: a cancelled wait has written nothing.
                await waiter.write(_is_writable, None)
            except anyio.ClosedResourceError:
                pass
            except BaseException:
                waiter.reclaim_write()
                raise
            finally:
                self._is_writing = False
                self.tell()
        self.check()
        if interruptions != self._interruptions:
            raise closed_error(self._path)

    def _push(self) -> bool:
        """Send the protocol's own output as far as the kernel takes it; return whether that was all."""
        output = self.wire.output
        while output:
            sent = self._connection.send_now(output)
            if sent is None:
                return False
            del output[:sent]
        return True

    def _push_now(self) -> None:
        """Send the protocol's own output as far as the kernel takes it; note if the connection has ended."""
        try:
            self._push()
        except SerialDisconnectedError as exc:
            if self._ended is None:
                self._ended = exc

    def unsent(self) -> int:
        """Return how many bytes are on their way, as far as the kernel tells."""
        return len(self.wire.output) + self._connection.unsent()

    async def drain(self) -> None:
        """Wait until the peer's system has acknowledged every byte."""
        await self.flush()
        pause = _FIRST_PAUSE
        while self._connection.unsent():
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if not self._is_reading:
                self.look()
            self.check()

    # The end

    async def close(self, patience: float) -> None:
        """Close the connection, and end every call that waits.

        Output may leave as long as it moves. What has not moved for *patience* seconds is discarded.

        Cancellation: the connection is closed all the same, and output that has not left is discarded.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self.interrupt()
        has_left = False
        try:
            has_left = self._ended is not None or await self._let_output_leave(patience)
        finally:
            if has_left:
                self._connection.finish()
            self._connection.close(discard=not has_left)
            self.tell()

    async def _let_output_leave(self, patience: float) -> bool:
        pause = _FIRST_PAUSE
        before = self.unsent()
        stuck_at = anyio.current_time() + patience
        while True:
            try:
                self._push()
                for _ in range(_READS):  # unread input would make the kernel reset the connection
                    if self._connection.receive_now() is None:
                        break
            except SerialDisconnectedError:
                return True
            left = self.unsent()
            if not left:
                return True
            now = anyio.current_time()
            if left < before:
                before, stuck_at = left, now + patience
            elif now >= stuck_at:
                return False
            await anyio.sleep(min(pause, max(stuck_at - now, 0)))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def abandon(self) -> None:
        """Close the connection at once, without waiting."""
        self._is_closed = True
        self.tell()
        self._connection.close(discard=True)


def _is_writable(_argument: object) -> bool:
    return True
