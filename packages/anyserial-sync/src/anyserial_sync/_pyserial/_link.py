"""The blocking port behind a `Serial`, with what pySerial's calls mean and anyserial's own do not.

A read of pySerial returns what has come when its time is over, where anyserial's raises. A cancellation that
comes between two reads ends the next. Two threads may read, or write, at the same time: the second waits for
its turn. Nothing here knows settings or names of pySerial.
"""

import sys
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

import anyio
from anyserial._spi import Call
from anyserial.exceptions import SerialCancelledError, SerialDisconnectedError

from anyserial_sync._serial_port import SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._spi import Steps

__all__ = ("Link",)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.01  # seconds between two looks whether another call has left


class Link(SerialPort):
    """One open port of a `Serial`."""

    def read_rest(self, data: bytes, size: int, deadline: float | None, gap: float | None) -> bytes:
        """Return *data* and what follows it, up to *size* bytes.

        Args:
            data: What was received already; maybe nothing.
            size: How many bytes all of it may have.
            deadline: When to stop waiting, by `time.monotonic`; None for never.
            gap: Seconds after the last byte that end it; None for no such end.

        Raises:
            SerialError: The port failed before anything came. What came before a failure is returned, and the
                next call raises.
        """
        got = bytearray(data)
        try:
            while len(got) < size:
                more = self._more(size - len(got), deadline, gap if got else None, b"" if got else None)
                if not more:
                    break
                got += more
            return bytes(got)
        except BaseException:
            self._give_back(got)
            raise

    def read_to(self, delimiter: bytes, size: int | None, seconds: float | None, *, total: bool, ahead: bool) -> bytes:
        """Return what comes up to *delimiter*, or *size* bytes, or what has come when the time is over.

        Args:
            delimiter: It is part of the result.
            size: The most to return; None has no limit.
            seconds: How long to wait; None has no limit.
            total: Whether *seconds* counts for all of it, and not again from every byte.
            ahead: Whether bytes after the delimiter may be read. They lead the next read, but who waits for the
                descriptor does not see them.

        Raises:
            SerialError: As `read_rest`.
        """
        most = sys.maxsize if size is None else size
        deadline = None if seconds is None else monotonic() + seconds
        got = bytearray()
        try:
            while len(got) < most:
                if not total and seconds is not None:
                    deadline = monotonic() + seconds
                more = self._more(min(most - len(got), 65536) if ahead else 1, deadline, None, b"" if got else None)
                if not more:
                    break
                searched = max(len(got) - len(delimiter) + 1, 0)
                got += more
                if delimiter and (index := got.find(delimiter, searched)) >= 0:
                    end = index + len(delimiter)
                    rest = bytes(got[end:])
                    del got[end:]
                    self._give_back(rest)
                    break
            return bytes(got)
        except BaseException:
            self._give_back(got)
            raise

    def _more(self, size: int, deadline: float | None, gap: float | None, instead: bytes | None) -> bytes:
        """Receive up to *size* bytes; ``b""`` when the time is over or the read is cancelled.

        Args:
            size: The most to receive.
            deadline: When the time is over; None for never.
            gap: Seconds that this part may take; None for no limit.
            instead: What to return if the port fails; None raises.
        """
        left = None if deadline is None else max(deadline - monotonic(), 0.0)
        if gap is not None:
            left = gap if left is None else min(left, gap)
        try:
            return self.in_turn(lambda seconds: self.receive(size, timeout=seconds), left)
        except (TimeoutError, SerialCancelledError):
            return b""
        except SerialDisconnectedError:
            if instead is None:
                raise
            return instead

    def _give_back(self, data: "bytes | bytearray") -> None:
        if data:
            self._port.bytes_received -= len(data)
            self._pushback.give_back(bytes(data))

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

    @property
    def bytes_sent(self) -> int:
        """How many bytes the kernel has taken so far."""
        return self._port.bytes_sent

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

    def abandon(self) -> None:
        """Close the port without waiting, and leave its output to the kernel."""
        self._forget()
