"""Makes the events of a record of what passes through an open port.

The port tells its onlookers, of which core's `Tap` is another one; what becomes of the events is the sink's business.
"""

import threading
from dataclasses import fields
from typing import Any, Protocol, cast

from anyserial._spi import Face, OpenPort, Seat, refusal
from anyserial.config import SerialConfig
from anyserial.exceptions import LineError, SerialClosedError, SerialDisconnectedError, SerialError

from anyserial_testing._record_format import Event, changes, error_words, spelled

__all__ = ("Observation", "Sink", "open_port_of")

# What a record calls the operation that failed, by what the port tells.
_OPERATIONS = {
    "received": "receive",
    "sent": "send",
    "configured": "configure",
    "control_lines": "lines",
    "break": "break",
    "discarded": "discard",
    "modem_lines": "modem",
    "control_levels": "control",
    "line_counters": "counters",
}
_QUERIES = {"modem", "control", "counters"}


class Sink(Protocol):
    """Takes the events."""

    def event(self, event: Event) -> None:
        """Take one event; calls come one at a time, from any thread. Must not raise: it would harm the port."""
        ...

    def finish(self) -> None:
        """The port is closed, or nobody looks on any more. May be called twice."""
        ...


def open_port_of(port: object) -> OpenPort:
    """Return what is inside an open port, async or blocking.

    Raises:
        TypeError: *port* is not a port of anyserial's.
        SerialClosedError: It is not open.
    """
    opened = getattr(port, "_port", None)
    if not isinstance(port, Face) or not isinstance(opened, OpenPort):
        raise TypeError(refusal("port", "an open SerialPort, async or blocking", port))
    opened.check_open()
    return opened


class Observation:
    """Reports what an open port does to a sink, until `close` or until the port is closed."""

    def __init__(self, port: object, sink: Sink) -> None:
        opened = open_port_of(port)
        self._narrator = _Narrator(sink, opened.config)
        self._seat = Seat(opened, self._narrator)
        self._narrator.began = self._seat.now()

    def close(self) -> None:
        """Stop looking on; the port stays open."""
        self._seat.leave()
        self._narrator.end()


class _Narrator:
    """An onlooker that makes events.

    What the program changes is reported before the change is made, because the device may answer to it at once,
    in another thread. What the device does is reported once it is known.
    """

    def __init__(self, sink: Sink, config: SerialConfig) -> None:
        self._sink = sink
        self._config = config
        self._seen: dict[str, object] = {}
        self._gone = False
        self._is_on = True
        # Taken again by a signal handler that uses the port.
        self._lock = threading.RLock()
        self.began = 0.0

    def begun(self, at: float, kind: str, value: object) -> None:
        match kind, value:
            case "configured", SerialConfig():
                self._note(at, "configure", words=changes(value, self._config))
            case "control_lines", dict():
                levels = cast("dict[str, bool]", value)
                if levels:
                    words = ((name, spelled(levels[name])) for name in ("rts", "dtr") if name in levels)
                    self._note(at, "lines", words=tuple(words))
            case "break", bool():
                self._note(at, "break", words=(("", spelled(value)),))
            case "discarded", str():
                self._note(at, "discard", words=(("", value),))
            case _:  # the port is being closed
                self._note(at, "close")
                self.end()

    def done(self, at: float, kind: str, data: bytes, value: Any) -> None:
        if kind in {"received", "sent"}:
            self._note(at, _OPERATIONS[kind], data)
        elif kind == "configured":
            self._config = value
        elif (name := _OPERATIONS.get(kind)) in _QUERIES and self._is_new(name, value):
            names = [field.name for field in fields(value)]
            self._note(at, name, words=tuple((name, spelled(getattr(value, name))) for name in names))

    def failed(self, at: float, kind: str, error: Exception) -> None:
        """Report that a call failed; an unplug only once, and a query's error only when it is new."""
        name = _OPERATIONS.get(kind)
        if isinstance(error, SerialDisconnectedError):
            if not self._gone:
                self._gone = True
                self._note(at, "gone")
        elif isinstance(error, LineError):
            self._note(at, "damaged", words=error_words("receive", error), error=error)
        elif isinstance(error, SerialError) and not isinstance(error, SerialClosedError) and name is not None:
            words = error_words(name, error)
            if name not in _QUERIES or self._is_new(name, words):
                self._note(at, "fail", words=words, error=error)

    def end(self) -> None:
        """Report nothing more."""
        with self._lock:
            self._is_on = False
            self._sink.finish()

    def _is_new(self, name: str, value: object) -> bool:
        known = self._seen.get(name)
        self._seen[name] = value
        return known != value

    def _note(
        self,
        at: float,
        kind: str,
        data: bytes = b"",
        words: tuple[tuple[str, str], ...] = (),
        error: SerialError | None = None,
    ) -> None:
        with self._lock:
            if not self._is_on:
                return
            # A port that is looked at before its event loop runs may come to a virtual clock, which begins at 0.
            self.began = min(self.began, at)
            self._sink.event(Event(kind, at - self.began, data, words, error))
