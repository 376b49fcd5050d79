"""`share` for threads: several threads on one blocking port, each with a link of its own.

As in core's async `share`, no thread reads in the background. A link whose receive finds nothing in the log
reads from the port for everyone; receives on other links wait for that on a condition. A reader that leaves
wakes the others, and one of them goes on reading. Core's log decides what is kept for each link.
"""

import errno
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast, override

import anyio
from anyserial._spi import Log, as_bytes, busy_error, check_integer, check_positive, refusal
from anyserial.exceptions import LineError, SerialCancelledError, SerialClosedError

from anyserial_sync._serial_port import SerialPort
from anyserial_sync._timeouts import deadline_of, remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

__all__ = ("PortLink", "SharedPort", "share")

CAPACITY = 65536
RETRY = 0.01  # seconds until a reader that was not in its call yet is cancelled again


def share(port: SerialPort, *, capacity: int = CAPACITY) -> "SharedPort":
    """Share one port among several threads; from now on, receive and send through links.

    Args:
        port: An open port. It belongs to the `SharedPort`, which closes it.
        capacity: How many bytes a link may lag behind the others, at least 1. A link that lags further
            behind loses the oldest of its bytes, and its next receive raises `anyserial.tap.InputLostError`.

    Returns:
        The shared port; use it with ``with``.

    Raises:
        TypeError: *port* is not a blocking SerialPort, or *capacity* not an integer.
        ValueError: *capacity* is less than 1.
    """
    return SharedPort(port, capacity=capacity)


class SharedPort:
    """One blocking port with any number of links. Made by `share`. Any thread may use it.

    The port is read only while a receive on some link waits. What arrives while none does stays with the
    driver, where flow control works.
    """

    def __init__(self, port: SerialPort, *, capacity: int = CAPACITY) -> None:
        """As `share`."""
        if not isinstance(cast("object", port), SerialPort):
            hint = "share an async port with anyserial.tap.share"
            raise TypeError(refusal("port", "an open SerialPort of anyserial.sync", port, hint))
        check_integer("capacity", capacity, 1)
        self._port = port
        self._log = Log(capacity, port.path)
        self._size = min(capacity, CAPACITY)
        # With the lock that its own thread may take again: a signal handler may close a link or the port.
        self._changed = threading.Condition()
        self._reading: tuple[PortLink, int] | None = None
        self._senders: deque[list[PortLink]] = deque()

    @property
    def port(self) -> SerialPort:
        """The port itself, for everything except receiving, sending and closing: settings, lines, breaks, a tap."""
        return self._port

    def link(self) -> "PortLink":
        """Return a new link. It receives everything that is read from the port from now on."""
        return PortLink(self)

    def pty(self) -> "AbstractContextManager[str]":
        """Link a pseudo-terminal, so that another program can use the port too.

        Whatever the port receives can be read from the pty, and what a program writes to the pty is sent. A
        program may open the pty, close it and open it again; several may have it open. While the block
        runs, the port is read all the time, by three daemon threads. Output that no program reads is
        bounded: the oldest of it is dropped. So a program that opens the pty late may find up to a few
        kilobytes of old output in the pty first; most serial programs discard it when they open a port.
        What the program sets on the pty (a baud rate, lines) has no effect on the port, and line errors
        are not passed on.

        When the port ends, the pty stays until the block ends, and no longer passes anything on.

        Yields:
            The path of the pty, which is in raw mode.

        Raises:
            UnsupportedPlatformError: This platform's driver has no ptys.
            SerialError: The system has no pty left.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        from anyserial_sync._linked_pty import linked_pty  # noqa: PLC0415  # few shared ports have one

        return linked_pty(self)

    def close(self, *, timeout: float | None = None) -> None:
        """Close the port, as its own `close` does.

        A receive that waits on a link ends with `SerialClosedError`. A link that lags behind still
        returns the bytes that were read from the port before, and raises it then.

        Args:
            timeout: As for the port's `close`.
        """
        self._port.close(timeout=timeout)

    def __enter__(self) -> Self:
        """Return the shared port; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close the port."""
        self.close()

    @override
    def __repr__(self) -> str:
        return f"<anyserial.sync.SharedPort of {self._port!r}>"

    # For the links, which are in this module.

    def _read_or_wait(self, link: "PortLink", deadline: float | None) -> None:
        """Read from the port for everyone, or wait until another thread has done so or has given up.

        Raises:
            TimeoutError: The deadline came first.
        """
        me = (link, threading.get_ident())
        try:
            with self._changed:
                if self._log.has_more(link._reader) or not link.is_open:  # noqa: SLF001  # the class below
                    return
                if self._reading is not None:
                    left = remaining(deadline)
                    if left == 0.0:
                        raise timed_out("nothing was received", self._port.path)
                    self._changed.wait(left)
                    return
                self._reading = me
            self._read(link, deadline)
        finally:
            self._stop_reading(me)

    def _read(self, link: "PortLink", deadline: float | None) -> None:
        item: bytes | LineError | None = None
        before = self._log.end
        try:
            item = self._port.receive(self._size, timeout=remaining(deadline))
            self._log.append(item)
        except LineError as exc:
            self._log.append(exc)
        except SerialCancelledError:
            if link.is_open:  # meant for a receive before this one, or for the port's own user
                return
            raise SerialClosedError(*link.refusal) from None
        except BaseException:
            if item is not None and self._log.end == before:  # Ctrl-C came before the append
                self._log.append(item)
            raise

    def _stop_reading(self, me: "tuple[PortLink, int]") -> None:
        if self._reading is me:
            with self._changed:
                self._reading = None
                self._changed.notify_all()

    def _closed(self, link: "PortLink") -> None:
        """Wake the receive that waits on *link*, which is closed now."""
        with self._changed:
            self._log.remove_reader(link._reader)  # noqa: SLF001  # the class below
            self._changed.notify_all()
            while (reading := self._reading) is not None and reading[0] is link:
                self._port.cancel_receive()
                # A signal handler must not wait for the call that it interrupts.
                if reading[1] == threading.get_ident():
                    return
                self._changed.wait(RETRY)

    def _in_turn(self, link: "PortLink", deadline: float | None, call: "Callable[[float | None], None]") -> None:
        """Make *call* with the time that is left, once all earlier callers are done.

        Raises:
            TimeoutError: The turn did not come before the deadline.
        """
        me = [link]  # compared by identity
        try:
            self._senders.append(me)
            with self._changed:
                while self._senders[0] is not me:
                    link.check_open()
                    left = remaining(deadline)
                    if left == 0.0:
                        raise timed_out("another link was sending, and nothing was sent", self._port.path)
                    self._changed.wait(left)
            link.check_open()
            call(remaining(deadline))
        finally:
            with self._changed:
                for index, other in enumerate(self._senders):
                    if other is me:
                        del self._senders[index]
                        break
                self._changed.notify_all()

    def cancel_send(self, link: "PortLink") -> None:
        """Interrupt the send that is under way on *link*; do nothing if there is none."""
        with self._changed:
            if self._senders and self._senders[0][0] is link:
                self._port.cancel_send()


class PortLink(anyio.TypedAttributeProvider):
    """One user's link to a shared port. Made by `SharedPort.link`.

    One thread may receive on it at a time, and any number may send on any link: each `send` waits for its
    turn, in the order of asking. Closing a link leaves the port and the other links as they are.
    """

    def __init__(self, shared: SharedPort) -> None:
        """As `SharedPort.link`."""
        self._shared = shared
        self._log = shared._log  # noqa: SLF001  # the class above
        self._turn: dict[str, object] = {}
        self._reader = self._log.add_reader()
        self.is_open: bool = True

    def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:
        """Receive what has arrived for this link, or wait for the first bytes.

        Args:
            max_bytes: The most to return, at least 1.
            timeout: Seconds to wait; 0 polls, None takes the `default_timeout` of the port.

        Returns:
            1..max_bytes bytes, as soon as any have arrived; never empty.

        Raises:
            TimeoutError: Nothing came in time.
            InputLostError: This link was read too slowly, and bytes are missing here; it stays usable.
            LineError: A character was damaged (with `LineErrors.RAISE`); every link raises this.
            SerialDisconnectedError: The device is gone, and this link has received all its bytes.
            SerialClosedError: The link is closed; or the port is, and this link has received all that
                was read from it.
            SerialError: Reading failed. Only the link that was reading at the time raises this.
            anyio.BusyResourceError: Another thread is receiving on this link, or on the port itself.
        """
        check_positive("max_bytes", max_bytes)
        deadline = deadline_of(timeout)
        me = object()
        try:
            if self._turn.setdefault("receiver", me) is not me:
                raise busy_error("receiving from this link to", self._shared.port.path)
            while True:
                self.check_open()
                if self._log.has_more(self._reader):
                    return self._log.take(self._reader, max_bytes)
                self._shared._read_or_wait(self, deadline)  # noqa: SLF001  # the class above
        finally:
            if self._turn.get("receiver") is me:
                del self._turn["receiver"]

    def send(self, item: "bytes | Buffer", *, timeout: float | None = None) -> None:
        """Send all of *item*, without the bytes of other links in between.

        Args:
            item: What to send; nothing if empty.
            timeout: Seconds to wait for the turn and for the port; None takes the port's `default_timeout`.

        Raises:
            TimeoutError: Not all of it was taken in time. If the turn did not come, nothing was sent, and
                the message says so.
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The link or the port is closed, or was closed meanwhile.
        """
        data = as_bytes(item)
        self.check_open()
        self._shared._in_turn(  # noqa: SLF001  # the class above
            self, deadline_of(timeout), lambda left: self._shared.port.send_buffer(data, timeout=left)
        )

    def send_eof(self, *, timeout: float | None = None) -> None:
        """Wait until everything has been sent, as the port's `drain`, when it is this call's turn.

        Args:
            timeout: Seconds to wait for the turn and for the output; None takes the port's `default_timeout`.

        Raises:
            TimeoutError: It took longer.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The link or the port is closed.
        """
        self.check_open()
        self._shared._in_turn(  # noqa: SLF001  # the class above
            self, deadline_of(timeout), lambda left: self._shared.port.drain(timeout=left)
        )

    def close(self) -> None:
        """Close this link only. Any thread may do so; a receive on it ends with `SerialClosedError`."""
        self.is_open = False
        self._shared._closed(self)  # noqa: SLF001  # the class above

    def __enter__(self) -> Self:
        """Return the link; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close the link."""
        self.close()

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The port's typed attributes, without its descriptor: reading from that would take bytes from every link."""
        from anyio.streams.file import FileStreamAttribute  # noqa: PLC0415  # slow to import

        attributes = dict(self._shared.port.extra_attributes)
        attributes.pop(FileStreamAttribute.fileno, None)
        return attributes

    @override
    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<anyserial.sync.PortLink to {self._shared.port.path!r}, {state}>"

    @property
    def refusal(self) -> "tuple[int, str, str]":
        """The arguments of the error that a closed link raises."""
        return errno.EBADF, "this link is closed; make another one with SharedPort.link()", self._shared.port.path

    def check_open(self) -> None:
        """Raise SerialClosedError if this link is closed."""
        if not self.is_open:
            raise SerialClosedError(*self.refusal)
