"""The blocking port behind a `Serial`, with what pySerial's calls mean and anyserial's own do not.

A read of pySerial returns what has come when its time is over, where anyserial's raises. A cancellation that
comes between two reads ends the next. Two threads may read, or write, at the same time: the second waits for
its turn. Nothing here knows settings or names of pySerial.
"""

import sys
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, override

import anyio
from anyserial._spi import Call
from anyserial.exceptions import SerialCancelledError, SerialDisconnectedError

from anyserial_sync._serial_port import SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._spi import Steps, ThreadCalls
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("Link",)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.01  # seconds between two looks whether another call has left


class Link(SerialPort):
    """One open port of a `Serial`.

    Attributes:
        open_port: The port's own; it counts what is sent.
    """

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        super().__init__(backend, config, port_info=port_info)
        self.open_port = self._port

    # How the read that is under way waits for each part of what it reads; see `_fill_more`.
    _gap: float | None = None
    _gap_from_the_start = False
    _takes_ahead = True

    @property
    def holds_bytes(self) -> bool:
        """Whether bytes were read from the driver and not returned yet."""
        return bool(self._pushback.items)

    def put_back(self, data: bytes, done: "list[None]") -> None:
        """Put *data*, which a receive has returned, back in front of what comes. Can be repeated.

        Args:
            data: Nothing is done if empty.
            done: An empty list of the caller's, which is filled in the step of C that puts *data* back.
        """
        if data and not done:
            done.extend(map(self._pushback.items.insert, (0,), (data,)))

    def read_slowly(self, size: int, timeout: float | None, gap: float | None) -> bytes:
        """Return *size* bytes, or what has come when the time is over, maybe nothing.

        Args:
            size: How many.
            timeout: Seconds that all of it may take; None has no limit.
            gap: Seconds after the last byte that end it; None for no such end.

        Raises:
            SerialError: The port failed before anything came. What came before a failure is returned, and the
                next call raises.
        """
        self._gap, self._gap_from_the_start, self._takes_ahead = gap, False, True

        def ends(buffer: bytearray, _searched: int) -> int:
            return size if len(buffer) >= size else -1

        def ends_anyway(buffer: bytearray, _searched: int) -> int:
            return min(len(buffer), size)

        return self._come(ends, ends_anyway, size, timeout)

    def read_to(self, delimiter: bytes, size: int | None, timeout: float | None, *, total: bool, ahead: bool) -> bytes:
        """Return what comes up to *delimiter*, or *size* bytes, or what has come when the time is over.

        Args:
            delimiter: It is part of the result.
            size: The most to return; None has no limit.
            timeout: Seconds to wait; None has no limit.
            total: Whether *timeout* counts for all of it, and not again from every byte.
            ahead: Whether bytes after the delimiter may be read. They lead the next read, but a program that
                waits for the descriptor does not see them.

        Raises:
            SerialError: As `read_slowly`.
        """
        most = sys.maxsize if size is None else size
        self._gap, self._gap_from_the_start, self._takes_ahead = None if total else timeout, True, ahead

        def ends(buffer: bytearray, searched: int) -> int:
            start = max(searched - len(delimiter) + 1, 0)
            index = buffer.find(delimiter, start, most) if delimiter else -1
            if index >= 0:
                return index + len(delimiter)
            return most if len(buffer) >= most else -1

        def ends_anyway(buffer: bytearray, _searched: int) -> int:
            end = ends(buffer, 0)
            return len(buffer) if end < 0 else end

        # Without waiting, one more read tells whether anything is there.
        limit = timeout if total or timeout == 0 else None
        return self._come(ends, ends_anyway, most, limit)

    def _come(
        self,
        ends: "Callable[[bytearray, int], int]",
        ends_anyway: "Callable[[bytearray, int], int]",
        most: int,
        timeout: float | None,
    ) -> bytes:
        """Return bytes up to where *ends* says, or what has come when the time is over or the read is cancelled.

        Until they are returned, they stay in the pushback: nothing is lost, however this ends.

        Args:
            ends: As for `_gather`.
            ends_anyway: The same when no more may be waited for.
            most: The most bytes to return.
            timeout: Seconds that it may take; None has no limit.

        Raises:
            SerialError: The port failed before anything came.
        """
        try:
            return self.in_turn(lambda left: self._gather(ends, most, left), timeout)
        except (TimeoutError, SerialCancelledError):
            pass
        except SerialDisconnectedError:
            if not self._pushback.items:
                raise
        try:
            return self._gather(ends_anyway, most, 0)
        except (TimeoutError, SerialCancelledError, anyio.BusyResourceError):
            return b""

    @override
    def _fill_more(self, me: object, size: int, deadline: float | None, *, poll: bool) -> None:
        if self._gap is not None and (self._gap_from_the_start or self._pushback.items):
            end = monotonic() + self._gap
            deadline = end if deadline is None else min(deadline, end)
        super()._fill_more(me, size if self._takes_ahead else 1, deadline, poll=poll)

    def in_turn[T](self, call: "Callable[[float | None], T]", seconds: float | None) -> T:
        """Make a call that may find another thread's call in its direction; wait for that one to leave.

        Args:
            call: The call; it takes the seconds that are left.
            seconds: How long to wait; None has no limit.

        Raises:
            TimeoutError: The other call did not leave in time.
            SerialError: Raised by the call.
        """
        try:
            return call(seconds)
        except anyio.BusyResourceError:
            pass
        deadline = None if seconds is None else monotonic() + seconds
        pause = _FIRST_PAUSE
        while True:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            sleep(pause if left is None else min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                return call(None if deadline is None else max(deadline - monotonic(), 0.0))
            except anyio.BusyResourceError:
                continue

    def write_in_turn(self, data: bytes, seconds: float | None) -> int:
        """Send *data* once the other thread's call has left; return how many bytes were taken.

        Raises:
            TimeoutError: Not all of it was taken in time.
            SerialError: The port failed.
        """
        before = 0

        def send(left: float | None) -> None:
            nonlocal before
            before = self._port.bytes_sent
            self.send(data, timeout=left)

        try:
            self.in_turn(send, seconds)
        except SerialCancelledError:
            return self.write_after_cancellation(data, before)
        except TimeoutError:
            if seconds == 0:
                return self._port.bytes_sent - before if before else 0
            raise
        return len(data)

    def write_after_cancellation(self, data: bytes, before: int) -> int:
        """Return how much of *data* a cancelled send has sent, after a try if the send was cancelled before its own.

        Args:
            data: What was to be sent.
            before: What `bytes_sent` was before.
        """
        if self._port.bytes_sent == before:
            with suppress(TimeoutError, SerialCancelledError, anyio.BusyResourceError):
                self.send(data, timeout=0.0)
        return self._port.bytes_sent - before

    def flush_in_turn(self, seconds: float | None) -> None:
        """Wait until the last bit has been sent; end quietly when the wait is cancelled.

        Raises:
            TimeoutError: It was not sent in time.
            SerialError: The port failed.
        """
        try:
            self.in_turn(lambda left: self.drain_exact(timeout=left), seconds)
        except SerialCancelledError:
            return

    def cancel_this_or_next_receive(self) -> None:
        """End the read that is under way, or else the next one."""
        self._receiving.cancel_this_or_next()

    def cancel_this_or_next_send(self) -> None:
        """End the write that is under way, or else the next one."""
        self._sending.cancel_this_or_next()

    def on_worker(self, function: "Callable[[], None]") -> None:
        """Make a call to the driver as `configure` does: another thread makes it, and the end of the port ends it."""

        def steps() -> "Steps[None]":
            yield Call(function)

        self._perform(steps(), None)

    def discard_input(self) -> None:
        """Discard what has arrived, on a port that was just opened and that nobody uses yet.

        Raises:
            SerialError: The device is gone.
        """
        transport = self._port.transport
        if transport.has_descriptor:
            transport.backend.reset_input_buffer()  # discarding input waits for no driver
        else:
            self.reset_input_buffer()

    def share_socket(self) -> int:
        """Return the descriptor of a port over TCP, for a program that waits itself.

        Raises:
            UnsupportedFeatureError: The port has none.
        """
        calls: ThreadCalls | None = getattr(self._port.transport, "thread_calls", None)
        return self.fileno() if calls is None else calls.share_descriptor()

    def abandon(self) -> None:
        """Close the port without waiting, and leave its output to the kernel."""
        self._forget()
