"""``loop://``: a port whose output comes back as its input, in memory.

RTS is connected to CTS, and DTR to DSR. What is written arrives at once, but a write takes the time that the
baud rate would need if that is more than ``write_timeout``.
"""

import threading
import time
from typing import TYPE_CHECKING, override

from anyserial_sync._pyserial._network_port import LOGGER_LEVELS, logger_of
from anyserial_sync._pyserial.serialutil import (
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    to_bytes,
)
from anyserial_sync._pyserial.urlhandler._urls import split_url

if TYPE_CHECKING:
    import logging
    from collections.abc import Buffer, Callable

    from anyserial.tap import TapEvent

__all__ = ("LOGGER_LEVELS", "Serial")

BUFFER_SIZE = 4096  # bytes that the line holds; a write waits while it is full
BITS_PER_CHARACTER = 10
HIGHEST_RATE = 2**32


class Serial(SerialBase):
    """A port that is connected to itself.

    Attributes:
        buffer_size: How many bytes the line holds.
        logger: Where calls are logged, None unless the URL asks for it.
    """

    buffer_size = BUFFER_SIZE
    logger: "logging.Logger | None" = None

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Take the arguments of `SerialBase`."""
        self._line = bytearray()
        self._changed = threading.Condition()
        self._read_cancelled = False
        self._write_cancelled = False
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # handed on

    @override
    def open(self) -> None:
        """Open the port.

        Raises:
            SerialException: It is open already, has no name, or the URL has an unknown option.
        """
        if self.is_open:
            raise SerialException("Port is already open.")
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        self.from_url(self._port)
        self._reconfigure_port()
        self._read_cancelled = self._write_cancelled = False
        self._line.clear()
        self.is_open = True
        self._log("info", "opened")

    @override
    def close(self) -> None:
        """Close the port; a read that is under way returns what it has."""
        with self._changed:
            was_open = self.is_open
            self.is_open = False
            self._changed.notify_all()
        if was_open:
            self._log("info", "closed")

    def from_url(self, url: str) -> None:
        """Take the options of a URL.

        Raises:
            SerialException: There is an option that loop:// does not have.
        """
        try:
            self.logger = logger_of("loop", split_url(url, "loop", ("logging",)).options)
        except ValueError as exc:
            raise SerialException(f"loop:// takes loop://[?logging=debug|info|warning|error]: {exc}") from exc

    @override
    def _reconfigure_port(self) -> None:
        if not 0 < self._baudrate < HIGHEST_RATE:
            raise ValueError(f"invalid baudrate: it must be from 1 to {HIGHEST_RATE - 1} (got {self._baudrate!r})")
        self._log("info", "settings changed: %s", self)

    def log_event(self, event: "TapEvent") -> None:
        """Log what a `Tap` has seen: for a transport, whose reads and writes are no calls of this object's."""
        self._log("debug" if event.data else "info", "%s %r", event.kind, event.data or event.value)

    def _log(self, level: str, message: str, *arguments: object) -> None:
        if self.logger is not None:
            self.logger.log(LOGGER_LEVELS[level], message, *arguments)

    def _check_open(self) -> None:
        if not self.is_open:
            raise PortNotOpenError

    def _wait(self, condition: "Callable[[], bool]", deadline: float | None) -> bool:
        """Wait, with the lock, until *condition* holds; False if the time is over or the port closed before."""

        def over() -> bool:
            return condition() or not self.is_open

        self._changed.wait_for(over, None if deadline is None else max(0.0, deadline - time.monotonic()))
        return condition()

    # Data

    @property
    def in_waiting(self) -> int:
        """The number of bytes that a read would return at once."""
        self._check_open()
        return len(self._line)

    @property
    def out_waiting(self) -> int:
        """The same number: what is on the line has left and not been read."""
        return self.in_waiting

    @override
    def read(self, size: int = 1) -> bytes:
        """Read up to *size* bytes: fewer if the timeout is over, or at `cancel_read` or `close`.

        Raises:
            PortNotOpenError: The port is not open.
        """
        self._check_open()
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        data = bytearray()
        with self._changed:
            while len(data) < size and self._wait(lambda: bool(self._line) or self._read_cancelled, deadline):
                if self._read_cancelled:
                    self._read_cancelled = False
                    break
                part = self._line[: size - len(data)]
                del self._line[: len(part)]
                data += part
                self._changed.notify_all()
        self._log("debug", "read %r", bytes(data))
        return bytes(data)

    @override
    def write(self, data: "Buffer") -> int:
        """Write all of *data* and return its length; 0 if `cancel_write` ended it.

        Raises:
            PortNotOpenError: The port is not open.
            SerialTimeoutException: The time that *data* takes at this baud rate is longer than
                ``write_timeout`` (nothing was sent), or the line stayed full (a part was).
        """
        self._check_open()
        octets = to_bytes(data)
        self._log("debug", "write %r", octets)
        limit = self._write_timeout
        with self._changed:
            self._write_cancelled = False
            if limit is not None and BITS_PER_CHARACTER * len(octets) / self._baudrate > limit:
                if self._wait(lambda: self._write_cancelled, time.monotonic() + limit):
                    return 0
                raise SerialTimeoutException("Write timeout")
            deadline = None if limit is None else time.monotonic() + limit
            sent = 0
            while sent < len(octets):
                if not self._wait(lambda: len(self._line) < self.buffer_size or self._write_cancelled, deadline):
                    self._check_open()
                    raise SerialTimeoutException("Write timeout")
                if self._write_cancelled:
                    return sent
                part = octets[sent : sent + self.buffer_size - len(self._line)]
                self._line += part
                sent += len(part)
                self._changed.notify_all()
            return sent

    def cancel_read(self) -> None:
        """End the read that another thread is in, or else the next one."""
        with self._changed:
            self._read_cancelled = True
            self._changed.notify_all()

    def cancel_write(self) -> None:
        """End the write that another thread is in."""
        with self._changed:
            self._write_cancelled = True
            self._changed.notify_all()

    def reset_input_buffer(self) -> None:
        """Discard what is on the line.

        Raises:
            PortNotOpenError: The port is not open.
        """
        self._check_open()
        with self._changed:
            self._line.clear()
            self._changed.notify_all()
        self._log("info", "line cleared")

    def reset_output_buffer(self) -> None:
        """Discard what is on the line: it is both the output and the input.

        Raises:
            PortNotOpenError: The port is not open.
        """
        self.reset_input_buffer()

    # Lines

    @override
    def _update_break_state(self) -> None:
        self._log("info", "break: %s", self._break_state)

    @override
    def _update_rts_state(self) -> None:
        self._log("info", "RTS: %s, and so is CTS", self._rts_state)

    @override
    def _update_dtr_state(self) -> None:
        self._log("info", "DTR: %s, and so is DSR", self._dtr_state)

    @property
    def cts(self) -> bool:
        """The level of RTS."""
        self._check_open()
        return self._rts_state

    @property
    def dsr(self) -> bool:
        """The level of DTR."""
        self._check_open()
        return self._dtr_state

    @property
    def ri(self) -> bool:
        """Always False."""
        self._check_open()
        return False

    @property
    def cd(self) -> bool:
        """Always True."""
        self._check_open()
        return True
