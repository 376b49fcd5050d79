"""How the blocking face waits: what `SerialPort` and its public operations stand on.

`BlockingPort` has an `OpenPort` and adds the two turnstiles, and what fills the pushback or takes output
when an attempt does not suffice. That is one of two, as the backend's kind wants it: `_DescriptorWaits`
blocks in poll(2), `PortalWaits` (in `_portal`) lets a thread with an event loop wait.

Not here: what the operations do (`anyserial._port.operations`) and how a port ends
(`anyserial._port.lifecycle`).
"""

import sys
from typing import TYPE_CHECKING, Protocol

from anyserial._spi import DISCONNECTED, RECEIVER, SENDER, Face, OpenPort, SelfWaitingTransport
from anyserial.exceptions import SerialDisconnectedError

from anyserial_sync._runner import perform
from anyserial_sync._timeouts import timed_out
from anyserial_sync._turnstile import Turnstile

if TYPE_CHECKING:
    from anyserial._spi import Lifecycle, Steps
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("BlockingPort", "Waits", "calls_below")


class Waits(Protocol):
    """How one kind of backend is waited for."""

    def fill(self, turnstile: Turnstile, me: object, size: int, deadline: float | None) -> None:
        """Wait until something is in the pushback, at most *size* bytes more than was there."""
        ...

    def write(self, turnstile: Turnstile, me: "list[int]", rest: memoryview, deadline: float | None) -> None:
        """Wait until some of *rest* is taken, and append how much to *me*."""
        ...


class _DescriptorWaits:
    """In poll(2)."""

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
        self._waits: Waits
        if isinstance(port.transport, SelfWaitingTransport):
            from anyserial_sync._portal import PortalWaits  # noqa: PLC0415  # few ports need it, and it is slow to import

            self._waits = PortalWaits(port)
        else:
            self._waits = _DescriptorWaits(port)

    def _next(self, me: object, size: int, *, poll: bool) -> bytes | None:
        """Return 1..*size* bytes that are there already; None if it is time to wait.

        Raises:
            TimeoutError: There are none, and the call *polls*.
        """
        turnstile, port = self._receiving, self._port
        self._check_readable()
        if not port.pushback.items:
            if turnstile.interrupted:
                turnstile.check(me)
            attempt_first, self._attempt_first = self._attempt_first, False
            if not (attempt_first or poll):
                return None
            if not port.transport.read_onto(port.pushback.items, size):
                if poll and port.transport.has_descriptor:
                    raise timed_out("nothing was received", port.path)
                return None
        return port.pushback.take(size)

    def _wait_and_take(self, me: object, size: int, deadline: float | None) -> bytes:
        """Wait until there is something, and return 1..*size* bytes of it."""
        self._waits.fill(self._receiving, me, size, deadline)
        return self._port.pushback.take(size)

    def _check_readable(self) -> None:
        """Raise the refusal of a receive; a port whose device is gone still gives what was pushed back."""
        if self._lifecycle.state > DISCONNECTED:
            raise self._lifecycle.refusal()

    def _receive_failed(self, exc: BaseException, me: "list[bool]", data: bytes | None, before: int) -> None:
        """Undo a receive that ends with *exc*: give back what it had, and its turn. A second time repeats that.

        Args:
            exc: Why it ends.
            me: Its ticket; marked when *data* is given back.
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
        return perform(self._port, steps, timeout)

    def _perform_as_sender[T](self, steps: "Steps[T]", timeout: float | None) -> T:
        return perform(self._port, steps, timeout, self._sending)


def _portal_transport(backend: "AsyncSerialBackend") -> SelfWaitingTransport:
    from anyserial_sync._portal import PortalTransport  # noqa: PLC0415  # few ports need it, and it is slow to import

    return PortalTransport(backend)


def calls_below(lifecycle: "Lifecycle") -> bool:
    """Return whether a call of the port is under way further down this thread's own stack.

    That is so in a signal handler, which cannot wait for the call that it has interrupted.
    """
    tickets = {id(ticket) for ticket in (*lifecycle.turns.values(), *lifecycle.calls)}
    frame = sys._getframe(1)  # noqa: SLF001  # the documented way
    while tickets and frame is not None:
        if id(frame.f_locals.get("me")) in tickets:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
