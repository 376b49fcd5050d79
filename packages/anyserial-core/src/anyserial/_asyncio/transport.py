"""The transport.

Theory of operation. The transport has an `OpenPort`, as both faces do, and a `Channel` that tells it when to read and
to write. A write is attempted at once; what the kernel does not take is held in `Output`, and the channel says when
to go on. A read is made in the event loop's callback and goes straight to the protocol.

How a transport ends is `ending`'s, and waiting is `channel`'s.
"""

import asyncio
from typing import TYPE_CHECKING, Any, override

from anyserial._asyncio.channel import WatchedChannel
from anyserial._asyncio.ending import Ending
from anyserial._asyncio.serial_object import TransportSerial
from anyserial._checks import as_bytes
from anyserial._port.open_port import OpenPort
from anyserial._readiness.asyncio import has_readers
from anyserial.exceptions import LineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyserial._asyncio.channel import Channel

__all__ = ("SerialTransport",)


def _port_of(serial_instance: Any) -> OpenPort:
    """Return the open port of what `SerialTransport` was given."""
    # A port of `anyserial.pyserial` has a port of `anyserial.sync` in `_open_link`, while it is open.
    for owner in (serial_instance, getattr(serial_instance, "_open_link", None)):
        port = getattr(owner, "_port", None)
        if isinstance(port, OpenPort):
            is_own = isinstance(owner, TransportSerial)
            if is_own or (port.transport.has_descriptor and not getattr(owner, "_is_awaited", False)):
                return port
    raise TypeError(
        "a SerialTransport is made of an open port of anyserial.sync or anyserial.pyserial that has a descriptor"
        f" (got {serial_instance!r}): for anything else, use create_serial_connection(loop, protocol_factory, url)"
    )


class SerialTransport(Ending):
    """A serial port as an asyncio transport.

    Made by `create_serial_connection` or `connection_for_serial`. All methods are called in the event loop's
    thread. None of them waits, and none raises because the port is closed or the device is gone: the protocol's
    ``connection_lost`` says so, once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, serial_instance: Any) -> None:
        """Take over an open port.

        Args:
            loop: The event loop; its next callbacks call ``connection_made`` and begin to read.
            protocol: An asyncio.Protocol or an asyncio.BufferedProtocol.
            serial_instance: A blocking port, open; `serial` returns it.

        Raises:
            SerialClosedError: The port is closed.
            TypeError: *serial_instance* is not such a port.
        """
        super().__init__(loop, serial_instance, _port_of(serial_instance))
        self._is_paused = False
        self._has_begun = False
        self._channel = self._make_channel()
        if isinstance(serial_instance, TransportSerial):
            serial_instance.attach(loop)
        self.set_protocol(protocol)
        loop.call_soon(self._begin)

    def _make_channel(self) -> "Channel":
        transport = self._port.transport
        if transport.has_descriptor:
            fd = transport.watched()
            assert fd is not None  # noqa: S101  # `has_descriptor` says so
            if has_readers(fd, self._loop):
                return WatchedChannel(self._loop, self._port, fd, self)
        from anyserial._asyncio.tasks import TaskChannel  # noqa: PLC0415  # few ports need it

        return TaskChannel(self._loop, self._port, self)

    # What it is

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop."""
        return self._loop

    @property
    def serial(self) -> Any:
        """The port under pySerial's names: a `TransportSerial`, or what the transport was made of."""
        return self._serial

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known about the port.

        Args:
            name: ``"serial"``, ``"path"``, ``"config"``, ``"actual_baudrate"``, ``"port_info"``,
                ``"capabilities"`` or ``"statistics"``, with the meaning that they have for `SerialPort`.
            default: What to return for any other name, and for what is not known.
        """
        port = self._port
        match name:
            case "serial":
                found: Any = self._serial
            case "actual_baudrate":
                found = port.transport.actual_baudrate
            case "path" | "config" | "port_info" | "capabilities" | "statistics":
                found = getattr(port, name)
            case _:
                found = None
        return default if found is None else found

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give everything from now on to *protocol*."""
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    @override
    def __repr__(self) -> str:
        if self._is_closing:
            state = "closed" if self._is_lost else "closing"
        else:
            state = "open, paused" if self._is_paused else "open"
        return f"<anyserial.asyncio.SerialTransport {self._port.path!r}, {state}, {len(self._output.data)} bytes held>"

    # Reading

    def _begin(self) -> None:
        self._has_begun = True
        try:
            self._protocol.connection_made(self)
        finally:
            self._output.is_connected = True
            self._output.pause()
            if not self._is_closing and not self._is_paused:
                self._start_reading()

    def _start_reading(self) -> None:
        self._channel.start_reading()
        if self._pushback.items:
            self._loop.call_soon(self._deliver_pushback)

    @override
    def is_reading(self) -> bool:
        """Return whether the protocol gets what is received."""
        return not (self._is_paused or self._is_closing)

    @override
    def pause_reading(self) -> None:
        """Stop reading; what arrives stays with the driver. An unplug is noticed only by a write meanwhile."""
        if not self._is_paused and not self._is_closing:
            self._is_paused = True
            self._channel.stop_reading()

    @override
    def resume_reading(self) -> None:
        """Read again."""
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            if self._has_begun:
                self._start_reading()

    def readable(self) -> None:
        """See `Owner`."""
        port = self._port
        try:
            data = port.transport.read(port.chunk_size)
        except LineError as exc:
            self._fail(exc, "the line damaged a byte, and a protocol has no callback for that")
            return
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # the protocol gets it
            self.failed(exc)
            return
        if data is None:
            return
        # As `received`, without the call: every byte takes this path.
        port.bytes_received += len(data)
        try:
            if self._is_buffered:
                self._fill(data)
            else:
                self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # as asyncio's own transports
            self._fail(exc, "Fatal error: protocol.data_received() call failed.")
        if self._pushback.items:
            self._deliver_pushback()

    @override
    def received(self, data: bytes) -> None:
        """See `Owner`."""
        self._port.bytes_received += len(data)
        try:
            if self._is_buffered:
                self._fill(data)
            else:
                self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # as asyncio's own transports
            self._fail(exc, "Fatal error: protocol.data_received() call failed.")

    def _deliver_pushback(self) -> None:
        """Give the protocol what was read before, and what a decoder of line errors has left."""
        pushback, size = self._pushback, self._port.chunk_size
        while pushback.items and not self._is_paused and not self._is_closing:
            try:
                data = pushback.take(size)
            except LineError as exc:
                self._fail(exc, "the line damaged a byte, and a protocol has no callback for that")
            else:
                self.received(data)

    def _fill(self, data: bytes) -> None:
        """Give *data* to a BufferedProtocol."""
        rest = memoryview(data)
        while rest:
            buffer = memoryview(self._protocol.get_buffer(len(rest))).cast("B")
            if not buffer:
                raise RuntimeError("get_buffer() returned an empty buffer")
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            self._protocol.buffer_updated(count)
            rest = rest[count:]

    # Writing

    @override
    def write(self, data: Any) -> None:
        """Write, or hold what the driver does not take now.

        Args:
            data: Any buffer. It may change as soon as this returns.

        Raises:
            TypeError: *data* is not a buffer.

        After `close`, and once the connection is lost, the data is ignored.
        """
        if data.__class__ is not bytes:
            data = as_bytes(data)
        if self._is_closing or not data:
            return
        port = self._port
        if port.lifecycle.state:
            return  # `port_ended` is on its way, or this is a forked child
        output = self._output
        if output.data:
            output.append(data)
            return
        try:
            count = port.transport.write(data) or 0
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # the protocol gets it
            self.failed(exc)
            return
        port.bytes_sent += count
        if count < len(data):
            # First: the protocol may write again, or close, when ``pause_writing`` is called.
            self._channel.start_writing()
            output.append(memoryview(data)[count:])

    @override
    def writelines(self, list_of_data: "Iterable[Any]") -> None:
        """Write several buffers, as `write` of all of them joined."""
        self.write(b"".join(map(as_bytes, list_of_data)))

    def writable(self) -> None:
        """See `Owner`."""
        error: BaseException | None = None
        count: int | None = None
        with memoryview(self._output.data) as unwritten:
            try:
                count = self._port.transport.write(unwritten)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:  # noqa: BLE001  # the protocol gets it
                error = exc
        # Only now: while the view is there, the output cannot be changed.
        if error is not None:
            self.failed(error)
        elif count:
            self.written(count)

    def written(self, count: int) -> None:
        """See `Owner`."""
        self._port.bytes_sent += count
        output = self._output
        output.advance(count)  # the protocol may write, close or abort here
        if not output.data:
            self._channel.stop_writing()
            if self._is_closing and not self._is_ending and not self._has_more_to_do:
                self._end(None)

    @property
    def unwritten(self) -> bytearray:
        """See `Owner`."""
        return self._output.data

    def flush(self) -> None:
        """Discard what the transport holds. What the driver has taken already is still sent."""
        self._output.clear()
        self._channel.stop_writing()

    @override
    def can_write_eof(self) -> bool:
        """Return False: a serial line has no end of file."""
        return False

    @override
    def write_eof(self) -> None:
        """Raise NotImplementedError: a serial line has no end of file."""
        raise NotImplementedError("a serial line has no end of file")

    @override
    def get_write_buffer_size(self) -> int:
        """Return how many bytes the transport holds because the driver has not taken them."""
        return len(self._output.data)

    @override
    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the marks for ``resume_writing`` and ``pause_writing``, in bytes: low, high."""
        return self._output.low, self._output.high

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks for the protocol's ``pause_writing`` and ``resume_writing``.

        Args:
            high: Bytes; ``pause_writing`` is called when more are held. None for four times *low*, or 65536.
            low: Bytes; ``resume_writing`` is called when no more than these are held. None for a quarter of *high*.

        Raises:
            ValueError: They are not ``high >= low >= 0``.
        """
        self._output.limit(high, low)
