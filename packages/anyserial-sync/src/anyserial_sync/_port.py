"""The blocking port.

Theory of operation. A receive waits in poll(2) and then reads: three system calls make
a round trip, with the write of a send. It tries to read first only if that is likely to
succeed, because the last read filled its buffer, or if it must not wait, because the
timeout is 0. A send writes first and waits only for what the kernel does not take.
Everything happens in the thread that calls; there is no event loop and no other thread.

One call may receive and one may send at a time, each in its `Lane`; how a call enters
and leaves is written out in each of them (see `_lane`), for a round trip is measured
in thousands of instructions here.

Only the public face of a port belongs here: how one waits is `_base`, what the
operations do is `anyserial._port`, what the system calls are is the backend's business.
"""

import threading
import warnings
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, Unpack, override

import anyio
from anyio.streams.file import FileStreamAttribute
from anyserial import _offload
from anyserial._checks import as_bytes, check_config, check_positive
from anyserial._port import CLOSED, OPEN
from anyserial.config import SerialConfig
from anyserial.exceptions import UnsupportedFeatureError
from anyserial.stream import SerialStreamAttribute

from anyserial_sync._buffered import BufferedReceiving
from anyserial_sync._operations import BlockingOperations
from anyserial_sync._timeouts import LONGEST_WAIT, check_timeout, deadline_of, milliseconds_of

if TYPE_CHECKING:
    import os
    from collections.abc import Buffer, Callable, Mapping
    from types import TracebackType

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialPort",)

CLOSE_GRACE = 0.04  # seconds beyond close_timeout that close waits for the driver's own close
BURST = 4095  # the most that one read of a Linux tty gives: more is likely to be there


class SerialPort(BufferedReceiving, BlockingOperations, anyio.TypedAttributeProvider):
    """A serial port with blocking methods.

    Made by `open_serial_port`, `SerialPort.open` or `SerialConnectable.connect`; the
    constructor wraps a backend that is open already. Any thread may use it: one may
    receive and one may send at a time, and a second one gets anyio.BusyResourceError
    at once. Every method takes a ``timeout`` in seconds: None waits without limit, 0
    does what can be done without waiting; a TimeoutError leaves the port usable and
    loses nothing.

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
        """Wrap an open backend, which is then the port's own.

        Args:
            backend: An opened `SerialBackend` or `AsyncSerialBackend`.
            config: The settings that it was opened with.
            port_info: What is known about the device, for `port_info`.

        Raises:
            SerialClosedError: *backend* is not open.
        """
        super().__init__(backend, config, port_info=port_info)

    @classmethod
    def open(
        cls,
        path: "str | os.PathLike[str] | PortInfo",
        config: SerialConfig | None = None,
        /,
        *,
        timeout: float | None = None,
        **config_fields: "Unpack[SerialConfigFields]",
    ) -> Self:
        """Open a port; as `open_serial_port`.

        Args:
            path: The device's path, or what discovery found.
            config: The settings; None for the defaults of `SerialConfig`.
            timeout: As `open_serial_port`.
            **config_fields: Fields of `SerialConfig`, which come before *config*'s.

        Raises:
            ConfigurationError: A field is not valid; nothing was opened.
            SerialError: As `open_serial_port`.
            TimeoutError: As `open_serial_port`.
        """
        from anyserial_sync._open import open_port  # noqa: PLC0415  # it imports this module

        if config is not None:
            check_config(config)
            config = config.with_changes(**config_fields)
        return open_port(cls, path, config or SerialConfig(**config_fields), timeout=timeout)

    # Receiving and sending

    def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:  # noqa: C901, PLR0912  # the hot path
        """Receive what is there, or wait for it.

        Args:
            max_bytes: The most to return, at least 1; `SerialConfig.read_chunk_size`
                caps it too.
            timeout: Seconds to wait; 0 polls, None waits without limit.

        Returns:
            1..max_bytes bytes, as soon as any are there; never empty.

        Raises:
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: The device is gone, and all its bytes were received.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_receive` was called meanwhile.
            LineError: A byte was damaged (with `LineErrors.RAISE`); the port stays usable.
            anyio.BusyResourceError: Another thread is receiving.
        """
        if type(max_bytes) is not int or max_bytes < 1:
            check_positive("max_bytes", max_bytes)
        if timeout is None:
            milliseconds = deadline = None
        else:
            if type(timeout) is float and 0.0 <= timeout < LONGEST_WAIT:
                milliseconds = timeout * 1000
            else:
                milliseconds = milliseconds_of(timeout)
            deadline = monotonic() + timeout
        lane = self._receiving
        turn, mine = lane.turn, False
        me: object = []
        data: bytes | None = None
        try:
            mine = turn.setdefault("taken", me) is me
            if not mine:
                self._refuse_entry(lane)
            size = self._chunk_size
            if max_bytes < size:  # noqa: PLR1730  # half the cost of min()
                size = max_bytes
            if self._attempt_first or self._carried or milliseconds == 0.0 or lane.interrupted:
                data = self._next(lane, me, size, deadline, poll=milliseconds == 0.0)
            elif (wait := lane.wait) is not None and wait(milliseconds) and not lane.interrupted:
                data = self._read(size)
            if data is None:
                data = self._read_later(lane, me, size, deadline)
            count = len(data)
            if count == size or count >= BURST:
                self._attempt_first = True
            self._bytes_received += count
            return data
        except BaseException as exc:
            self._failed(exc, data)
            raise
        finally:
            if mine or turn.get("taken") is me:
                del turn["taken"]
                if lane.interrupted and lane.retire():
                    self._leases.release()

    def receive_into(self, buffer: "bytearray | memoryview", *, timeout: float | None = None) -> int:
        """Receive into a buffer of the caller's, without a copy.

        Args:
            buffer: Any writable, contiguous buffer; at least one byte long.
            timeout: Seconds to wait; 0 polls, None waits without limit.

        Returns:
            How many bytes were written to its beginning, at least 1.

        Raises:
            TypeError: *buffer* cannot be written to.
            ValueError: *buffer* is empty.
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: As `receive`; so are all the others.
        """
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("receive_into needs a writable buffer (got a read-only one)")
        if not view:
            raise ValueError("receive_into needs a buffer of at least one byte (got an empty one)")
        deadline = deadline_of(timeout)
        lane = self._receiving
        turn, me = lane.turn, object()
        try:
            if turn.setdefault("taken", me) is not me:
                self._refuse_entry(lane)
            view = view[: self._chunk_size]
            count = self._next_into(lane, me, view, deadline, poll=timeout == 0)
            if count == len(view) or count >= BURST:
                self._attempt_first = True
            self._bytes_received += count
            return count
        except BaseException as exc:
            self._failed(exc, None)
            raise
        finally:
            self._leave(lane, me)

    def receive_available(self, *, limit: int | None = None, timeout: float | None = None) -> bytes:
        """Receive what is queued, in one wait and one read.

        Args:
            limit: The most to return, at least 1; None for `SerialConfig.read_chunk_size`,
                which caps it anyway. A Linux tty gives at most 4095 bytes in one read.
            timeout: Seconds to wait; 0 polls, None waits without limit.

        Returns:
            1..limit bytes, never empty.

        Raises:
            TimeoutError: Nothing came in time.
            SerialDisconnectedError: As `receive`; so are all the others.
        """
        if limit is None:
            limit = self._chunk_size
        else:
            check_positive("limit", limit)
        return self.receive(limit, timeout=timeout)

    def send(self, item: bytes, *, timeout: float | None = None) -> None:
        """Send all of *item*: return when the kernel has taken it.

        Args:
            item: What to send; nothing if empty.
            timeout: Seconds to wait; 0 sends what is taken at once, None waits without limit.

        Raises:
            TimeoutError: Not all of it was taken in time; the difference in
                `statistics.bytes_sent` tells how much was.
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_send` was called meanwhile; as for a timeout.
            anyio.BusyResourceError: Another thread is sending or draining.
        """
        data = item if type(item) is bytes else as_bytes(item)
        if timeout is not None and (type(timeout) is not float or not 0.0 <= timeout < LONGEST_WAIT):
            milliseconds_of(timeout)
        lane = self._sending
        turn, mine = lane.turn, False
        me: object = []
        try:
            mine = turn.setdefault("taken", me) is me
            if not mine:
                self._refuse_entry(lane)
            if lane.interrupted and lane.is_for(me):
                self._interrupt(lane)
            # The answer to what is sent cannot be there yet: the next receive had better wait first.
            self._attempt_first = False
            size = len(data)
            if size:
                sent = self._write(data) or 0
                self._bytes_sent += sent
                if sent < size:
                    self._write_later(lane, me, memoryview(data)[sent:], timeout)
        except BaseException as exc:
            self._failed(exc, None)
            raise
        finally:
            if mine or turn.get("taken") is me:
                del turn["taken"]
                if lane.interrupted and lane.retire():
                    self._leases.release()

    def send_buffer(self, data: "Buffer", *, timeout: float | None = None) -> None:
        """Send all of a buffer, byte by byte as it lies in memory; as `send`.

        Args:
            data: Any buffer; it must not change until this returns. One that is not
                contiguous is copied first.
            timeout: As `send`.

        Raises:
            TypeError: *data* is no buffer.
            TimeoutError: As `send`; so are all the others.
        """
        self.send(data, timeout=timeout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it takes them all

    def send_eof(self, *, timeout: float | None = None) -> None:
        """Wait until everything was sent, as `drain`: a serial line has no end of file.

        The port stays usable in both directions.

        Args:
            timeout: As `drain`.

        Raises:
            TimeoutError: As `drain`; so are all the others.
        """
        self.drain(timeout=timeout)

    def cancel_receive(self) -> None:
        """Interrupt the receive that another thread is in; do nothing if there is none.

        It raises `SerialCancelledError`, unless it has its bytes already. Nothing is lost.
        """
        self._receiving.cancel()

    def cancel_send(self) -> None:
        """Interrupt the send, drain or break that another thread is in; do nothing if there is none.

        It raises `SerialCancelledError`, unless it is done already. What was sent by then
        is in `statistics.bytes_sent`; a break is released.
        """
        self._sending.cancel()

    def fileno(self) -> int:
        """Return the port's descriptor, to be waited for; reading it behind the port's back loses bytes.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone.
            UnsupportedFeatureError: The backend has no descriptor.
        """
        if self._state != OPEN:
            raise self._refusal()
        if self._waits_itself:
            raise UnsupportedFeatureError(None, "this port's backend has no file descriptor", self._path)
        number: int = self._backend.fileno()
        return number

    # The end

    def close(self, *, timeout: float | None = None) -> None:
        """Close the port; calling it again does nothing. Any thread may.

        Queued output may leave for a while; what is left then is discarded where the
        driver can. Where it cannot (USB adapters), the kernel's close may take half a
        minute: a daemon thread waits for it, this does not. A call in another thread is
        woken at once and ends with `SerialClosedError`.

        Args:
            timeout: Seconds that queued output may take to leave, 0 to discard it; None
                for `SerialConfig.close_timeout`. No TimeoutError follows.
        """
        check_timeout(timeout)
        linger = self._config.close_timeout if timeout is None else timeout
        if self._state != CLOSED:
            self._state = CLOSED
            self._carry.clear()
        closing = self._close_backend(linger=linger)
        closed = threading.Event()
        closing.on_finish(closed.set)
        try:
            closed.wait(min(linger + CLOSE_GRACE, LONGEST_WAIT))
        except BaseException:
            closing.hurry()
            raise
        if closing.error is not None:
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

    def __del__(self) -> None:
        """Close a forgotten port, and say so."""
        if getattr(self, "_state", CLOSED) == OPEN:
            self._state = CLOSED
            warnings.warn(f"unclosed serial port {self._path!r}", ResourceWarning, stacklevel=1, source=self)
            self._close_backend(linger=0.0, submit=_offload.submit_alone)

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes that are known: `SerialStreamAttribute`, FileStreamAttribute.path and .fileno."""
        attributes: dict[Any, Callable[[], Any]] = {
            SerialStreamAttribute.capabilities: lambda: self.capabilities,
            SerialStreamAttribute.config: lambda: self._config,
            FileStreamAttribute.path: lambda: Path(self._path),
        }
        if self._port_info is not None:
            attributes[SerialStreamAttribute.port_info] = lambda: self._port_info
        if self._state == OPEN and not self._waits_itself:
            attributes[FileStreamAttribute.fileno] = self._backend.fileno
        return attributes
