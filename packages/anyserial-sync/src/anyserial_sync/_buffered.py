"""Receiving a given length, up to a delimiter, or line by line.

Bytes received for such a call stay in the pushback until all of them have arrived; then one step takes
them. So nothing is lost, whichever methods are mixed and wherever a call is interrupted. How the thread
waits is in `_waiting`.
"""

import errno
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
from anyserial._spi import RECEIVER, check_bytes, check_positive, check_timeout
from anyserial.exceptions import SerialDisconnectedError

from anyserial_sync._endless import Endless
from anyserial_sync._timeouts import deadline_of, timed_out
from anyserial_sync._waiting import BlockingPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyserial.exceptions import LineError

__all__ = ("BufferedReceiving",)


class _IncompleteError(SerialDisconnectedError, anyio.IncompleteRead):
    """The device is gone, and the rest of what was asked for will not come. What has arrived can be received."""

    def __init__(self, *args: Any) -> None:
        # Initialized as an OSError, because AnyIO's class takes no arguments.
        super().__init__(*args)


class BufferedReceiving(BlockingPort):
    """The methods that `anyio.streams.buffered.BufferedByteReceiveStream` adds to the async port, and lines."""

    def receive_with_time(self, max_bytes: int = 65536, *, timeout: float | None = None) -> tuple[bytes, float]:
        """Receive as `receive` does, and return when the bytes were read from the driver.

        The time is taken right after the read, so the bytes arrived before it. They may have arrived any time
        earlier: the thread may have had to wait for the processor, and drivers hold bytes back (an FTDI adapter
        for up to 16 ms). Bytes that an earlier, interrupted call left have the time of this call.

        Args:
            max_bytes: As for `receive`.
            timeout: Seconds to wait; 0 polls, None takes `default_timeout`.

        Returns:
            1..max_bytes bytes, and the time of `time.monotonic` in seconds.

        Raises:
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: As `receive`; so are all other errors.
        """
        check_positive("max_bytes", max_bytes)
        read_at = 0.0

        def ends(buffer: bytearray, _searched: int) -> int:
            nonlocal read_at
            read_at = monotonic()
            return min(len(buffer), max_bytes)

        # `_gather` loses nothing, wherever it is interrupted.
        return self._gather(ends, max_bytes, self._limit(timeout)), read_at

    def receive_exactly(self, nbytes: int, *, timeout: float | None = None) -> bytes:
        """Receive an exact number of bytes.

        Args:
            nbytes: How many, at least 1.
            timeout: Seconds that all of it may take; 0 takes what has arrived, None takes
                `default_timeout`.

        Returns:
            *nbytes* bytes.

        Raises:
            TimeoutError: Not all of them came in time; those that did lead the next receive.
            SerialDisconnectedError: The device went before all of them came. If some did, the error
                is an anyio.IncompleteRead too, and `receive` still returns them.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_receive` was called meanwhile; as for a timeout.
            LineError: A byte was damaged (with `LineErrors.RAISE`); those before it lead
                the next receive.
            anyio.BusyResourceError: Another thread is receiving.
        """
        check_positive("nbytes", nbytes)

        def ends(buffer: bytearray, _searched: int) -> int:
            return nbytes if len(buffer) >= nbytes else -1

        return self._gather(ends, nbytes, self._limit(timeout))

    def receive_until(self, delimiter: bytes, max_bytes: int, *, timeout: float | None = None) -> bytes:
        """Receive everything up to a delimiter.

        Args:
            delimiter: The delimiter, at least one byte long.
            max_bytes: The most bytes that may come before the delimiter, at least 1.
            timeout: Seconds that all of it may take; 0 takes what has arrived, None takes
                `default_timeout`.

        Returns:
            The bytes before the delimiter, maybe ``b""``. The delimiter is taken but not returned.

        Raises:
            anyio.DelimiterNotFound: More than *max_bytes* bytes came without the delimiter;
                they all lead the next receive.
            TimeoutError: The delimiter did not come in time; what did leads the next receive.
            SerialDisconnectedError: As `receive_exactly`.
            SerialClosedError: As `receive_exactly`.
            SerialCancelledError: As `receive_exactly`.
            LineError: As `receive_exactly`.
            anyio.BusyResourceError: Another thread is receiving.
        """
        return self._until(delimiter, max_bytes, timeout, drop=True)

    def lines(self, *, max_bytes: int = 65536, timeout: float | None = None) -> "Iterator[bytes]":
        r"""Iterate over the lines received; iterating over the port does the same, without arguments.

        Args:
            max_bytes: The most bytes in a line, its end not counted; at least 1.
            timeout: Seconds to wait for each line; None takes `default_timeout`.

        Returns:
            An iterator that returns each line with its ``b"\n"``. No error ends it for good: the next
            ``next()`` continues where the last one stopped.

        Raises:
            TimeoutError: No whole line came in time; nothing is lost.
            anyio.DelimiterNotFound: A line is longer than *max_bytes*.
            SerialDisconnectedError: As `receive_exactly`.
            SerialClosedError: As `receive_exactly`.
            SerialCancelledError: As `receive_exactly`.
            LineError: As `receive_exactly`.
            anyio.BusyResourceError: Another thread is receiving.
        """
        check_positive("max_bytes", max_bytes)
        check_timeout(timeout)
        return Endless(lambda: self._until(b"\n", max_bytes, timeout))

    def __iter__(self) -> "Iterator[bytes]":
        """Iterate over the lines received; as `lines`."""
        return self.lines()

    def _until(self, delimiter: bytes, max_bytes: int, timeout: float | None, *, drop: bool = False) -> bytes:
        """Receive up to and including *delimiter*; return it too, unless it is to be dropped."""
        check_bytes("delimiter", delimiter)
        check_positive("max_bytes", max_bytes)
        length = len(delimiter)

        def ends(buffer: bytearray, searched: int) -> int:
            index = buffer.find(delimiter, max(searched - length + 1, 0))
            if index >= 0:
                return index + length
            if len(buffer) >= max_bytes + length:
                raise anyio.DelimiterNotFound(max_bytes)
            return -1

        # Dropped where the result is made: what is done to it later, an interruption would lose.
        return self._gather(ends, max_bytes + length, self._limit(timeout), length if drop else 0)

    def _gather(  # noqa: C901, PLR0915  # one piece, as one step takes it all
        self, ends: "Callable[[bytearray, int], int]", most: int, timeout: float | None, tail: int = 0
    ) -> bytes:
        """Receive until ``ends(buffer, searched)`` says where in the buffer the result ends.

        Args:
            ends: Returns an index, or -1 if more bytes are needed; it has seen the first *searched* bytes before.
            most: How long the buffer may get.
            timeout: Seconds that it may take; None has no limit.
            tail: How many bytes at the end are received but not returned.
        """
        deadline = deadline_of(timeout)
        port, pushback, turns = self._port, self._pushback, self._turns
        me = object()
        before = 0
        items: list[bytes | LineError] = []
        rest: list[bytes | LineError] | None = None
        buffer = bytearray()
        try:
            try:
                if turns.setdefault(RECEIVER, me) is not me:
                    self._receiving.refuse_entry()
                self._check_readable()
                before = port.bytes_received
                items = pushback.items
                seen = searched = 0
                # The loop ends in a call: Python 3.14 lets an interruption at the jump back from an `if` pass
                # by the `finally`.
                while True:
                    if pushback.items is not items:  # thrown away meanwhile by another thread
                        items = pushback.items
                        buffer.clear()
                        seen = searched = 0
                    error = None
                    for item in items[seen:]:
                        if not isinstance(item, bytes):
                            error = item
                            break
                        buffer += item
                        seen += 1
                    if (end := ends(buffer, searched) if buffer else -1) >= 0:
                        break
                    if error is not None:
                        # Reported once; the bytes before it lead the next receive.
                        pushback.items = [*items[:seen], *items[seen + 1 :]]
                        raise error
                    searched = len(buffer)
                    self._fill_more(me, min(most - searched, port.chunk_size), deadline, poll=timeout == 0)
                left = bytes(buffer[end:])
                rest = [left, *items[seen:]] if left else items[seen:]
                data = bytes(buffer[: end - tail])
                pushback.items = rest
                port.bytes_received = before + end
                return data
            finally:
                self._leave(RECEIVER, me)
        except BaseException as exc:
            if rest is not None and pushback.items is rest:
                pushback.items = items
                port.bytes_received = before
            self._leave(RECEIVER, me)
            if isinstance(exc, SerialDisconnectedError):
                port.unplug(exc)
            if isinstance(exc, SerialDisconnectedError) and buffer:
                raise _IncompleteError(
                    exc.errno or errno.ENODEV,
                    f"the serial device is gone; {len(buffer)} bytes of what was asked for can be received",
                    port.path,
                ) from exc
            raise

    def _fill_more(self, me: object, size: int, deadline: float | None, *, poll: bool) -> None:
        """Append received bytes to the pushback, waiting if necessary."""
        turnstile, port = self._receiving, self._port
        if turnstile.interrupted:
            turnstile.check(me)
        attempt_first, self._attempt_first = self._attempt_first, False
        if attempt_first or poll:
            if (self._read_at_once if poll else port.transport.read_onto)(port.pushback.items, size):
                return
            if poll and port.transport.has_descriptor:
                raise timed_out("not everything was received", port.path)
        self._waits.fill(turnstile, me, size, deadline)
