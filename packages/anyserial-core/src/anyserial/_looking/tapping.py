"""`Tap`: an onlooker that makes events of what happens on a port, for a function or a logger.

How it gets its place at a port is in `watching`.
"""

import logging
from typing import TYPE_CHECKING, Any, Self, override

from anyserial._checks import refusal
from anyserial._looking.events import TRACE, TapEvent
from anyserial._looking.observing import COUNTERS, LEVELS, WAITING
from anyserial._looking.watching import Seat
from anyserial._port.open_port import OpenPort
from anyserial._printable import printable
from anyserial.exceptions import LineError, UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anyserial._asyncio.serial_object import TransportSerial
    from anyserial._port.face import Face

__all__ = ("Tap",)

_log = logging.getLogger("anyserial.tap")


class Tap:
    """Shows a function or a logger everything that passes through a port, from now until it is detached.

    The tap attaches to the port itself, so the code that uses the port does not change. The port may be
    async or blocking, and in use: calls that are waiting are seen as well. A port can have several taps.
    A port without one makes the same calls as if taps did not exist.

    A tap reports what the driver gave and took. Bytes that a cancelled receive left behind are reported
    when they are read from the driver, and not a second time when the next receive returns them.

    As a context manager, a tap is detached at the end of the block. The port stays open.
    """

    def __init__(self, port: "Face | TransportSerial", sink: "Callable[[TapEvent], object] | logging.Logger") -> None:
        """Attach to a port.

        Args:
            port: An open port: `anyserial.SerialPort`, `anyserial.sync.SerialPort`, or the ``serial`` of a transport
                of `anyserial.asyncio`.
            sink: A function that is called with each `TapEvent`, or a logger that gets each one at
                level `TRACE` (5), formatted only if a handler wants it. ``print`` is such a function. It
                is called in the thread that does the work: the event loop's or the caller's for what is
                received and sent, a worker for everything else, so it must be quick and must not use the
                port. If it raises, the exception is logged (logger ``anyserial.tap``), the tap is
                detached, and the port goes on.

        Raises:
            TypeError: *port* is not a port, or *sink* is neither a logger nor callable.
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone.
        """
        opened: object = getattr(port, "_port", None)  # what all of them have in common
        if not isinstance(opened, OpenPort):
            raise TypeError(refusal("port", "an open SerialPort of anyserial or anyserial.sync", port))
        is_logger = isinstance(sink, logging.Logger)
        if not is_logger and not callable(sink):
            raise TypeError(refusal("sink", "a function that takes a TapEvent, or a logging.Logger", sink))
        self._path = opened.path
        self._teller = _Teller(opened.path, sink, self._let_go)
        self._seat = Seat(opened, self._teller)

    def detach(self) -> None:
        """Stop looking. A second call does nothing; any thread may call it."""
        self._seat.leave()

    @property
    def is_attached(self) -> bool:
        """Whether the tap still looks on. It does not after `detach`, or after its sink has raised."""
        return self._seat.is_taken

    def _let_go(self) -> None:
        self._seat.hide()

    def __enter__(self) -> Self:
        """Return the tap; leaving the block detaches it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Detach the tap."""
        self.detach()

    @override
    def __repr__(self) -> str:
        state = "attached" if self.is_attached else "detached"
        return f"<anyserial.tap.Tap of {self._path!r}, {state}>"


class _Teller:
    """Tells a sink; see `watching.Onlooker`."""

    def __init__(
        self, path: str, sink: "Callable[[TapEvent], object] | logging.Logger", let_go: "Callable[[], None]"
    ) -> None:
        self._path = path
        self._sink: Any = sink
        self._is_logger = isinstance(sink, logging.Logger)
        self._let_go = let_go
        self._lines: object = None

    def begun(self, at: float, kind: str, value: object) -> None:
        """A tap reports what has been done."""

    def done(self, at: float, kind: str, data: bytes, value: object) -> None:
        if kind in {LEVELS, COUNTERS}:
            return
        if kind == "modem_lines":
            if value == self._lines:
                return
            self._lines = value
        self._tell(TapEvent(at, self._path, kind, data, value))

    def failed(self, at: float, kind: str, error: Exception) -> None:
        # A port asks for queue lengths by itself, and goes on without where a driver does not tell them.
        if kind != WAITING or not isinstance(error, UnsupportedFeatureError):
            kind = "line_error" if isinstance(error, LineError) else "failed"
            self._tell(TapEvent(at, self._path, kind, b"", error))

    def _tell(self, event: TapEvent) -> None:
        try:
            if not self._is_logger:
                self._sink(event)
            elif self._sink.isEnabledFor(TRACE):
                self._sink.log(TRACE, "%s", event)
        except Exception:  # noqa: BLE001  # a sink must not harm the port
            _log.exception("the sink of a tap on %s raised; the tap is detached", printable(event.path))
            self._let_go()
