"""How a transport ends.

Theory of operation. The end has two phases. `close` stops reading, and lets the held output leave while it moves.
`_end` comes after that, or at once after an error, an abort or an unplug: the channel lets go of the descriptor, the
port's own closing job lets the driver's queue leave and closes the device on a worker, and then the protocol loses the
connection, once. Nobody waits for longer than the closing job says (see `_port.closing`).

How a port ends, and what a forked child may do, is `_port.lifecycle`'s. Reading and writing are `transport`'s.
"""

import asyncio
import logging
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, override

import anyio

from anyserial._asyncio.errors import as_expected
from anyserial._asyncio.output import Output
from anyserial._asyncio.serial_object import TransportSerial
from anyserial._port.closing import GRACE, given_up_message
from anyserial._port.lifecycle import DISCONNECTED, FOREIGN
from anyserial.exceptions import LineError, SerialDisconnectedError, SerialError

if TYPE_CHECKING:
    from anyserial._asyncio.channel import Channel
    from anyserial._port.open_port import OpenPort

__all__ = ("Ending",)

_LOOK_INTERVAL = 0.02  # seconds between looks at output that has to leave before the port is closed

_logger = logging.getLogger("asyncio")


class Ending(asyncio.Transport):
    """A transport, without reading and writing."""

    _channel: "Channel"
    _is_paused: bool

    def __init__(self, loop: asyncio.AbstractEventLoop, serial_instance: Any, port: "OpenPort") -> None:
        super().__init__()
        self._loop = loop
        self._serial = serial_instance
        self._port = port
        self._lifecycle = port.lifecycle
        self._pushback = port.pushback
        self._output = Output(self._tell)
        self._protocol: Any = None
        self._is_closing = False
        self._is_ending = False
        self._is_lost = False
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._given_up = 0
        self._gone = asyncio.Event()

    def received(self, data: bytes) -> None:
        """See `Owner`."""
        raise NotImplementedError

    def _tell(self, name: str) -> None:
        """Call `pause_writing` or `resume_writing` of the protocol."""
        try:
            getattr(self._protocol, name)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # as asyncio's own transports
            self._report(exc, f"protocol.{name}() failed")

    @override
    def is_closing(self) -> bool:
        """Return whether the transport is closed, or is being closed."""
        return self._is_closing

    @override
    def close(self) -> None:
        """Close the port, once the output has left.

        Nothing more is read. What was set before is carried out, and output may leave for as long as it moves. If
        nothing has left for `SerialConfig.close_timeout` seconds, the rest is discarded, with a RuntimeWarning. Then
        the protocol's ``connection_lost`` is called with None.
        """
        if self._is_closing:
            return
        self._is_closing = True
        if self._lifecycle.state == FOREIGN:
            return  # the event loop is the parent process's
        self._channel.stop_reading()
        if self._lifecycle.state or not self._has_more_to_do:
            self._end(None)
            return
        self._moved = self._left()
        self._moved_at = self._loop.time()
        self._look_at_output()

    @property
    def _has_more_to_do(self) -> bool:
        """Whether output, or a setting that was changed before, holds up the end."""
        serial = self._serial
        return bool(self._output.data) or (isinstance(serial, TransportSerial) and serial.has_settings_under_way)

    def _left(self) -> tuple[int, int]:
        """Return how much output has not left: what the transport holds, and what the driver holds."""
        try:
            queued = self._port.output_waiting()
        except SerialError:  # the driver cannot tell
            queued = 0
        return len(self._output.data), queued

    def _look_at_output(self) -> None:
        """Give the output up if it has stood still for too long."""
        if self._is_ending:
            return
        if not self._has_more_to_do:
            self._end(None)
            return
        left, now = self._left(), self._loop.time()
        if left < self._moved:
            self._moved, self._moved_at = left, now
        patience = self._moved_at + self._port.config.close_timeout - now
        if patience > 0:
            self._timer = self._loop.call_later(min(patience, _LOOK_INTERVAL), self._look_at_output)
            return
        if self._port.config.close_timeout:  # with 0, that is what the caller asked for
            self._given_up = sum(left)
        self._end(None, linger=0.0)

    @override
    def abort(self) -> None:
        """Close the port without waiting for output; ``connection_lost`` is called with None soon after."""
        if self._lifecycle.state == FOREIGN:
            self._is_closing = True
            return
        self._end(None, linger=0.0)

    def failed(self, error: BaseException) -> None:
        """See `Owner`."""
        self._fail(error, "Fatal error on serial transport")

    def _fail(self, error: BaseException, message: str) -> None:
        if self._is_ending:
            return
        if not isinstance(error, OSError) or isinstance(error, LineError):
            self._report(error, message)
        elif self._loop.get_debug():
            _logger.debug("%r: %s", self, message, exc_info=error)
        self._end(error, linger=0.0)

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        )

    def port_ended(self) -> None:
        """See `Owner`."""
        if not self._is_ending and self._lifecycle.state != FOREIGN:
            self._end(self._lifecycle.refusal() if self._lifecycle.state == DISCONNECTED else None)

    def _end(self, error: BaseException | None, *, linger: float | None = None) -> None:
        """Close the device, and lose the connection when that is done."""
        if self._is_ending:
            if linger == 0:
                self._lifecycle.closing.hurry()
            return
        self._is_ending = self._is_closing = True
        self._error = error if error is None else as_expected(error)
        port, lifecycle = self._port, self._lifecycle
        closing = lifecycle.closing
        if self._timer is not None:
            self._timer.cancel()
        is_unplugged = isinstance(error, SerialDisconnectedError)
        closing.begin(0.0 if is_unplugged else port.config.close_timeout if linger is None else linger)
        self._channel.release()
        if is_unplugged:
            port.unplug(error)  # which keeps what can still be read
        lifecycle.close()
        self._output.clear()
        if not port.transport.has_descriptor and port.transport.backend.is_open:
            patience = closing.linger + GRACE
            self._task = self._loop.create_task(self._close_own(patience), name=f"anyserial close: {port.path}")
            return
        closing.on_finish(self._finished_on_worker)
        self._wait_for_close()

    async def _close_own(self, patience: float) -> None:
        """Have a backend that waits by itself close the device."""
        backend: Any = self._port.transport.backend
        try:
            with anyio.move_on_after(patience):
                await backend.aclose()
        except Exception as exc:  # noqa: BLE001  # the connection is lost all the same
            self._report(exc, "closing the serial port failed")
        finally:
            self._lose()

    async def wait_lost(self, patience: float) -> None:
        """Wait until the protocol has lost the connection, but no longer than *patience* seconds; not cancellable."""
        with anyio.move_on_after(patience, shield=True):
            await self._gone.wait()

    def _finished_on_worker(self) -> None:
        with suppress(RuntimeError):  # the event loop is over
            self._loop.call_soon_threadsafe(self._lose)

    def _wait_for_close(self) -> None:
        """Stop waiting for the worker when a caller of `aclose` would."""
        patience = self._lifecycle.closing.patience
        if patience > 0:
            self._timer = self._loop.call_later(patience, self._wait_for_close)
        else:
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        """Tell the protocol that the connection is lost; once."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        closing = self._lifecycle.closing
        closing.off_finish(self._finished_on_worker)
        if closing.error is not None:
            self._report(closing.error, "closing the serial port failed")
        self._deliver_the_rest()
        if closing.finished and not isinstance(self._serial, TransportSerial):
            with suppress(OSError):
                self._serial.close()  # which does not wait any more, and lets `is_open` of pySerial's object tell
        try:
            self._warn()
        finally:
            self._gone.set()
            self._protocol.connection_lost(self._error)

    def _deliver_the_rest(self) -> None:
        """Give the protocol what had arrived before the unplug."""
        pushback = self._pushback
        if isinstance(self._error, SerialDisconnectedError) and not self._is_paused:
            while pushback.items:
                with suppress(LineError):
                    self.received(pushback.take(self._port.chunk_size))
        pushback.clear()

    def _warn(self) -> None:
        closing = self._lifecycle.closing
        if self._given_up:
            message = given_up_message(self._port.path, self._given_up, self._port.config.close_timeout)
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        closing.warn(stacklevel=2)

    # Bound here, because a finalizer may run after the interpreter has cleared its modules.
    def __del__(self, _warn: Any = warnings.warn, _is_finalizing: Any = sys.is_finalizing) -> None:
        """Close a forgotten port, with a ResourceWarning."""
        channel = getattr(self, "_channel", None)
        if channel is None or self._is_ending or self._lifecycle.state:
            return
        try:
            channel.release()
            self._lifecycle.forget()
            _warn(f"unclosed transport {self!r}", ResourceWarning, stacklevel=1, source=self)
        except (TypeError, AttributeError):
            if not _is_finalizing():
                raise
