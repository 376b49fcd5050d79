"""How the blocking face waits: the base class of `SerialPort` and its public operations.

`BlockingPort` has an `OpenPort` and adds the two turnstiles, and an object that waits when an attempt finds
nothing. The backend's kind decides which: `_DescriptorWaits` blocks in poll(2), and `PortalWaits` (in
`_portal`) has a thread with an event loop wait.

What the operations do is in `anyserial._port.operations`, and how a port ends is in
`anyserial._port.lifecycle`.
"""

import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from anyserial._spi import DISCONNECTED, GRACE, RECEIVER, SENDER, Face, OpenPort, check_timeout, nothing_onto
from anyserial.exceptions import SerialDisconnectedError

from anyserial_sync._runner import perform
from anyserial_sync._timeouts import timed_out
from anyserial_sync._turnstile import Turnstile

if TYPE_CHECKING:
    from anyserial._spi import Items, Lifecycle, SelfWaitingTransport, Steps
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

    from anyserial_sync._contract import Waits

__all__ = ("BlockingPort", "calls_below")

_PAUSE: Final = 0.0005  # seconds between two looks whether a change of settings is over


class _DescriptorWaits:
    """Waiting in poll(2)."""

    __slots__ = ("_port",)

    def __init__(self, port: OpenPort) -> None:
        self._port = port

    def fill(self, turnstile: Turnstile, me: object, size: int, deadline: float | None) -> None:
        """See `Waits`."""
        port = self._port
        while True:
            turnstile.wait_for(port.transport.fileno(), me, deadline)
            if port.transport.read_onto(port.pushback.items, size):
                return

    def write(self, turnstile: Turnstile, me: "list[int]", rest: memoryview, deadline: float | None) -> None:
        """See `Waits`."""
        port = self._port
        while True:
            turnstile.wait_for(port.transport.fileno(), me, deadline)
            if port.transport.write_onto(me, rest):
                return


class BlockingPort(Face):
    """One open port for threads, without its public methods."""

    _is_awaited = False

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        port_info: "PortInfo | None",
    ) -> None:
        self._port = port = OpenPort(backend, config, port_info, _portal_transport)
        self._lifecycle = port.lifecycle
        self._pushback = port.pushback
        self._turns = port.lifecycle.turns
        self._receiving = Turnstile(port.lifecycle, RECEIVER)
        self._sending = Turnstile(port.lifecycle, SENDER)
        self._attempt_first = False
        self._default_timeout: float | None = None
        self._waits: Waits
        if port.transport.has_descriptor:
            self._waits = _DescriptorWaits(port)
        else:
            from anyserial_sync._portal import PortalWaits  # noqa: PLC0415  # few ports need it, and it is slow to import

            self._waits = PortalWaits(port, config.close_timeout)

    @property
    def default_timeout(self) -> float | None:
        """Seconds that each call without a ``timeout`` of its own may take; None for no limit.

        It can be changed at any time, and counts for the calls that begin afterwards. `close` has a limit of its
        own, `SerialConfig.close_timeout`.

        Raises:
            TypeError: On setting: it is neither None nor a number.
            ValueError: On setting: it is negative or NaN.
        """
        return self._default_timeout

    @default_timeout.setter
    def default_timeout(self, seconds: float | None) -> None:
        check_timeout(seconds, "default_timeout")
        self._default_timeout = seconds

    def _limit(self, timeout: float | None) -> float | None:
        """Return the timeout of a call that was given *timeout*."""
        return self._default_timeout if timeout is None else timeout

    def _watch_for_misread_timeout(self, seconds: float) -> None:
        """Expect that the caller may take the timeout of the opening, *seconds*, for that of each receive."""
        from anyserial_sync._misread_timeout import MisreadTimeout  # noqa: PLC0415  # few programs need it

        MisreadTimeout(self._receiving, self._port.path, seconds)

    def _next(self, me: object, size: int, *, poll: bool) -> bytes | None:
        """Return 1..*size* bytes that have arrived already; None if the call must wait.

        Raises:
            TimeoutError: Nothing has arrived, and *poll* is set.
        """
        turnstile, port = self._receiving, self._port
        self._check_readable()
        if not port.pushback.items:
            if turnstile.interrupted:
                turnstile.check(me)
            attempt_first, self._attempt_first = self._attempt_first, False
            if not (attempt_first or poll):
                return None
            if not (self._read_at_once if poll else port.transport.read_onto)(port.pushback.items, size):
                if poll and port.transport.has_descriptor:
                    raise timed_out("nothing was received", port.path)
                return None
        # No `with` here: a signal that comes while it is left would lose what was taken.
        try:
            return port.pushback.take(size)
        except IndexError:  # another thread has discarded it meanwhile
            return None

    def _read_at_once(self, items: "Items", size: int) -> bool:
        """Append to *items* what has arrived, at most *size* bytes; return whether there was anything.

        A change of `line_errors` in another thread holds back for some milliseconds what has arrived. This
        waits for the end of the change, at most GRACE.
        """
        transport = self._port.transport
        until: float | None = None
        while True:
            read_onto = transport.read_onto
            if read_onto(items, size):
                return True
            is_held_back = nothing_onto in (read_onto, transport.read_onto)  # the change may have begun meanwhile
            if not is_held_back or not transport.has_descriptor:
                return False
            now = monotonic()
            until = until or now + GRACE
            if now > until:
                return False
            sleep(_PAUSE)

    def _wait_and_take(self, me: object, size: int, deadline: float | None) -> bytes:
        """Wait until bytes arrive, and return 1..*size* of them."""
        while True:
            self._waits.fill(self._receiving, me, size, deadline)
            try:
                return self._port.pushback.take(size)
            except IndexError:  # another thread has discarded it meanwhile
                continue

    def _check_readable(self) -> None:
        """Raise if a receive is not allowed. Without a device, it still returns bytes that were pushed back."""
        if self._lifecycle.state > DISCONNECTED:
            raise self._lifecycle.refusal()

    def _receive_failed(self, exc: BaseException, me: "list[bool]", data: bytes | None, before: int) -> None:
        """Undo a receive that ends with *exc*: push back its bytes and give back its turn. Can be repeated.

        Args:
            exc: Why the receive ends.
            me: Its ticket; marked once *data* is pushed back.
            data: What it was about to return.
            before: What `bytes_received` was when it began.
        """
        port = self._port
        if data and not me:
            port.bytes_received = before
            port.pushback.give_back(data)
            me.append(True)
        self._leave("receiver", me)
        if isinstance(exc, SerialDisconnectedError):
            port.unplug(exc)

    def _send_failed(self, exc: BaseException, me: "list[int]", sent: int | None, before: int | None) -> None:
        """Undo a send that ends with *exc*: count what it has sent, and give back its turn. Can be repeated."""
        if before is not None:
            self._port.bytes_sent = before + (sum(me) or sent or 0)
            self._port.transport.outbox.clear()
        self._leave("sender", me)
        if isinstance(exc, SerialDisconnectedError):
            self._port.unplug(exc)

    def _leave(self, role: str, me: object) -> None:
        """Give back the turn of the call *me*."""
        turns, lifecycle = self._turns, self._lifecycle
        if turns.get(role) is me:
            turns.pop(role, None)
        if lifecycle.ending is not None:
            lifecycle.post(lifecycle.closing.advance)

    def _perform[T](self, steps: "Steps[T]", timeout: float | None) -> T:
        return perform(self._port, steps, self._limit(timeout))

    def _perform_as_sender[T](self, steps: "Steps[T]", timeout: float | None) -> T:
        return perform(self._port, steps, self._limit(timeout), self._sending)


def _portal_transport(backend: "AsyncSerialBackend") -> "SelfWaitingTransport":
    from anyserial_sync._portal import PortalTransport  # noqa: PLC0415  # few ports need it, and it is slow to import

    return PortalTransport(backend)


def calls_below(lifecycle: "Lifecycle") -> bool:
    """Return whether this thread's own stack contains a call of the port.

    A signal handler runs on top of the call that it has interrupted, and cannot wait for that call.
    """
    tickets = {id(ticket) for ticket in (*lifecycle.turns.values(), *lifecycle.calls)}
    frame = sys._getframe(1)  # noqa: SLF001  # the documented way
    while tickets and frame is not None:
        if id(frame.f_locals.get("me")) in tickets:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
