"""The async port.

Theory of operation. `OpenPort` has everything that both faces share, `EventLoopPort` adds the waiting in
an event loop, `AsyncOperations` all other operations and a receive with a timestamp, and this class moves the
bytes. A receive first takes bytes that were pushed back.
Otherwise it tries to read, if that is likely to succeed, and otherwise waits: the waiter of the running event
loop reads as soon as the descriptor is readable, and wakes the task with the bytes. A send tries to write, and
waits only for what the kernel does not take. Everything that may block runs on a worker.

A call that succeeds without waiting still checks for cancellation. After a bounded number of such calls in
a row, other tasks get to run.

Only the public face of a port belongs here. Waiting is in `_readiness`, the operations and the end of a
port are in `_port`, and the system calls are in the backend.
"""

from collections.abc import Buffer
from inspect import markcoroutinefunction
from typing import TYPE_CHECKING, Any, Self, Unpack, override

import anyio
from anyio.abc import ByteStream

from anyserial import _readiness
from anyserial._async_operations import AsyncOperations
from anyserial._checks import as_bytes, check_positive
from anyserial._event_loop import CALLS_IN_A_ROW, CANCELLED
from anyserial._port.closing import GRACE
from anyserial._port.lifecycle import CLOSED, FOREIGN
from anyserial._readiness import uninterrupted
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from anyserial._async_opening import open_serial_port
    from anyserial._attributes import SerialStreamAttribute
    from anyserial._connectable import SerialConnectable
    from anyserial._opener import Opener
    from anyserial._readiness._contract import Waiter
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("BytesLike", "SerialConnectable", "SerialPort", "SerialStreamAttribute", "open_serial_port")

BytesLike = Buffer
"""Any object that can be sent."""

_BURST = 4095  # the most that one read of a Linux tty returns; after such a read, more is likely to be queued


def __getattr__(name: str) -> Any:
    if name == "SerialConnectable":
        from anyserial._connectable import SerialConnectable  # noqa: PLC0415  # it imports this module

        return SerialConnectable
    if name == "open_serial_port":
        from anyserial._async_opening import open_serial_port  # noqa: PLC0415  # it imports this module

        return open_serial_port
    if name == "SerialStreamAttribute":
        from anyserial._attributes import SerialStreamAttribute  # noqa: PLC0415  # few programs need it

        return SerialStreamAttribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class SerialPort(AsyncOperations, ByteStream):
    """A serial port as an AnyIO byte stream.

    Returned by `open_serial_port`, `SerialPort.open` and `SerialConnectable.connect`; the
    constructor wraps a backend that is open already. One task may receive and one may
    send at a time. You may use a port in another event loop later, but if two event loops
    use it at the same time, it raises anyio.BusyResourceError.

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
    @markcoroutinefunction  # it returns an awaitable, and frameworks ask before they call
    def open(
        cls,
        path: "str | os.PathLike[str] | PortInfo",
        config: SerialConfig | None = None,
        /,
        **config_fields: "Unpack[SerialConfigFields]",
    ) -> "Opener[Self]":
        """Open a port; as `open_serial_port`, also for a subclass.

        Args:
            path: The device's path, or what discovery found.
            config: The settings; None for the defaults of `SerialConfig`.
            **config_fields: Fields of `SerialConfig`; they override those of *config*.

        Returns:
            As `open_serial_port`: it can be awaited or entered.

        Raises:
            ConfigurationError: A field is not valid; nothing was opened.
            SerialError: As `open_serial_port`.
            TypeError: As `open_serial_port`.
        """
        from anyserial._async_opening import open_port  # noqa: PLC0415  # it imports this module
        from anyserial._opening import settled  # noqa: PLC0415  # likewise

        return open_port(cls, f"{cls.__name__}.open", path, settled(config, config_fields))

    # Receiving and sending

    @uninterrupted
    @override
    async def receive(self, max_bytes: int = 65536) -> bytes:  # noqa: C901  # written out, see below
        """Receive what has arrived, or wait for the first bytes.

        Args:
            max_bytes: The most to return, at least 1; `SerialConfig.read_chunk_size`
                caps it too.

        Returns:
            1..max_bytes bytes, as soon as any have arrived; never empty.

        Raises:
            SerialDisconnectedError: The device is gone, and all its bytes have been received.
            SerialClosedError: The port is closed, or was closed meanwhile.
            LineError: A byte was damaged (with `LineErrors.RAISE`); the port stays usable.
            anyio.BusyResourceError: Another task is receiving, or another event loop uses the port.

        Cancellation: no byte is lost; the next receive returns bytes that were read already.
        """
        # Written out by hand, here and below, because every byte takes this path and a call costs as
        # much as ten lines.
        if max_bytes.__class__ is not int or max_bytes < 1:
            check_positive("max_bytes", max_bytes)
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach(receiving=True)
        except RuntimeError:
            waiter = self._attach(receiving=True)
        if self._is_receiving:
            self._refuse("receiving from")
        self._is_receiving = True
        port = self._port
        size = max_bytes if max_bytes < port.chunk_size else port.chunk_size  # noqa: FURB136  # half of min()
        data = None
        try:
            if waiter.attempt_first or self._pushback.items:
                self._in_a_row += 1
                if self._in_a_row > CALLS_IN_A_ROW or waiter.deadline() == CANCELLED:
                    await self._give_way(waiter)
                data = self._pushback.take(size) if self._pushback.items else port.transport.read(size)
            if data is None:
                self._in_a_row = 0
                try:
                    data = await waiter.read(port.read, size)
                except BaseException as exc:
                    self._wait_ended(exc, waiter)
                    raise
        except SerialDisconnectedError as exc:
            self._port.unplug(exc)
            raise
        finally:
            self._is_receiving = False
        count = len(data)
        port.bytes_received += count
        if count >= _BURST:
            waiter.attempt_first = True
        return data

    @uninterrupted
    async def receive_into(self, buffer: "bytearray | memoryview") -> int:  # noqa: C901, PLR0912  # as `receive`
        """Receive into the caller's buffer.

        The kernel writes to it directly, without a copy.

        Args:
            buffer: Any writable, contiguous buffer; at least one byte long.

        Returns:
            How many bytes were written to its beginning, at least 1.

        Raises:
            As `receive`; TypeError if *buffer* cannot be written to.

        Cancellation: as `receive`; *buffer* may hold bytes that the next receive returns again.
        """
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("receive_into needs a writable buffer (got a read-only one)")
        if not view:
            raise ValueError("receive_into needs a buffer of at least one byte (got an empty one)")
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach(receiving=True)
        except RuntimeError:
            waiter = self._attach(receiving=True)
        if self._is_receiving:
            self._refuse("receiving from")
        self._is_receiving = True
        port = self._port
        if len(view) > port.chunk_size:
            view = view[: port.chunk_size]
        count = None
        try:
            if waiter.attempt_first or self._pushback.items:
                self._in_a_row += 1
                if self._in_a_row > CALLS_IN_A_ROW or waiter.deadline() == CANCELLED:
                    await self._give_way(waiter)
                count = self._pushback.take_into(view) if self._pushback.items else port.transport.read_into(view)
            if count is None:
                self._in_a_row = 0
                try:
                    count = await waiter.read(port.read_into, view)
                except BaseException as exc:
                    self._wait_ended(exc, waiter, view)
                    raise
        except SerialDisconnectedError as exc:
            self._port.unplug(exc)
            raise
        finally:
            self._is_receiving = False
        port.bytes_received += count
        if count >= _BURST:
            waiter.attempt_first = True
        return count

    @uninterrupted
    async def receive_available(self, *, limit: int | None = None) -> bytes:
        """Receive what is queued, in one wait and one read.

        Args:
            limit: The most to return, at least 1; None for `SerialConfig.read_chunk_size`,
                which caps it anyway. A Linux tty returns at most 4095 bytes in one read.

        Returns:
            1..limit bytes, never empty.

        Raises:
            As `receive`.

        Cancellation: as `receive`.
        """
        if limit is None:
            limit = self._port.chunk_size
        else:
            check_positive("limit", limit)
        return await self.receive(limit)

    @uninterrupted
    @override
    async def send(self, item: bytes) -> None:
        """Send all of *item*, and return when the kernel has accepted it.

        Args:
            item: What to send; nothing if empty.

        Raises:
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The port is closed, or was closed meanwhile.
            anyio.BusyResourceError: Another task is sending or draining, or another
                event loop uses the port.

        Cancellation: some, all or none of *item* may have been sent; the difference in
        `PortStatistics.bytes_sent` says how much.
        """
        data = item if item.__class__ is bytes else as_bytes(item)
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach()
        except RuntimeError:
            waiter = self._attach()
        if self._is_sending:
            self._refuse("sending to")
        self._is_sending = True
        try:
            self._in_a_row += 1
            if self._in_a_row > CALLS_IN_A_ROW or waiter.deadline() == CANCELLED:
                await self._give_way(waiter)
                self._port.check_open()
            size = len(data)
            if size:
                port = self._port
                sent = port.transport.write(data) or 0
                port.bytes_sent += sent
                if sent < size:
                    await self._send_rest(waiter, memoryview(data)[sent:])
        except SerialDisconnectedError as exc:
            self._port.unplug(exc)
            raise
        finally:
            self._is_sending = False

    async def _send_rest(self, waiter: "Waiter", rest: memoryview) -> None:
        port = self._port
        while rest:
            port.check_open()  # the port may have been closed between the end of the wait and this task's run
            sent: int | None = port.transport.write(rest)
            if sent is None:
                self._in_a_row = 0
                try:
                    sent = await waiter.write(port.write, rest)
                except BaseException as exc:
                    self._write_wait_ended(exc, waiter)
                    raise
            port.bytes_sent += sent
            rest = rest[sent:]

    @uninterrupted
    async def send_buffer(self, data: BytesLike) -> None:
        """Send all bytes of a buffer, in the order of memory; as `send`.

        Args:
            data: Any buffer; it must not change until this returns. A buffer that is not
                contiguous is copied first.

        Raises:
            As `send`; TypeError if *data* is not a buffer.
        """
        await self.send(data)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # send takes them all

    @uninterrupted
    @override
    async def send_eof(self) -> None:
        """Wait until everything has been sent, as `drain` does: a serial line has no end of file.

        The port stays usable in both directions.
        """
        await self.drain()

    # The end

    @uninterrupted
    @override
    async def aclose(self) -> None:
        """Close the port. A second call only waits for the first.

        Waits for queued output as long as bytes leave. If none has left for `SerialConfig.close_timeout`
        seconds, the rest is discarded if the driver can do that, and a RuntimeWarning says how much. If the
        driver cannot (USB adapters), the kernel's close may take half a minute; a thread waits for it, and
        this call returns. A receive or send in another task ends with `SerialClosedError`.

        Cancellation: the port is closed all the same, without waiting for output.
        """
        lifecycle, port = self._lifecycle, self._port
        first = lifecycle.state < CLOSED
        closing = lifecycle.closing
        if first:
            self._pushback.clear()
            closing.begin(port.config.close_timeout)
        reply = _readiness.Reply()
        closing.on_finish(reply.notify)
        lifecycle.close()
        if lifecycle.state == FOREIGN:
            return
        if first and not port.transport.has_descriptor:
            await self._close_own(port.config.close_timeout + GRACE)
        try:
            if closing.finished or (lifecycle.is_idle and reply.comes_at_once()):
                await _readiness.checkpoint()
            while patience := closing.patience:
                await reply.expect().wait_at_most(patience)
        except BaseException:
            closing.hurry()
            with anyio.CancelScope(shield=True):
                await reply.expect().wait_at_most(GRACE)
            raise
        finally:
            closing.off_finish(reply.notify)
        closing.warn(stacklevel=2)
        if first and closing.error is not None:
            raise closing.error

    @uninterrupted
    @override
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: "TracebackType | None",
    ) -> None:
        """Close the port: `aclose`."""
        await self.aclose()

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes that are known: `SerialStreamAttribute`, FileStreamAttribute.path and .fileno.

        You may wait for the descriptor, or register it in an event loop: the port then waits on a duplicate.
        Getting it raises SerialError if no descriptor is free for that.
        """
        from anyserial._attributes import attributes_of  # noqa: PLC0415

        return attributes_of(self._port, self._share)
