"""Receiving bytes with the time at which they were read, for the async port.

`SerialPort.receive` does not use this, so an ordinary receive does not pay for it.
"""

from typing import Any, cast

from anyserial._async_operations import AsyncOperations
from anyserial._checks import check_positive
from anyserial._clock import now
from anyserial._readiness import uninterrupted
from anyserial.exceptions import SerialDisconnectedError

__all__ = ("CALLS_IN_A_ROW", "CANCELLED", "TimedReceiving")

CANCELLED = float("-inf")
"""The deadline of a cancelled task."""

CALLS_IN_A_ROW = 32
"""Receives and sends that succeed at once before other tasks get their turn."""


class TimedReceiving(AsyncOperations):
    """The method `receive_with_time`."""

    @uninterrupted
    async def receive_with_time(self, max_bytes: int = 65536) -> tuple[bytes, float]:  # noqa: C901  # as `receive`
        """Receive as `receive` does, and tell when the bytes were read from the driver.

        The time is taken right after the read. On asyncio and uvloop the event loop reads as soon as it sees
        that the descriptor is readable, and the task may run later. On trio the task itself reads. So the bytes
        arrived before that time. They may have arrived any time earlier: the event loop may have been busy, and
        drivers hold bytes back (an FTDI adapter for up to 16 ms). Bytes that an earlier, cancelled `receive` left
        have the time of this call.

        Args:
            max_bytes: As for `receive`.

        Returns:
            1..max_bytes bytes, and the time of `time.monotonic` in seconds.

        Raises:
            SerialDisconnectedError: As `receive`; so are all other errors.

        Cancellation: as `receive`.
        """
        check_positive("max_bytes", max_bytes)
        waiter = self._waiter
        try:
            is_here = waiter.running() is waiter.home
        except RuntimeError:
            is_here = False
        if not is_here:
            waiter = self._attach(receiving=True)
        if self._is_receiving:
            self._refuse("receiving from")
        self._is_receiving = True
        port, pushback = self._port, self._pushback
        size = min(max_bytes, port.chunk_size)
        timed: Any = None
        try:
            self._in_a_row += 1
            if self._in_a_row > CALLS_IN_A_ROW or waiter.deadline() == CANCELLED:
                await self._give_way(waiter)
            if pushback.items:
                timed = self._pushed_back(size)
            elif waiter.attempt_first:
                timed = port.read_with_time(size)
            if timed is None:
                self._in_a_row = 0
                try:
                    timed = await waiter.read(port.read_with_time, size)
                except BaseException as exc:
                    self._wait_ended(exc, waiter)
                    raise
                if isinstance(timed, bytes):  # a backend that waits by itself makes no attempts
                    timed = timed, now()
        except SerialDisconnectedError as exc:
            self._port.unplug(exc)
            raise
        finally:
            self._is_receiving = False
        data, read_at = cast("tuple[bytes, float]", timed)
        port.bytes_received += len(data)
        return data, read_at

    def _pushed_back(self, size: int) -> tuple[bytes, float]:
        data = self._pushback.take(size)
        early, self._read_early = self._read_early, None
        return data, early[1] if early is not None and early[0] is data else now()
