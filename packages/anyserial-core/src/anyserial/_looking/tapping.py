"""`Tap`: attaching an audience to a port, and taking it away again.

A port that is tapped has an observed backend in its transport, and one `_Listeners` with all its taps.
"""

import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, cast, override

from anyserial._checks import refusal
from anyserial._looking.events import TRACE, TapEvent
from anyserial._looking.observing import ObservedAsyncBackend, ObservedBackend
from anyserial._port.face import Face
from anyserial._printable import printable
from anyserial.exceptions import SerialClosedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anyserial._port.open_port import OpenPort

__all__ = ("Tap",)

_log = logging.getLogger("anyserial.tap")


class _Listeners:
    """The taps of one port. They come and go in one step each, so any thread may tell at any time."""

    __slots__ = ("hear", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.hear: tuple[Callable[[TapEvent], None], ...] = ()

    def tell(self, kind: str, data: bytes = b"", value: object = None) -> None:
        """See `Audience`."""
        event = TapEvent(monotonic(), self.path, kind, data, value)
        for hear in self.hear:
            hear(event)

    def add(self, hear: "Callable[[TapEvent], None]") -> None:
        self.hear = (*self.hear, hear)

    def remove(self, hear: "Callable[[TapEvent], None]") -> None:
        self.hear = tuple(other for other in self.hear if other != hear)


class Tap:
    """Shows a function or a logger everything that passes through a port, from now until it is detached.

    The tap attaches to the port itself, so the code that uses the port does not change. The port may be
    async or blocking, and in use: calls that are waiting are seen as well. A port can have several taps.
    A port without one makes the same calls as if taps did not exist.

    A tap reports what the driver gave and took. Bytes that a cancelled receive left behind are reported
    when they are read from the driver, and not a second time when the next receive returns them.

    As a context manager, a tap is detached at the end of the block. The port stays open.
    """

    def __init__(self, port: Face, sink: "Callable[[TapEvent], object] | logging.Logger") -> None:
        """Attach to a port.

        Args:
            port: An open port: `anyserial.SerialPort` or `anyserial.sync.SerialPort`.
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
        if not isinstance(cast("object", port), Face):
            raise TypeError(refusal("port", "an open SerialPort of anyserial or anyserial.sync", port))
        is_logger = isinstance(sink, logging.Logger)
        if not is_logger and not callable(sink):
            raise TypeError(refusal("sink", "a function that takes a TapEvent, or a logging.Logger", sink))
        self._sink: Any = sink
        self._is_logger = is_logger
        opened: OpenPort = port._port  # noqa: SLF001  # what both faces have in common
        opened.check_open()
        self._transport: Any = opened.transport
        backend = self._transport.backend
        if isinstance(backend, (ObservedBackend, ObservedAsyncBackend)):
            self._listeners: Any = backend.audience
        else:
            self._listeners = _Listeners(opened.path)
            kind = ObservedBackend if opened.transport.has_descriptor else ObservedAsyncBackend
            self._transport.replace_backend(kind(backend, self._listeners))
        self._listeners.add(self._hear)

    def detach(self) -> None:
        """Stop looking. A second call does nothing; any thread may call it."""
        self._listeners.remove(self._hear)
        backend = self._transport.backend
        is_observed = isinstance(backend, (ObservedBackend, ObservedAsyncBackend))
        # A recording may have been put around it, and other taps around that. Then it stays, and tells nobody.
        if is_observed and backend.audience is self._listeners and not self._listeners.hear:
            # A port that was closed in another thread meanwhile needs no other backend any more.
            with suppress(SerialClosedError):
                if backend.inner.is_open:
                    self._transport.replace_backend(backend.inner)

    @property
    def is_attached(self) -> bool:
        """Whether the tap still looks on. It does not after `detach`, or after its sink has raised."""
        return self._hear in self._listeners.hear

    def _hear(self, event: TapEvent) -> None:
        try:
            if not self._is_logger:
                self._sink(event)
            elif self._sink.isEnabledFor(TRACE):
                self._sink.log(TRACE, "%s", event)
        except Exception:  # noqa: BLE001  # a sink must not harm the port
            _log.exception("the sink of a tap on %s raised; the tap is detached", printable(event.path))
            self._listeners.remove(self._hear)

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
        return f"<anyserial.tap.Tap of {self._listeners.path!r}, {state}>"
