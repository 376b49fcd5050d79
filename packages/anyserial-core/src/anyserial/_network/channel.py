"""One connection, used by several calls at once: which call reads, which writes, and which waits for news.

Theory of operation. One stream carries the data, the answers to requests and the notifications. No task of
its own reads it, so nothing runs while no call waits. Instead, every call that waits for something may become
*the reader*: it reads whatever comes, files it with the protocol, and wakes the calls that wait for what came.
When the reader has what it wanted or is cancelled, another waiting call becomes the reader. A cancelled call
therefore loses nothing.

Reading stops while the inbox is full, so that a port that nobody receives from is held up by TCP's flow
control and not by memory.

The call that sends writes the bytes. The protocol's own output (answers, requests) goes first.

A write that fails ends the connection for every call but a receive: what arrived before is still to be received.

What the bytes mean belongs to the protocol (`wire.Plain`, `session.Session`); the socket to `connection`.
"""

from time import monotonic
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from anyserial._errno import closed_error
from anyserial._network.leaving import FIRST_PAUSE, LONGEST_LOOK, LONGEST_PAUSE, READS, let_output_leave
from anyserial._network.wire import MOST, QUIET
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._network.connection import Connection
    from anyserial._network.thread_calls import ThreadCalls
    from anyserial._network.wire import Wire

__all__ = ("Channel",)

_CALLS_IN_A_ROW = 32  # before other tasks get their turn


class Channel:
    """A connection and its protocol.

    Args:
        connection: The connection; it belongs to the channel.
        wire: The protocol.
        path: The port's path.

    Attributes:
        wire: The protocol.
        news: The events that calls wait for, until something changes.
        reads_ahead: Whether what arrives may be read before a call asks for it.
    """

    _threads: "ThreadCalls | None" = None  # most channels have none
    reads_ahead = True

    def __init__(self, connection: "Connection", wire: "Wire", path: str) -> None:
        self.wire = wire
        self._connection = connection
        self._path = path
        self._is_closed = False
        self._ended: SerialDisconnectedError | None = None  # nothing more can come
        self._broken: SerialDisconnectedError | None = None  # nothing more can be sent
        self._is_reading = False
        self._is_writing = False
        self._since_look = 0
        self._in_a_row = 0
        self._interruptions = 0
        self.news: list[anyio.Event] = []

    # State

    @property
    def is_open(self) -> bool:
        """Whether `close` was not called."""
        return not self._is_closed

    @property
    def has_ended(self) -> bool:
        """Whether every call but a receive is refused."""
        return self._is_closed or self._ended is not None or self._broken is not None

    def check(self, *, receiving: bool = False) -> None:
        """Raise if the connection has ended.

        Args:
            receiving: Whether only its other direction counts: it may be broken while this one holds bytes.

        Raises:
            SerialClosedError: The channel is closed.
            SerialDisconnectedError: The connection has ended.
        """
        if self._is_closed:
            raise closed_error(self._path)
        if (error := self._broken or self._ended) is not None and (self._ended is not None or not receiving):
            raise SerialDisconnectedError(*error.args, self._path) from error.__cause__

    def share(self, has_sent: "Callable[[int], object]") -> "ThreadCalls":
        """Return the calls for another thread, which may use them beside this event loop from now on."""
        from anyserial._network.thread_calls import ThreadCalls  # noqa: PLC0415  # for blocking ports

        self._threads = threads = ThreadCalls(self, self._connection, self.wire, has_sent)
        return threads

    def catch_up(self) -> None:
        """Do what another thread has left to the event loop."""
        if not self._is_closed:
            self._push_now()
        self.tell()

    def look(self) -> bool:
        """Read what has arrived by now, and send what the protocol has to send, without waiting.

        Returns:
            Whether there may be more.
        """
        if not self.reads_ahead:
            self._ended = self._ended or self._connection.end()
            return False
        threads = None if self._is_reading else self._threads
        if threads is not None and not threads.claim("reader"):
            if self.wire.output:
                self._push_now()
            return False  # a thread waits for what comes, and reads it
        end = monotonic() + LONGEST_LOOK
        try:
            for _ in range(READS):  # a flood must not hold up the event loop
                if self._is_closed or self._ended is not None or self.wire.inbox.is_full:
                    return False
                if not self._pull():
                    if self.wire.output:
                        self._push_now()
                    return False
                if monotonic() >= end:
                    break
        finally:
            if threads is not None:
                threads.release("reader")
        return True

    def discard_input(self) -> None:
        """Discard what has arrived by now."""
        inbox = self.wire.inbox
        end = monotonic() + 5 * LONGEST_LOOK
        for _ in range(READS):
            inbox.clear()
            if not self.look() or monotonic() >= end:
                break
        inbox.clear()
        self.tell()

    # Waiting

    async def until(self, done: "Callable[[], object]", *, receiving: bool = False) -> None:  # noqa: C901  # the hot path
        """Wait until *done* returns something true. It is asked after whatever arrives. *receiving*: see `check`.

        Raises:
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended.

        Cancellation: nothing is lost; what has arrived is kept.
        """
        first = True
        interruptions = self._interruptions
        threads = self._threads
        while not done():
            if self._is_closed or self._ended is not None or self._broken is not None:
                self.check(receiving=receiving)
            if interruptions != self._interruptions:
                raise closed_error(self._path)
            if not first:  # a peer that always has more to say would keep AnyIO from cancelling this call
                await anyio.lowlevel.checkpoint_if_cancelled()
            if self._is_reading or self.wire.inbox.is_full:
                await self._hear_news()
                continue
            if threads is not None and not threads.claim("reader"):
                await self._hear_news(threads)
                continue
            self._is_reading = True
            try:
                waiter = self._connection.waiter()
                if ((first and waiter.attempt_first) or self._connection.unfiled or self._broken) and self._pull():
                    continue
                if self._broken is not None:  # and nothing was left
                    self._ended = self._broken
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
                if threads is not None:
                    threads.release("reader")
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
            await self.until(inbox.__bool__, receiving=True)
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
        if self.news:
            news, self.news = self.news, []
            for event in news:
                event.set()

    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return 1..max_bytes bytes of data that have arrived; None if there are none.

        Raises:
            LineError: The protocol reports one at this place.
            SerialDisconnectedError: The connection has ended, and everything from before has been received.
        """
        inbox = self.wire.inbox
        if not inbox:
            self.look()
        if not inbox:
            self.check(receiving=True)
            return None
        return inbox.take(max_bytes)

    async def _hear_news(self, threads: "ThreadCalls | None" = None) -> None:
        """Wait for news; with *threads*, only while one of them reads. It tells when it ends, if it finds us here."""
        event = anyio.Event()
        self.news.append(event)
        if threads is None or threads.is_reading:
            await event.wait()

    def _pull(self, _argument: object = None) -> bool | None:
        """Read once, and file what came; None if nothing has. The attempt of `Waiter.read`."""
        try:
            if (data := self._connection.receive_now()) is None:
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
        data = data[:MOST]
        while (count := self.send_now(data)) is None:
            if wire.is_suspended:
                await self.until(lambda: not wire.is_suspended)
            else:
                self.look()  # what holds up the output may be a peer that waits for us to read
                await self._until_writable()
        return count

    def send_now(self, data: bytes | memoryview) -> int | None:  # noqa: C901  # the hot path
        """Send what is taken of *data* (not empty) without waiting, and return how much; None if nothing is.

        Raises:
            SerialClosedError: The channel was closed.
            SerialDisconnectedError: The connection has ended.
        """
        wire = self.wire
        if self._since_look >= QUIET and not self._is_reading:
            self._since_look = 0
            self.look()
        if self._is_closed or self._ended is not None or self._broken is not None:
            self.check()
        if wire.is_suspended or self._is_writing:
            return None
        if len(data) > MOST:
            data = data[:MOST]
        threads = self._threads
        if threads is not None and not threads.claim("writer"):
            return None
        try:
            if wire.output and not self._push_all():
                return None
            encoded = wire.encode(data)
            count = self._connection.send_now(encoded)
        except SerialDisconnectedError as exc:
            self._broken = exc
            self.tell()
            raise
        finally:
            if threads is not None:
                threads.release("writer")
        if count is not None:
            count, rest = wire.taken(data, encoded, count)
            self._since_look += count
            if rest:
                wire.output[:0] = rest  # nothing may come before it
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
                await waiter.write(lambda _: True, None)
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
        threads = self._threads
        if threads is None:
            return self._push_all()
        if not threads.claim("writer"):
            return False  # when the thread has sent, it has this done
        try:
            return self._push_all()
        finally:
            threads.release("writer")

    def _push_all(self) -> bool:
        while output := self.wire.output:
            if (sent := self._connection.send_now(output)) is None:
                return False
            del output[:sent]
        return True

    def _push_now(self) -> None:
        """Send the protocol's own output as far as the kernel takes it; note if the connection has ended."""
        try:
            self._push()
        except SerialDisconnectedError as exc:
            self._broken = self._broken or exc

    def unsent(self) -> int:
        """Return how many bytes are on their way, as far as the kernel tells."""
        return len(self.wire.output) + self._connection.unsent()

    async def drain(self) -> None:
        """Wait until the peer's system has acknowledged every byte."""
        await self.flush()
        pause = FIRST_PAUSE
        while self._connection.unsent():
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
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
            has_left = bool(self._ended or self._broken) or await let_output_leave(
                self._connection, self._push, self.unsent, patience
            )
        finally:
            if has_left:
                self._connection.finish()
            self._connection.close(discard=not has_left)
            self._ended = self._broken = None  # their tracebacks lead to the frames of calls, and so to the port
            self.tell()

    def abandon(self) -> None:
        """Close the connection at once, without waiting."""
        self._is_closed = True
        self.tell()
        self._connection.close(discard=True)
        self._ended = self._broken = None
