"""Receiving a given length, up to a delimiter, or line by line.

What was read too far, and everything that was read for a call that ends with an error,
goes back to the front of the port's own queue, from which every receive is served
first. So nothing is lost, whichever methods are mixed. Reading itself is `_base`.
"""

import errno
from typing import TYPE_CHECKING, Any

import anyio
from anyserial._checks import check_positive
from anyserial.exceptions import SerialDisconnectedError

from anyserial_sync._base import BlockingPortBase
from anyserial_sync._timeouts import deadline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("BufferedReceiving",)


def _check_bytes(name: str, value: object) -> None:
    """Raise TypeError unless *value* is bytes, ValueError if it is empty."""
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"{name} must be bytes (got {value!r})")
    if not value:
        raise ValueError(f"{name} must be at least one byte long (got {value!r})")


class _IncompleteError(SerialDisconnectedError, anyio.IncompleteRead):
    """The device is gone, and the rest of what was asked for will not come; what did can be received."""

    def __init__(self, *args: Any) -> None:
        # As an OSError: AnyIO's own takes no arguments.
        super().__init__(*args)


class BufferedReceiving(BlockingPortBase):
    """The methods that `anyio.streams.buffered.BufferedByteReceiveStream` adds to the async port, and lines."""

    def receive_exactly(self, nbytes: int, *, timeout: float | None = None) -> bytes:
        """Receive exactly as many bytes as asked for.

        Args:
            nbytes: How many, at least 1.
            timeout: Seconds that all of it may take; 0 takes what is there, None waits
                without limit.

        Returns:
            *nbytes* bytes.

        Raises:
            TimeoutError: They did not all come in time; those that did lead the next receive.
            SerialDisconnectedError: The device is gone before all came; if some did, it is
                an anyio.IncompleteRead too, and `receive` still has them.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_receive` was called meanwhile; as for a timeout.
            LineError: A byte was damaged (with `LineErrors.RAISE`); those before it lead
                the next receive.
            anyio.BusyResourceError: Another thread is receiving.
        """
        check_positive("nbytes", nbytes)

        def ends(buffer: bytearray, _searched: int) -> int:
            return nbytes if len(buffer) >= nbytes else -1

        return self._gather(ends, nbytes, timeout)

    def receive_until(self, delimiter: bytes, max_bytes: int, *, timeout: float | None = None) -> bytes:
        """Receive everything up to a delimiter.

        Args:
            delimiter: What ends it, at least one byte long.
            max_bytes: The most bytes that may come before the delimiter, at least 1.
            timeout: Seconds that all of it may take; 0 takes what is there, None waits
                without limit.

        Returns:
            The bytes before the delimiter, which is received too but not returned; maybe ``b""``.

        Raises:
            anyio.DelimiterNotFound: It is not among the first *max_bytes* bytes and
                those that follow them; they all lead the next receive.
            TimeoutError: The delimiter did not come in time; what did leads the next receive.
            SerialDisconnectedError: As `receive_exactly`.
            SerialClosedError: As `receive_exactly`.
            SerialCancelledError: As `receive_exactly`.
            LineError: As `receive_exactly`.
            anyio.BusyResourceError: Another thread is receiving.
        """
        return self._until(delimiter, max_bytes, timeout)[: -len(delimiter)]

    def lines(self, *, max_bytes: int = 65536, timeout: float | None = None) -> "Generator[bytes]":
        r"""Iterate over the lines received; iterating over the port does the same, without a timeout.

        Args:
            max_bytes: The most bytes in a line, its end not counted; at least 1.
            timeout: Seconds to wait for each line; None waits without limit.

        Yields:
            Each line with its ``b"\n"``.

        Raises:
            TimeoutError: No whole line came in time. The iteration is over then, but
                nothing is lost: another one goes on where it ended.
            anyio.DelimiterNotFound: A line is longer than *max_bytes*.
            SerialDisconnectedError: As `receive_exactly`.
            SerialClosedError: As `receive_exactly`.
            SerialCancelledError: As `receive_exactly`.
            LineError: As `receive_exactly`.
            anyio.BusyResourceError: Another thread is receiving.
        """
        while True:
            yield self._until(b"\n", max_bytes, timeout)

    def __iter__(self) -> "Generator[bytes]":
        """Iterate over the lines received; as `lines`, waiting without limit."""
        return self.lines()

    def _until(self, delimiter: bytes, max_bytes: int, timeout: float | None) -> bytes:
        """Receive up to and including *delimiter*."""
        _check_bytes("delimiter", delimiter)
        check_positive("max_bytes", max_bytes)
        length = len(delimiter)

        def ends(buffer: bytearray, searched: int) -> int:
            index = buffer.find(delimiter, max(searched - length + 1, 0))
            if index >= 0:
                return index + length
            if len(buffer) >= max_bytes + length:
                raise anyio.DelimiterNotFound(max_bytes)
            return -1

        return self._gather(ends, max_bytes + length, timeout)

    def _gather(self, ends: "Callable[[bytearray, int], int]", most: int, timeout: float | None) -> bytes:
        """Receive until ``ends(buffer, searched)`` says where in the buffer the result ends.

        Args:
            ends: Returns an index, or -1 if more is needed; *searched* bytes it has seen before.
            most: How long the buffer may get.
            timeout: As the caller's.
        """
        deadline = deadline_of(timeout)
        lane = self._receiving
        turn, me = lane.turn, object()
        buffer = bytearray()
        try:
            if turn.setdefault("taken", me) is not me:
                self._refuse_entry(lane)
            end = searched = 0
            while (end := ends(buffer, searched) if buffer else -1) < 0:
                searched = len(buffer)
                size = min(most - searched, self._chunk_size)
                buffer += self._next(lane, me, size, deadline, poll=timeout == 0)
            data = bytes(buffer[:end])
            self._bytes_received += end
            if rest := bytes(buffer[end:]):
                self._carry.give_back(rest)
        except BaseException as exc:
            if buffer:
                self._carry.give_back(bytes(buffer))
            if isinstance(exc, SerialDisconnectedError):
                self._disconnect(exc)
                if buffer:
                    raise _IncompleteError(
                        exc.errno or errno.ENODEV,
                        f"the serial device is gone; {len(buffer)} bytes of what was asked for can be received",
                        self._path,
                    ) from exc
            raise
        else:
            return data
        finally:
            self._leave(lane, me)
