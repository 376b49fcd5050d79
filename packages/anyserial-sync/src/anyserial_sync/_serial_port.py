"""The blocking port.

Theory of operation. A receive waits in poll(2) and then reads. With the write of a send, a round trip
takes three system calls. A receive tries to read first only if that is likely to succeed (the last read
filled its buffer) or if it must not wait (the timeout is 0). A send writes first and waits only for what
the kernel does not take. Both happen in the calling thread; there is no event loop.

One call may receive and one may send at a time. A call takes its turn with ``turns.setdefault(role,
me)``, where *me* is an object that belongs to this call. That is one atomic step, and the call has the turn
if it gets back *me*.

Ctrl-C, or any signal handler that raises, may end a call between any two instructions. It must neither
lose a byte nor leave a turn taken. Python runs signal handlers when a call of C returns, so the result of
that call may be lost. Stepping through an iterator of C needs no call: ``for data in reader`` reads and
stores with nothing in between (`Transport.readers`). A call that fails undoes itself, and does so twice,
because the first time may be interrupted.

All this is written out in `receive`, `receive_into` and `send`: a round trip takes few thousand instructions.

Only the public face of a port belongs here. Waiting is in `_waiting`, the operations and the end of a port
are in `anyserial._port`, and the system calls are in the backend.
"""

import math
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, Unpack, override

import anyio
from anyserial._spi import CLOSED, as_bytes, check_positive, check_timeout, limited, settled
from anyserial.config import SerialConfig
from anyserial.exceptions import UnsupportedFeatureError

from anyserial_sync._bell import Bell
from anyserial_sync._buffered import BufferedReceiving
from anyserial_sync._operations import BlockingOperations
from anyserial_sync._timeouts import LONGEST_WAIT, deadline_of, milliseconds_of
from anyserial_sync._waiting import calls_below

if TYPE_CHECKING:
    import os
    from collections.abc import Buffer, Callable, Mapping
    from types import TracebackType

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialPort",)

BURST = 4095  # the most that one read of a Linux tty returns; after such a read, more is likely to be queued


class SerialPort(BufferedReceiving, BlockingOperations, anyio.TypedAttributeProvider):
    """A serial port with blocking methods.

    Returned by `open_serial_port`, `SerialPort.open` and `SerialConnectable.connect`; the
    constructor wraps a backend that is open already. Any thread may use it: one may
    receive and one may send at a time, and a second one gets anyio.BusyResourceError
    at once. Every method takes a ``timeout`` in seconds: None takes `default_timeout`,
    which is without limit unless you set it, and 0 does what can be done without
    waiting. A TimeoutError leaves the port usable and loses nothing.

    Every method raises `SerialClosedError` once the port is closed and
    `SerialDisconnectedError` once the device is gone.
    """

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: SerialConfig,
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """Wrap an open backend, which then belongs to the port.

        Args:
            backend: An opened `SerialBackend` or `AsyncSerialBackend`.
            config: The settings that it was opened with.
            port_info: What is known about the device, for `port_info`.

        Raises:
            SerialClosedError: *backend* is not open.
        """
        super().__init__(backend, config, port_info)

    @classmethod
    def open(
        cls,
        path: "str | os.PathLike[str] | PortInfo",
        config: SerialConfig | None = None,
        /,
        *,
        timeout: float | None = None,
        default_timeout: float | None = None,
        **config_fields: "Unpack[SerialConfigFields]",
    ) -> Self:
        """Open a port; as `open_serial_port`, also for a subclass.

        Args:
            path: The device's path, or what discovery found.
            config: The settings; None for the defaults of `SerialConfig`.
            timeout: Seconds that the opening may take. It does not limit the calls that follow.
            default_timeout: As `open_serial_port`.
            **config_fields: Fields of `SerialConfig`; they override those of *config*.

        Raises:
            ConfigurationError: A field is not valid; nothing was opened.
            SerialError: As `open_serial_port`.
            TimeoutError: As `open_serial_port`.
        """
        from anyserial_sync._opening import open_port  # noqa: PLC0415  # it imports this module

        return open_port(cls, path, settled(config, config_fields), timeout=timeout, default_timeout=default_timeout)

    # Receiving and sending

    def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:  # noqa: C901, PLR0912  # the hot path
        """Receive what has arrived, or wait for the first bytes.

        Args:
            max_bytes: The most to return, at least 1; `SerialConfig.read_chunk_size`
                caps it too.
            timeout: Seconds to wait; 0 polls, None takes `default_timeout`.

        Returns:
            1..max_bytes bytes, as soon as any have arrived; never empty.

        Raises:
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: The device is gone, and all its bytes have been received.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_receive` was called meanwhile.
            LineError: A byte was damaged (with `LineErrors.RAISE`); the port stays usable.
            anyio.BusyResourceError: Another thread is receiving.
        """
        if type(max_bytes) is not int or max_bytes < 1:
            check_positive("max_bytes", max_bytes)
        poll = False
        if timeout is None and (timeout := self._default_timeout) is None:
            milliseconds = deadline = None
        elif type(timeout) is float and 0.0 <= timeout < LONGEST_WAIT:
            milliseconds, deadline = timeout * 1000, monotonic() + timeout
            poll = timeout == 0.0
        else:
            milliseconds, deadline = milliseconds_of(timeout), deadline_of(timeout)
            poll = timeout == 0
        port, turns, turnstile = self._port, self._turns, self._receiving
        me: list[bool] = []
        data: bytes | None = None
        before = port.bytes_received
        try:
            try:
                if turns.setdefault("receiver", me) is not me:
                    turnstile.refuse_entry()
                size = port.chunk_size
                if max_bytes < size:  # noqa: PLR1730  # half the cost of min()
                    size = max_bytes
                if self._attempt_first or self._pushback.items or poll or turnstile.interrupted:
                    data = self._next(me, size, poll=poll)
                elif (
                    (wait := turnstile.wait) is not None
                    and wait(milliseconds)
                    and not turnstile.interrupted
                    and (readers := port.transport.readers) is not None
                ):
                    try:
                        for data in readers[size]:  # noqa: B007  # one read: see `Transport.readers`
                            break
                    except OSError as exc:
                        port.transport.read_failed(exc)
                if not data:
                    data = self._wait_and_take(me, size, deadline)
                count = len(data)
                if count == size or count >= BURST:
                    self._attempt_first = True
                port.bytes_received = before + count
                del turns["receiver"]
                if turnstile.interrupted:
                    self._lifecycle.leave(me)
                return data
            except BaseException as exc:
                self._receive_failed(exc, me, data, before)
                raise
        except BaseException as exc:
            if turns.get("receiver") is me:  # the undoing was interrupted before its end
                self._receive_failed(exc, me, data, before)
            raise

    def receive_into(self, buffer: "bytearray | memoryview", *, timeout: float | None = None) -> int:
        """Receive into the caller's buffer.

        Args:
            buffer: Any writable, contiguous buffer; at least one byte long.
            timeout: Seconds to wait; 0 polls, None takes `default_timeout`.

        Returns:
            How many bytes were written to its beginning, at least 1.

        Raises:
            TypeError: *buffer* cannot be written to.
            ValueError: *buffer* is empty.
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: As `receive`; so are all other errors.
        """
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("receive_into needs a writable buffer (got a read-only one)")
        if not view:
            raise ValueError("receive_into needs a buffer of at least one byte (got an empty one)")
        timeout = self._limit(timeout)
        deadline = deadline_of(timeout)
        port, turns = self._port, self._turns
        me: list[bool] = []
        before = 0
        data: bytes | None = None
        try:
            try:
                if turns.setdefault("receiver", me) is not me:
                    self._receiving.refuse_entry()
                before = port.bytes_received
                size = min(len(view), port.chunk_size)
                data = self._next(me, size, poll=timeout == 0) or self._wait_and_take(me, size, deadline)
                count = len(data)
                view[:count] = data
                if count == size or count >= BURST:
                    self._attempt_first = True
                port.bytes_received = before + count
                del turns["receiver"]
                if self._receiving.interrupted:
                    self._lifecycle.leave(me)
                return count
            except BaseException as exc:
                self._receive_failed(exc, me, data, before)
                raise
        except BaseException as exc:
            if turns.get("receiver") is me:  # the undoing was interrupted before its end
                self._receive_failed(exc, me, data, before)
            raise

    def receive_available(self, *, limit: int | None = None, timeout: float | None = None) -> bytes:
        """Receive what is queued, in one wait and one read.

        Args:
            limit: The most to return, at least 1; None for `SerialConfig.read_chunk_size`,
                which caps it anyway. A Linux tty returns at most 4095 bytes in one read.
            timeout: Seconds to wait; 0 polls, None takes `default_timeout`.

        Returns:
            1..limit bytes, never empty.

        Raises:
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: As `receive`; so are all other errors.
        """
        if limit is None:
            limit = self._port.chunk_size
        else:
            check_positive("limit", limit)
        return self.receive(limit, timeout=timeout)

    def send(self, item: bytes, *, timeout: float | None = None) -> None:  # noqa: C901  # the hot path
        """Send all of *item*, and return when the kernel has accepted it.

        Args:
            item: What to send; nothing if empty.
            timeout: Seconds to wait; 0 sends what is taken at once, None takes `default_timeout`.

        Raises:
            TimeoutError: Not all of it was taken in time; the difference in
                `PortStatistics.bytes_sent` says how much was.
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_send` was called meanwhile; as for a timeout.
            anyio.BusyResourceError: Another thread is sending or draining.
        """
        data = item if type(item) is bytes else as_bytes(item)
        if timeout is not None and (type(timeout) is not float or not 0.0 <= timeout < LONGEST_WAIT):
            milliseconds_of(timeout)
        port, turns, turnstile = self._port, self._turns, self._sending
        me: list[int] = []
        before = sent = None
        try:
            try:
                if turns.setdefault("sender", me) is not me:
                    turnstile.refuse_entry()
                before = port.bytes_sent
                if turnstile.interrupted:
                    turnstile.check(me)
                # The answer cannot have arrived yet, so the next receive waits before it reads.
                self._attempt_first = False
                if data:
                    transport = port.transport
                    if (writer := transport.writer) is not None:
                        try:
                            transport.outbox.append(data)
                            for sent in writer:  # noqa: B007  # one write: see `Transport.writer`
                                break
                        except OSError as exc:
                            transport.write_failed(exc)
                    if sent is not None and sent == len(data):
                        port.bytes_sent = before + sent
                    else:
                        self._send_rest(me, before, memoryview(data), sent, timeout)
                del turns["sender"]
                if turnstile.interrupted:
                    self._lifecycle.leave(me)
            except BaseException as exc:
                self._send_failed(exc, me, sent, before)
                raise
        except BaseException as exc:
            self._send_failed(exc, me, sent, before)
            raise

    def _send_rest(
        self, me: "list[int]", before: int, data: memoryview, sent: int | None, timeout: float | None
    ) -> None:
        """Wait and write until everything is taken; append the counts to *me*."""
        deadline = deadline_of(self._limit(timeout))
        port = self._port
        if sent:
            me.append(sent)
        elif port.transport.writer is None:
            port.transport.write_onto(me, data)
        while True:
            port.bytes_sent = before + sum(me)
            if (taken := sum(me)) == len(data):
                return
            self._waits.write(self._sending, me, data[taken:], deadline)

    def send_buffer(self, data: "Buffer", *, timeout: float | None = None) -> None:
        """Send all bytes of a buffer, in the order of memory; as `send`.

        Args:
            data: Any buffer; it must not change until this returns. A buffer that is not
                contiguous is copied first.
            timeout: As `send`.

        Raises:
            TypeError: *data* is not a buffer.
            TimeoutError: As `send`; so are all other errors.
        """
        self.send(data, timeout=timeout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it takes them all

    def send_eof(self, *, timeout: float | None = None) -> None:
        """Wait until everything has been sent, as `drain` does: a serial line has no end of file.

        The port stays usable in both directions.

        Args:
            timeout: As `drain`.

        Raises:
            TimeoutError: As `drain`; so are all other errors.
        """
        self.drain(timeout=timeout)

    def cancel_receive(self) -> None:
        """Interrupt the receive that is under way in another thread; do nothing if there is none.

        The receive raises `SerialCancelledError`, unless it has its bytes already. Nothing is lost.
        """
        self._receiving.cancel()

    def cancel_send(self) -> None:
        """Interrupt the send, drain or break that is under way in another thread; do nothing if there is none.

        That call raises `SerialCancelledError`, unless it is done already. `PortStatistics.bytes_sent`
        tells what was sent by then; a break is released.
        """
        self._sending.cancel()

    def fileno(self) -> int:
        """Return the port's descriptor, for waiting. Bytes that you read from it yourself are lost to the port.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone.
            UnsupportedFeatureError: The backend has no descriptor.
        """
        self._port.check_open()
        number = self._port.transport.fileno()
        if number is None:
            raise UnsupportedFeatureError(None, "this port's backend has no file descriptor", self._port.path)
        return number

    # The end

    def close(self, *, timeout: float | None = None) -> None:
        """Close the port. Any thread may do so, and a second call only waits for the first.

        Waits for queued output as long as bytes leave. If none has left for *timeout* seconds, the rest is
        discarded if the driver can do that, and a RuntimeWarning says how much. If the driver cannot (USB
        adapters), the kernel's close may take half a minute; a daemon thread waits for it, and this call
        returns. A call in another thread is woken at once and raises `SerialClosedError`.

        Args:
            timeout: Seconds that queued output may stand still before it is discarded; 0 discards it at
                once, None takes `SerialConfig.close_timeout`. There is no TimeoutError.
        """
        check_timeout(timeout)
        linger = math.inf
        if timeout is None:
            linger = self._port.config.close_timeout
        elif (seconds := limited(timeout)) is not None:
            linger = seconds
        lifecycle = self._lifecycle
        closing = lifecycle.closing
        first = lifecycle.state < CLOSED
        if first:
            closing.begin(linger)  # bytes that a receive has read and not taken yet are left to it
        lifecycle.close()
        if closing.finished or calls_below(lifecycle):
            return
        bell = Bell()
        closing.on_finish(bell.wake)
        try:
            while patience := closing.patience:
                bell.wait(patience)
        except BaseException:
            closing.hurry()
            raise
        finally:
            closing.off_finish(bell.wake)
        closing.warn(stacklevel=2)
        if first and closing.error is not None:
            raise closing.error

    def __enter__(self) -> Self:
        """Return the port; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close the port."""
        self.close()

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes that are known: `SerialStreamAttribute`, FileStreamAttribute.path and .fileno."""
        from anyserial._spi import attributes_of  # noqa: PLC0415  # few programs need it

        return attributes_of(self._port, self.fileno)
