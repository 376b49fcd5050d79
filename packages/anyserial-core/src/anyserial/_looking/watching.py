"""Onlookers of one port: how they get their place at it, and how they leave.

A port that is looked at has an observed backend in its transport, and one `Hub` with all its onlookers. The first
onlooker puts both there, and the last one takes them away. `Tap` is an onlooker, and so is a recording.
"""

import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from anyserial._clock import here
from anyserial._looking.observing import ObservedAsyncBackend, ObservedBackend
from anyserial.exceptions import SerialClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.open_port import OpenPort

__all__ = ("Hub", "Onlooker", "Seat")


class Onlooker(Protocol):
    """Receives what happens and when: *at* is in seconds. See `observing.Audience`."""

    def begun(self, at: float, kind: str, value: object) -> None:
        """Note that a change is about to be made. Must not raise."""
        ...

    def done(self, at: float, kind: str, data: bytes, value: object) -> None:
        """Note what happened. Must not raise."""
        ...

    def failed(self, at: float, kind: str, error: Exception) -> None:
        """Note that a call failed. Must not raise."""
        ...


class Hub:
    """The onlookers of one port. They come and go in one step each, so any thread may tell at any time."""

    __slots__ = ("_clock", "lock", "onlookers")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.onlookers: tuple[Onlooker, ...] = ()
        self._clock: Callable[[], float] = monotonic

    def now(self) -> float:
        """Return the time by the port's clock."""
        # Workers report, too: they use the clock of the event loop that the port is used in.
        if (clock := here()) is not monotonic:
            self._clock = clock
        return self._clock()

    def begun(self, kind: str, value: object) -> None:
        """See `Audience`."""
        at = self.now()
        for onlooker in self.onlookers:
            onlooker.begun(at, kind, value)

    def done(self, kind: str, data: bytes = b"", value: object = None) -> None:
        """See `Audience`."""
        at = self.now()
        for onlooker in self.onlookers:
            onlooker.done(at, kind, data, value)

    def failed(self, kind: str, error: Exception) -> None:
        """See `Audience`."""
        at = self.now()
        for onlooker in self.onlookers:
            onlooker.failed(at, kind, error)


class Seat:
    """The place of one onlooker at one port, from now until `leave`.

    Args:
        port: The inside of the port.
        onlooker: Receives what happens, also in calls that are waiting already.

    Raises:
        SerialClosedError: The port is closed.
        SerialDisconnectedError: The device is gone.
    """

    __slots__ = ("_hub", "_onlooker", "_transport")

    def __init__(self, port: "OpenPort", onlooker: Onlooker) -> None:
        port.check_open()
        self._onlooker = onlooker
        self._transport: Any = port.transport
        backend = self._transport.backend
        if isinstance(backend, (ObservedBackend, ObservedAsyncBackend)):
            self._hub: Any = backend.audience
        else:
            self._hub = Hub()
            kind = ObservedBackend if port.transport.has_descriptor else ObservedAsyncBackend
            self._transport.replace_backend(kind(backend, self._hub))
        self._hub.onlookers = (*self._hub.onlookers, onlooker)

    @property
    def is_taken(self) -> bool:
        """Whether the onlooker is still told."""
        return self._onlooker in self._hub.onlookers

    def now(self) -> float:
        """Return the time by the clock that events have."""
        now: float = self._hub.now()
        return now

    def hide(self) -> None:
        """Tell the onlooker nothing more, but leave the backend as it is: for the middle of a call."""
        self._hub.onlookers = tuple(other for other in self._hub.onlookers if other is not self._onlooker)

    def leave(self) -> None:
        """Tell the onlooker nothing more. A second call does nothing; any thread may call it."""
        self.hide()
        backend = self._transport.backend
        is_observed = isinstance(backend, (ObservedBackend, ObservedAsyncBackend))
        if is_observed and backend.audience is self._hub and not self._hub.onlookers:
            # A port that was closed in another thread meanwhile needs no other backend any more.
            with suppress(SerialClosedError):
                if backend.inner.is_open:
                    self._transport.replace_backend(backend.inner)
