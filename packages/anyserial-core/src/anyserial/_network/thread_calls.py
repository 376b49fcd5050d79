"""Receiving and sending in the caller's own thread, beside the event loop that does everything else.

Theory of operation. A blocking port has an event loop in another thread, where its `Channel` lives. Handing each
message to that thread costs more than the message does. So a thread that receives may take the place of the
channel's reader: it waits for the socket itself. It reads in one step of C, onto `Connection.unfiled`, and a second
step of C moves what needs no protocol to the port. A signal handler that raises can come between the two, and
nothing is lost. Everything else (answers, notifications, a doubled 255, the end of the connection) stays on
`unfiled` for the channel, and the thread hands over to the event loop.

There is one reader and one writer at a time. Each place is a key of `places`, taken with `dict.setdefault`, which
is one atomic step. The channel takes the same places, so that two threads never read or write in turns.

How a thread waits, and how it is interrupted, belongs to the blocking face.
"""

from typing import TYPE_CHECKING, Final

from anyserial._network.wire import MOST, QUIET

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._network.channel import Channel
    from anyserial._network.connection import Connection
    from anyserial._network.wire import Wire
    from anyserial._port.contract import Items

__all__ = ("ThreadCalls",)

_LEAST: Final = 4096  # bytes a read; what is not asked for is kept by the port, unless the program waits itself


class _Writing:
    """One write that may be interrupted anywhere."""

    __slots__ = ("before", "counts", "data", "encoded", "marks", "sent")

    def __init__(self, counts: list[int], data: bytes | memoryview) -> None:
        self.counts = counts
        self.before = len(counts)
        self.data = data
        self.encoded = data
        self.sent: list[int] = []
        self.marks: list[None] = []


class ThreadCalls:
    """A connection's calls for other threads than the event loop's.

    Args:
        channel: The channel, which lives in an event loop.
        connection: Its connection.
        wire: Its protocol.
        has_sent: Told how many bytes of data were sent.

    Attributes:
        catch_up: Set by the blocking face: has the event loop call `Channel.catch_up`, soon.
    """

    __slots__ = ("_channel", "_connection", "_has_sent", "_least", "_places", "_since_look", "_wire", "catch_up")

    def __init__(
        self, channel: "Channel", connection: "Connection", wire: "Wire", has_sent: "Callable[[int], object]"
    ) -> None:
        self._channel = channel
        self._connection = connection
        self._wire = wire
        self._has_sent = has_sent
        self._places: dict[str, object] = {}
        self._since_look = 0
        self._least = _LEAST
        self.catch_up: Callable[[], object] = channel.catch_up

    # For the event loop

    def claim(self, place: str) -> bool:
        """Take *place* ("reader" or "writer") for the event loop; return whether no thread has it."""
        return self._places.setdefault(place, self) is self

    def release(self, place: str) -> None:
        """Give *place* back."""
        if self._places.get(place) is self:
            del self._places[place]

    @property
    def is_reading(self) -> bool:
        """Whether a thread has the reader's place."""
        return self._places.get("reader", self) is not self

    # For other threads

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._connection.fileno

    def share_descriptor(self) -> int:
        """Return the descriptor for a program that waits itself: from now on, no read takes more than it returns."""
        self._least = 1
        self._channel.reads_ahead = False
        return self._connection.fileno

    def begin(self, me: object) -> bool:
        """Take the reader's place for the call *me*; return False if the event loop must receive."""
        if not self._must_file() and self._places.setdefault("reader", me) is me:
            if not self._must_file():  # as it may since
                return True
            self.end(me)
        return False

    def end(self, me: object) -> None:
        """Give the reader's place back, if *me* has it. Can be repeated."""
        if self._places.get("reader") is me:
            del self._places["reader"]
            if self._channel.news:
                self.catch_up()

    def read_onto(self, items: "Items", size: int) -> bool | None:
        """Read once, for the call that has the reader's place.

        Returns:
            True if data was appended to *items* (it may be more than *size* bytes); False if nothing has arrived;
            None if the event loop must receive.
        """
        connection = self._connection
        unfiled = connection.unfiled
        try:
            unfiled.extend(map(connection.receive, (max(size, self._least),)))
        except BlockingIOError:
            return False
        except OSError as exc:
            connection.error = exc
            return None
        return self._wire.pass_on(unfiled, items) or None

    def read_once_onto(self, items: "Items", size: int) -> bool:
        """As `read_onto`, with the reader's place only for this read."""
        me: list[None] = []
        try:
            try:
                return self.begin(me) and bool(self.read_onto(items, size))
            finally:
                self.end(me)
        except BaseException:
            self.end(me)
            raise

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        """Send some of *data* (not empty) and append the count to *counts*; return False if the event loop must."""
        wire = self._wire
        if wire.is_suspended or wire.output or self._channel.has_ended:
            return False
        if wire.can_suspend and self._since_look >= QUIET:
            self._since_look = 0
            return False
        writing = _Writing(counts, data[:MOST])
        try:
            try:
                if self._places.setdefault("writer", writing) is not writing or wire.output:
                    return False
                encoded = writing.encoded = wire.encode(writing.data)
                writing.sent.extend(map(self._connection.send, (encoded,)))
            finally:
                self._end_writing(writing)
        except OSError:  # it is full, or broken: the event loop will see
            return False
        except BaseException:
            self._end_writing(writing)
            raise
        self._since_look += counts[-1]
        self._has_sent(counts[-1])
        return True

    def _end_writing(self, writing: "_Writing") -> None:
        """Note what was sent and give the writer's place back. Can be repeated, wherever it was interrupted."""
        if writing.sent and len(writing.counts) == writing.before:
            count, rest = self._wire.taken(writing.data, writing.encoded, writing.sent[0])
            if rest and not writing.marks:
                # In one step of C: what must follow comes first, and the mark that this is done.
                writing.marks.extend(map(self._wire.output.__setitem__, (slice(0, 0),), (rest,)))
            writing.counts.append(count)
        if self._places.get("writer") is writing:
            del self._places["writer"]
            if self._wire.output:
                self.catch_up()

    def _must_file(self) -> bool:
        """Return whether there is something that only the event loop may deal with."""
        connection = self._connection
        return bool(self._wire.inbox or connection.unfiled or connection.error or self._channel.has_ended)
