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
from typing import TYPE_CHECKING, Any, Self, Unpack, override

import anyio
from anyio.streams.file import FileStreamAttribute
from anyserial import _offload
from anyserial._checks import check_config, check_positive
from anyserial._port import CLOSED, OPEN
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialDisconnectedError, UnsupportedFeatureError
from anyserial.stream import SerialStreamAttribute

from anyserial_sync._base import BlockingPortBase
from anyserial_sync._lane import Lane
from anyserial_sync._timeouts import deadline_of, remaining, timed_out

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialPort",)

CLOSE_GRACE = 0.04  # seconds beyond close_timeout that close waits for the driver's own close
BURST = 4095  # the most that one read of a Linux tty gives: more is likely to be there


class SerialPort(BlockingPortBase, anyio.TypedAttributeProvider):
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

    def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:
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
        deadline = None if timeout is None else deadline_of(timeout)
        lane = self._receiving
        turn, me = lane.turn, object()
        try:
            if turn.setdefault("taken", me) is not me:
                raise self._not_entered(lane)
            size = self._chunk_size
            if max_bytes < size:  # noqa: PLR1730  # half the cost of min()
                size = max_bytes
            if self._carried or self._attempt_first or timeout == 0:
                data = self._attempt(lane, me, size, timeout)
            else:
                self._wait(lane, me, timeout)
                data = self._read(size)
            while data is None:
                self._wait(lane, me, remaining(deadline))
                data = self._read(size)
            count = len(data)
            self._attempt_first = count == size or count >= BURST
            self._bytes_received += count
            return data
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            if turn.get("taken") is me:
                del turn["taken"]
                if lane.interrupted and lane.retire():
                    self._leases.release()

    def _attempt(self, lane: Lane, me: object, size: int, timeout: float | None) -> bytes | None:
        """Give what is there already: carried over, or in the kernel."""
        try:
            return self._carry.take(size)
        except IndexError:
            pass
        if lane.interrupted and lane.is_for(me):
            raise self._interruption(lane)
        data = self._read(size)
        if data is None and timeout == 0:
            raise timed_out("nothing was received", self._path)
        return data

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
        deadline = None if timeout is None else deadline_of(timeout)
        lane = self._sending
        turn, me = lane.turn, object()
        try:
            if turn.setdefault("taken", me) is not me:
                raise self._not_entered(lane)
            if lane.interrupted and lane.is_for(me):
                raise self._interruption(lane)
            # The answer to what is sent cannot be there yet: the next receive had better wait first.
            self._attempt_first = False
            size = len(item)
            if size:
                sent = self._write(item) or 0
                self._bytes_sent += sent
                if sent < size:
                    self._send_rest(lane, me, memoryview(item)[sent:], deadline)
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            if turn.get("taken") is me:
                del turn["taken"]
                if lane.interrupted and lane.retire():
                    self._leases.release()

    def _send_rest(self, lane: Lane, me: object, rest: memoryview, deadline: float | None) -> None:
        while rest:
            self._wait(lane, me, remaining(deadline))
            sent = self._write(rest)
            if sent:
                self._bytes_sent += sent
                rest = rest[sent:]

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

    def close(self) -> None:
        """Close the port; calling it again does nothing. Any thread may.

        Queued output may leave for at most `SerialConfig.close_timeout` seconds; what is
        left then is discarded where the driver can. Where it cannot (USB adapters), the
        kernel's close may take half a minute: a daemon thread waits for it, this does
        not. A call in another thread is woken at once and ends with `SerialClosedError`.
        """
        if self._state != CLOSED:
            self._state = CLOSED
            self._carry.clear()
        closing = self._close_backend(linger=self._config.close_timeout)
        closed = threading.Event()
        closing.on_finish(closed.set)
        try:
            closed.wait(self._config.close_timeout + CLOSE_GRACE)
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
