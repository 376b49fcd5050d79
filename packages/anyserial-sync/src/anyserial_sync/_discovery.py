"""The blocking twins of `anyserial.discovery`: list, find and watch.

The part ``anyserial_discovery`` finds the ports, and core calls it. Only how a thread waits for the result
belongs here.
"""

from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyserial import discovery
from anyserial._spi import CLOSED, OPEN, RECEIVER, Job, check_seconds, check_timeout, held, post

from anyserial_sync._bell import Bell
from anyserial_sync._runner import wait_for
from anyserial_sync._timeouts import LONGEST_WAIT, deadline_of, timed_out
from anyserial_sync._turnstile import Turnstile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType

    from anyserial._spi import Waker
    from anyserial.discovery import DiscoveryBackend, PortEvent, PortInfo

__all__ = ("PortWatch", "find_serial_port", "list_serial_ports", "watch_serial_ports", "within")


def list_serial_ports(*, backend: "DiscoveryBackend" = "native", timeout: float | None = None) -> "list[PortInfo]":
    """List the serial ports of this host, as they are now.

    No port is opened.

    Args:
        backend: What finds the ports; as for `anyserial.list_serial_ports`.
        timeout: Seconds that it may take; None waits without limit.

    Returns:
        The ports, sorted by name with numbers in numerical order.

    Raises:
        TimeoutError: It took longer.
        ImportError: The distribution anyserial-discovery, or the library that *backend*
            names, is not installed.
        UnsupportedPlatformError: *backend* does not know this platform.
        ValueError: There is no such backend.
    """
    return within(lambda: discovery._list(backend), timeout)  # noqa: SLF001  # core's, for its parts


def find_serial_port(
    *,
    vid: int | None = None,
    pid: int | None = None,
    serial_number: str | None = None,
    device: "str | os.PathLike[str] | None" = None,
    location: str | None = None,
    interface_number: int | None = None,
    manufacturer: str | None = None,
    product: str | None = None,
    backend: "DiscoveryBackend" = "native",
    timeout: float | None = None,
) -> "PortInfo | None":
    """Find the first port that matches all filters.

    Args:
        vid: USB vendor id, 0 to 0xFFFF.
        pid: USB product id, 0 to 0xFFFF.
        serial_number: The USB serial number, exactly.
        device: Any name of the port, as for `anyserial.find_serial_port`.
        location: Exactly `PortInfo.location`.
        interface_number: Number of the USB interface, 0 to 255.
        manufacturer: Exactly `PortInfo.manufacturer`.
        product: Exactly `PortInfo.product`.
        backend: What finds the ports.
        timeout: Seconds that it may take; None waits without limit.

    Returns:
        The first match in the order of `list_serial_ports`, or None.

    Raises:
        TypeError: A filter has the wrong type; the message names it.
        ValueError: A number is out of its range, or there is no such backend.
        TimeoutError: It took longer.
        ImportError: As for `list_serial_ports`.
        UnsupportedPlatformError: As for `list_serial_ports`.
    """
    filters: dict[str, object] = {
        "vid": vid,
        "pid": pid,
        "serial_number": serial_number,
        "device": device,
        "location": location,
        "interface_number": interface_number,
        "manufacturer": manufacturer,
        "product": product,
    }
    from anyserial._spi import checked_filters  # noqa: PLC0415  # few programs filter ports

    checked_filters(filters)  # before a worker does, so that a mistake shows this call alone
    return within(lambda: discovery._find(filters, backend), timeout)  # noqa: SLF001  # core's, for its parts


def within[T](function: "Callable[[], T]", timeout: float | None, what: str = "serial ports") -> T:
    """Return what *function* returns; with a timeout it runs on a worker, because nothing else interrupts it.

    Raises:
        TimeoutError: It took longer; the message says *what* was waited for.
    """
    deadline = deadline_of(timeout)
    if deadline is None:
        return function()
    bell = Bell()
    job = Job(function, bell.wake)
    with held():
        try:
            post(job)
            wait_for(job, bell, deadline, what)
        except BaseException:
            job.unwanted = True
            raise
    result: T = job.take()
    return result


def watch_serial_ports(*, interval: float = 1.0, timeout: float | None = None) -> "PortWatch":
    """Report the ports present, then each arrival and removal.

        with watch_serial_ports() as events:
            for event in events:
                print(event.kind, event.port.device)

    Reports the same events at the same times as `anyserial.watch_serial_ports`.

    Args:
        interval: Seconds between two listings where the system reports no changes, > 0.
        timeout: Seconds to wait for each event; None waits without limit.

    Raises:
        TypeError: *interval* or *timeout* is not a number.
        ValueError: *interval* is not above 0, or *timeout* is negative.
        ImportError: On entering: the distribution anyserial-discovery is not installed.
        UnsupportedPlatformError: On entering: this platform is not known.
    """
    interval = check_seconds("interval", interval, zero=False)
    check_timeout(timeout)
    return PortWatch(lambda: discovery._watch(interval), timeout)  # noqa: SLF001  # core's, for its parts


class _Life:
    """Whether a watch is open, and which call waits for its events; see `Owner`."""

    def __init__(self) -> None:
        self.path = "serial ports"
        self.state: int = OPEN
        self.turns: dict[str, object] = {}
        self.wakers: list[Waker] = []

    def refusal(self) -> anyio.ClosedResourceError:
        """See `Owner`."""
        return anyio.ClosedResourceError()


class PortWatch:
    """The events of `watch_serial_ports`: a context manager and iterator. Any thread may close it."""

    def __init__(self, open_watcher: "Callable[[], Any]", timeout: float | None) -> None:
        self._open_watcher = open_watcher
        self._timeout = timeout
        self._watcher: Any = None
        self._life = _Life()
        self._turnstile = Turnstile(self._life, RECEIVER)

    def __enter__(self) -> Self:
        """Start watching.

        Raises:
            RuntimeError: It was entered before.
        """
        if self._watcher is not None or self._life.state:
            raise RuntimeError("a watch can be entered only once: call watch_serial_ports() again")
        self._watcher = self._open_watcher()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Stop watching: `close`."""
        self.close()

    def close(self) -> None:
        """Stop watching; closing twice does nothing.

        A thread that waits for an event gets anyio.ClosedResourceError.
        """
        self._life.state = CLOSED
        self._turnstile.wake()
        if not self._life.turns:
            self._release()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> "PortEvent":
        """Wait for the next event, at most for the timeout given to `watch_serial_ports`.

        Raises:
            TimeoutError: No event came in time; the next call goes on waiting, and no event is lost.
            anyio.ClosedResourceError: The watch was closed, or was not entered.
            anyio.BusyResourceError: Another thread is waiting.
        """
        events = self._take(deadline_of(self._timeout), one=True)
        if events is None:
            raise timed_out("no port came or went", "serial ports")
        return events[0]

    def changes(self, deadline: float | None) -> "list[PortEvent] | None":
        """Wait until something has changed; the other way to use a watch, for `reconnect`.

        Args:
            deadline: When to stop waiting, by `time.monotonic`; None for never.

        Returns:
            The events. Empty if something has changed that is not an event, None if the time is over.

        Raises:
            anyio.ClosedResourceError: As waiting for the next event.
        """
        return self._take(deadline, one=False)

    def discard(self) -> None:
        """Drop the events that were found so far."""
        if self._watcher is not None:
            self._watcher.events.clear()

    def _take(self, deadline: float | None, *, one: bool) -> "list[PortEvent] | None":
        life, me = self._life, object()
        try:
            try:
                if life.turns.setdefault(RECEIVER, me) is not me:
                    raise anyio.BusyResourceError("waiting for port events of")
                looked = False
                while True:
                    if life.state or self._watcher is None:
                        raise anyio.ClosedResourceError
                    events = self._watcher.events
                    if events and one:
                        return [events.popleft()]
                    if events or (looked and not one):
                        taken = list(events)
                        events.clear()
                        return taken
                    if not self._wait(deadline):
                        return None
                    self._watcher.process()
                    looked = True
            finally:
                self._leave(me)
        except BaseException:
            self._leave(me)
            raise

    def _leave(self, me: object) -> None:
        life = self._life
        if life.turns.get(RECEIVER) is me:
            del life.turns[RECEIVER]
        if life.state:
            self._release()

    def _wait(self, deadline: float | None) -> bool:
        """Wait until it is time to look again; return whether that was before *deadline*."""
        look_after = self._watcher.timeout()
        left = None if deadline is None else max(deadline - monotonic(), 0.0)
        seconds = min(value for value in (look_after, left, LONGEST_WAIT) if value is not None)
        wait = self._turnstile.wait or self._turnstile.arm(self._watcher.fileno())
        if wait(seconds * 1000):
            return True
        return left is None or seconds < left or seconds == look_after

    def _release(self) -> None:
        watcher, self._watcher = self._watcher, None
        self._turnstile.disown()
        if watcher is not None:
            watcher.close()
