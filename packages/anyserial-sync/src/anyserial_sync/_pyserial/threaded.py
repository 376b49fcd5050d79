"""``serial.threaded``: a thread that reads a port and hands what arrives to a protocol object.

`ReaderThread` is the transport; the classes below `Protocol` cut the stream into lines and packets.
What a port is, and how it waits, is not known here.
"""

import threading
from typing import TYPE_CHECKING, Any, Self, override

from anyserial_sync._pyserial.serialutil import SerialException

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable
    from types import TracebackType

    from anyserial_sync._pyserial.serialposix import Serial

__all__ = ("FramedPacket", "LineReader", "Packetizer", "Protocol", "ReaderThread")

STOP_PATIENCE = 2.0  # seconds that `ReaderThread.stop` waits for the thread
POLL = 1.0  # seconds between two looks at `ReaderThread.alive`, where a read cannot be interrupted


class Protocol:
    """The base of what a `ReaderThread` calls; subclasses override what they need."""

    def connection_made(self, transport: "ReaderThread") -> None:
        """Begin: *transport* is the thread, and has `ReaderThread.write`."""

    def data_received(self, data: bytes) -> None:
        """Take what was received, never empty. Called in the reader's thread."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """End: *exc* is the error that ended the thread, None if it was stopped.

        Raises:
            Exception: *exc*, so that an error is seen unless a subclass deals with it.
        """
        if isinstance(exc, Exception):
            raise exc


class Packetizer(Protocol):
    """Cuts the stream at each `TERMINATOR` and hands the parts to `handle_packet`.

    Attributes:
        TERMINATOR: What ends a packet; it is not part of it.
        buffer: The beginning of the next packet.
        transport: The thread, None without a connection.
    """

    TERMINATOR = b"\0"

    def __init__(self) -> None:
        self.buffer: bytearray = bytearray()
        self.transport: ReaderThread | None = None

    @override
    def connection_made(self, transport: "ReaderThread") -> None:
        self.transport = transport

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self.buffer += data
        # The packets are taken from the buffer one by one: if a handler raises, the rest is still there.
        while (end := self.buffer.find(self.TERMINATOR)) >= 0:
            packet = self.buffer[:end]
            del self.buffer[: end + len(self.TERMINATOR)]
            self.handle_packet(packet)

    def handle_packet(self, packet: bytearray) -> None:
        """Take one packet, without its terminator.

        Raises:
            NotImplementedError: The subclass has no handler.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method handle_packet(packet)")


class FramedPacket(Protocol):
    """Hands what is between `START` and `STOP` to `handle_packet`.

    Attributes:
        START: The byte that begins a packet.
        STOP: The byte that ends it.
        packet: What the packet holds so far.
        in_packet: Whether a packet has begun.
        transport: The thread, None without a connection.
    """

    START = b"("
    STOP = b")"

    def __init__(self) -> None:
        self.packet: bytearray = bytearray()
        self.in_packet: bool = False
        self.transport: ReaderThread | None = None

    @override
    def connection_made(self, transport: "ReaderThread") -> None:
        self.transport = transport

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        self.in_packet = False
        self.packet.clear()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        for position in range(len(data)):
            byte = data[position : position + 1]
            if byte == self.START:
                self.in_packet = True
            elif byte == self.STOP:
                self.in_packet = False
                packet = bytes(self.packet)
                self.packet.clear()
                self.handle_packet(packet)
            elif self.in_packet:
                self.packet += byte
            else:
                self.handle_out_of_packet_data(byte)

    def handle_packet(self, packet: bytes) -> None:
        """Take one packet, without `START` and `STOP`.

        Raises:
            NotImplementedError: The subclass has no handler.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method handle_packet(packet)")

    def handle_out_of_packet_data(self, data: bytes) -> None:
        """Take one byte that belongs to no packet; it is dropped unless a subclass overrides this."""


class LineReader(Packetizer):
    """Hands each line to `handle_line` as text.

    Attributes:
        TERMINATOR: What ends a line, in both directions.
        ENCODING: How text is encoded.
        UNICODE_HANDLING: What becomes of bytes that are not text, as ``errors`` of `bytes.decode`.
    """

    TERMINATOR = b"\r\n"
    ENCODING = "utf-8"
    UNICODE_HANDLING = "replace"

    @override
    def handle_packet(self, packet: bytearray) -> None:
        self.handle_line(packet.decode(self.ENCODING, self.UNICODE_HANDLING))

    def handle_line(self, line: str) -> None:
        """Take one line, without its terminator.

        Raises:
            NotImplementedError: The subclass has no handler.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method handle_line(line)")

    def write_line(self, text: str) -> None:
        """Send *text* and the terminator.

        Raises:
            SerialException: There is no connection.
        """
        if self.transport is None:
            raise SerialException("write_line needs a connection (connection_made was not called yet, or it is lost)")
        self.transport.write(text.encode(self.ENCODING, self.UNICODE_HANDLING) + self.TERMINATOR)


class ReaderThread[ProtocolT: Protocol = Any](threading.Thread):
    """A daemon thread that reads a port until it is stopped or the port fails.

    As a context manager it starts the thread and returns the protocol; leaving the block closes the port.

    Args:
        serial_instance: An open port. Its timeout is changed if its reads cannot be cancelled.
        protocol_factory: Called without arguments in the thread; returns a `Protocol`.

    Attributes:
        serial: The port.
        protocol_factory: As given.
        alive: Whether the thread goes on.
        protocol: What the factory returned; None before the thread runs, and after its end.
    """

    def __init__(self, serial_instance: "Serial", protocol_factory: "Callable[[], ProtocolT]") -> None:
        super().__init__(daemon=True)
        self.serial = serial_instance
        self.protocol_factory = protocol_factory
        self.alive: bool = True
        self.protocol: ProtocolT | None = None
        self._lock = threading.Lock()
        self._connection_made = threading.Event()

    def stop(self) -> None:
        """End the thread and wait up to 2 s for it. The port stays open."""
        self.alive = False
        cancel_read = getattr(self.serial, "cancel_read", None)
        if cancel_read is not None:
            cancel_read()
        if threading.current_thread() is not self:
            self.join(STOP_PATIENCE)

    @override
    def run(self) -> None:
        """Read and call the protocol, until `stop` or an error; the thread's own work."""
        if not hasattr(self.serial, "cancel_read"):
            self.serial.timeout = POLL
        try:
            protocol = self.protocol = self.protocol_factory()
            protocol.connection_made(self)
        except BaseException as exc:
            self.alive = False
            if self.protocol is None:  # the factory failed: only the caller of connect can learn of it
                self._connection_made.set()
                raise
            self._finish(self.protocol, exc)
            return
        self._connection_made.set()
        error: BaseException | None = None
        while self.alive and self.serial.is_open:
            try:
                data = self.serial.read(self.serial.in_waiting or 1)
            except SerialException as exc:
                error = exc  # the port failed or was closed
                break
            if not data:
                continue
            try:
                protocol.data_received(data)
            except Exception as exc:  # noqa: BLE001  # connection_lost gets it
                error = exc
                break
        self.alive = False
        self._finish(protocol, error)

    def _finish(self, protocol: Protocol, error: BaseException | None) -> None:
        self.protocol = None
        try:
            protocol.connection_lost(error)
        finally:
            self._connection_made.set()

    def write(self, data: "Buffer") -> int | None:
        """Write to the port; one thread at a time.

        Returns:
            What the port's ``write`` returns.

        Raises:
            SerialException: As the port's ``write``.
        """
        with self._lock:
            return self.serial.write(data)

    def close(self) -> None:
        """End the thread and close the port."""
        # The lock: a write that is under way is finished first.
        with self._lock:
            self.stop()
            self.serial.close()

    def connect(self) -> tuple[Self, ProtocolT]:
        """Wait until the protocol's ``connection_made`` has returned.

        Returns:
            The thread and the protocol.

        Raises:
            RuntimeError: The thread was not started, was stopped, or ended with an error.
        """
        if self.alive and self.ident is None:
            raise RuntimeError("connect needs a running thread: call start() first")
        if self.alive:
            self._connection_made.wait()
        protocol = self.protocol
        if not self.alive or protocol is None:
            raise RuntimeError("the reader thread has ended (stopped, or its connection was lost)")
        return self, protocol

    def __enter__(self) -> ProtocolT:
        """Start the thread and return the protocol.

        Raises:
            RuntimeError: The protocol could not be made, or its ``connection_made`` raised.
        """
        self.start()
        self._connection_made.wait()
        protocol = self.protocol
        if protocol is None:
            raise RuntimeError("the reader thread has ended: its protocol raised at once, or lost its connection")
        return protocol

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """End the thread and close the port."""
        self.close()
