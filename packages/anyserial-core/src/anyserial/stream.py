"""The async port.

Theory of operation. `PortBase` has the state and the guards, `AsyncPortBase` the
waiting, `AsyncOperations` all that is neither receiving nor sending; this class moves
the bytes. A receive first looks at what was carried over, then tries to read if that
is likely to succeed, and else waits; the waiter, which belongs to the running event
loop, makes the read as soon as the descriptor is readable and wakes the task with the
bytes. A send tries to write and waits only for what the kernel does not
take. Everything that may block runs on a thread (`_offload`), step by step.

A call that succeeds without waiting still checks for cancellation, and lets the other
tasks run after a bounded number of such calls in a row.

Only the public face of a port belongs here: how one waits is `_readiness`, what the
operations do is `_port`, what the system calls are is the backend's business.
"""

import math
import warnings
from collections.abc import Buffer
from typing import TYPE_CHECKING, Any, Self, Unpack, override

import anyio
from anyio.abc import ByteStream

from anyserial import _offload, _readiness
from anyserial._checks import as_bytes, check_positive
from anyserial._operations import AsyncOperations
from anyserial._port import CLOSED, OPEN
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from anyserial._connectable import SerialConnectable
    from anyserial._open import open_serial_port
    from anyserial._readiness._contract import Waiter
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import SerialCapabilities
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("BytesLike", "SerialConnectable", "SerialPort", "SerialStreamAttribute", "open_serial_port")

BytesLike = Buffer
"""Everything that can be sent."""

_BURST = 4095  # the most that one read of a Linux tty gives: more is likely to be there
_CANCELLED = -math.inf  # the deadline of a cancelled task
_CALLS_IN_A_ROW = 32  # receives and sends that succeed at once before other tasks get their turn
_CLOSE_GRACE = 0.04  # seconds beyond close_timeout that aclose waits for the driver's own close


def __getattr__(name: str) -> Any:
    if name == "SerialConnectable":
        from anyserial._connectable import SerialConnectable  # noqa: PLC0415  # it imports this module

        return SerialConnectable
    if name == "open_serial_port":
        from anyserial._open import open_serial_port  # noqa: PLC0415  # it imports this module

        return open_serial_port
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class SerialStreamAttribute(anyio.TypedAttributeSet):
    """Typed attributes of a port, beside AnyIO's FileStreamAttribute.path and .fileno."""

    capabilities: "SerialCapabilities" = anyio.typed_attribute()
    config: SerialConfig = anyio.typed_attribute()
    port_info: "PortInfo" = anyio.typed_attribute()


class SerialPort(AsyncOperations, ByteStream):
    """A serial port as an AnyIO byte stream.

    Made by `open_serial_port`, `SerialPort.open` or `SerialConnectable.connect`; the
    constructor wraps a backend that is open already. One task may receive and one may
    send at a time. The port follows its caller to another event loop when nobody uses
    it; used from two at once it raises anyio.BusyResourceError.

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
    async def open(
        cls, path: "str | os.PathLike[str] | PortInfo", /, **config_fields: "Unpack[SerialConfigFields]"
    ) -> Self:
        """Open a port; as `open_serial_port` with ``SerialConfig(**config_fields)``.

        Args:
            path: The device's path, or what discovery found.
            **config_fields: Fields of `SerialConfig`.

        Raises:
            ConfigurationError: A field is not valid; nothing was opened.
            SerialError: As `open_serial_port`.
        """
        from anyserial._open import open_port  # noqa: PLC0415  # it imports this module

        return await open_port(cls, path, SerialConfig(**config_fields))

    # Receiving and sending

    @override
    async def receive(self, max_bytes: int = 65536) -> bytes:  # noqa: C901  # written out, see below
        """Receive what is there, or wait for it.

        Args:
            max_bytes: The most to return, at least 1; `SerialConfig.read_chunk_size`
                caps it too.

        Returns:
            1..max_bytes bytes, as soon as any are there; never empty.

        Raises:
            SerialDisconnectedError: The device is gone, and all its bytes were received.
            SerialClosedError: The port is closed, or was closed meanwhile.
            LineError: A byte was damaged (with `LineErrors.RAISE`); the port stays usable.
            anyio.BusyResourceError: Another task is receiving, or another event loop uses the port.

        Cancellation: no byte is lost; what was read already leads the next receive.
        """
        # Written out, here and below: this is the path of every byte, and a call costs as much
        # as ten lines.
        if max_bytes.__class__ is not int or max_bytes < 1:
            check_positive("max_bytes", max_bytes)
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach()
        except RuntimeError:
            waiter = self._attach()
        if self._is_receiving:
            raise anyio.BusyResourceError("receiving from")
        self._is_receiving = True
        size = max_bytes if max_bytes < self._chunk_size else self._chunk_size  # noqa: FURB136  # half of min()
        data = None
        try:
            if waiter.attempt_first or self._carried:
                self._in_a_row += 1
                if self._in_a_row > _CALLS_IN_A_ROW or waiter.deadline() == _CANCELLED:
                    await self._give_way(waiter)
                data = self._carry.take(size) if self._carried else self._read(size)
            if data is None:
                self._in_a_row = 0
                try:
                    data = await waiter.read(self._read_now, size)
                except BaseException as exc:
                    self._wait_ended(exc, waiter)
                    raise
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            self._is_receiving = False
        count = len(data)
        self._bytes_received += count
        if count >= _BURST:
            waiter.attempt_first = True
        return data

    async def receive_into(self, buffer: "bytearray | memoryview") -> int:  # noqa: C901, PLR0912  # as `receive`
        """Receive into a buffer of the caller's, without a copy.

        Args:
            buffer: Any writable, contiguous buffer; at least one byte long.

        Returns:
            How many bytes were written to its beginning, at least 1.

        Raises:
            As `receive`; TypeError if *buffer* cannot be written to.

        Cancellation: as `receive`; *buffer* may hold bytes that the next receive gives again.
        """
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("receive_into needs a writable buffer (got a read-only one)")
        if not view:
            raise ValueError("receive_into needs a buffer of at least one byte (got an empty one)")
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach()
        except RuntimeError:
            waiter = self._attach()
        if self._is_receiving:
            raise anyio.BusyResourceError("receiving from")
        self._is_receiving = True
        if len(view) > self._chunk_size:
            view = view[: self._chunk_size]
        count = None
        try:
            if waiter.attempt_first or self._carried:
                self._in_a_row += 1
                if self._in_a_row > _CALLS_IN_A_ROW or waiter.deadline() == _CANCELLED:
                    await self._give_way(waiter)
                count = self._carry.take_into(view) if self._carried else self._read_into(view)
            if count is None:
                self._in_a_row = 0
                try:
                    count = await waiter.read(self._read_into_now, view)
                except BaseException as exc:
                    self._wait_ended(exc, waiter, view)
                    raise
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            self._is_receiving = False
        self._bytes_received += count
        if count >= _BURST:
            waiter.attempt_first = True
        return count

    async def receive_available(self, *, limit: int | None = None) -> bytes:
        """Receive what is queued, in one wait and one read.

        Args:
            limit: The most to return, at least 1; None for `SerialConfig.read_chunk_size`,
                which caps it anyway. A Linux tty gives at most 4095 bytes in one read.

        Returns:
            1..limit bytes, never empty.

        Raises:
            As `receive`.

        Cancellation: as `receive`.
        """
        if limit is None:
            limit = self._chunk_size
        else:
            check_positive("limit", limit)
        return await self.receive(limit)

    @override
    async def send(self, item: bytes) -> None:
        """Send all of *item*: return when the kernel has taken it.

        Args:
            item: What to send; nothing if empty.

        Raises:
            SerialDisconnectedError: The device is gone; some of *item* may have been sent.
            SerialClosedError: The port is closed, or was closed meanwhile.
            anyio.BusyResourceError: Another task is sending or draining, or another
                event loop uses the port.

        Cancellation: some of *item*, all or nothing may have been sent; the difference
        in `statistics.bytes_sent` tells how much.
        """
        data = item if item.__class__ is bytes else as_bytes(item)
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                waiter = self._attach()
        except RuntimeError:
            waiter = self._attach()
        if self._is_sending:
            raise anyio.BusyResourceError("sending to")
        self._is_sending = True
        try:
            self._in_a_row += 1
            if self._in_a_row > _CALLS_IN_A_ROW or waiter.deadline() == _CANCELLED:
                await self._give_way(waiter)
                self._check_open()
            size = len(data)
            if size:
                sent = self._write(data) or 0
                self._bytes_sent += sent
                if sent < size:
                    await self._send_rest(waiter, memoryview(data)[sent:])
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            self._is_sending = False

    async def _send_rest(self, waiter: "Waiter", rest: memoryview) -> None:
        while rest:
            self._check_open()  # it may have been closed after the wait was over and before this task ran
            sent: int | None = self._write(rest)
            if sent is None:
                self._in_a_row = 0
                try:
                    sent = await waiter.write(self._write, rest)
                except BaseException as exc:
                    self._write_wait_ended(exc, waiter)
                    raise
            self._bytes_sent += sent
            rest = rest[sent:]

    async def send_buffer(self, data: BytesLike) -> None:
        """Send all of a buffer, byte by byte as it lies in memory; as `send`.

        Args:
            data: Any buffer; it must not change until this returns. One that is not
                contiguous is copied first.

        Raises:
            As `send`; TypeError if *data* is no buffer.
        """
        await self.send(data)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # send takes them all

    @override
    async def send_eof(self) -> None:
        """Wait until everything was sent, as `drain`: a serial line has no end of file.

        The port stays usable in both directions.
        """
        await self.drain()

    # The end

    @override
    async def aclose(self) -> None:
        """Close the port; calling it again does nothing.

        Queued output may leave for at most `SerialConfig.close_timeout` seconds; what is
        left then is discarded where the driver can. Where it cannot (USB adapters), the
        kernel's close may take half a minute: a thread waits for it, this does not. A
        receive or send in another task ends with `SerialClosedError`.

        Cancellation: the port is closed all the same, without waiting for output.
        """
        if first := self._state != CLOSED:
            self._state = CLOSED
            self._carry.clear()
            if self._waits_itself:
                self._detach()
                try:
                    await self._backend.aclose()
                finally:
                    _offload.release()
                return
            self._close_backend(linger=self._config.close_timeout)
        closing = self._closing
        if closing is None:
            await _readiness.checkpoint()
            return
        signal = _readiness.signal()
        closing.on_finish(signal.notify)
        try:
            with anyio.move_on_after(self._config.close_timeout + _CLOSE_GRACE):
                await signal.wait()
        except BaseException:
            closing.hurry()
            signal = _readiness.signal()  # the first is spent: asyncio has cancelled its future
            closing.on_finish(signal.notify)
            with anyio.move_on_after(_CLOSE_GRACE, shield=True):
                await signal.wait()
            raise
        if first and closing.error is not None:
            raise closing.error

    def __del__(self) -> None:
        """Close a forgotten port, and say so."""
        state = getattr(self, "_state", CLOSED)
        if state == CLOSED:
            return
        self._state = CLOSED
        if state == OPEN:
            warnings.warn(f"unclosed serial port {self._path!r}", ResourceWarning, stacklevel=1, source=self)
        if self._waits_itself:
            _offload.submit_alone(_offload.release)
        else:
            self._close_backend(linger=0.0, submit=_offload.submit_alone)

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes that are known: `SerialStreamAttribute`, FileStreamAttribute.path and .fileno."""
        from pathlib import Path  # noqa: PLC0415  # both seldom needed, and dear to import

        from anyio.streams.file import FileStreamAttribute  # noqa: PLC0415

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
